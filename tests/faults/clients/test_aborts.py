"""Clients that go away, at every stage: nothing is spent, kept or left open for them."""

import asyncio
import contextlib
from collections import Counter

import pytest

from tests.faults.clients.attacked import PROMPT_SECONDS, Attacked, until
from tests.faults.clients.wire import connected, head
from tests.support.process import MASTER
from tests.support.service import MODEL, OFFER, bearer

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the provider lives on that loop

AT_ONCE = 20
CALLS = "/v1/realtime/calls"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: h2c\r\nExpect: 100-continue\r\n"


def call(token: str) -> bytes:
    """A whole call."""
    fields = f"Authorization: Bearer {token}", "Content-Type: application/sdp"
    return head("POST", CALLS, "Host: x", *fields, f"Content-Length: {len(OFFER)}") + OFFER


def mint() -> bytes:
    """A whole mint."""
    body = b'{"model": "%s"}' % MODEL.encode()
    fields = f"Authorization: Bearer {MASTER}", "Content-Type: application/json"
    length = f"Content-Length: {len(body)}"
    return head("POST", "/v1/realtime/client_secrets", "Host: x", *fields, length) + body


STAGES = {
    "connected": 0,
    "in-the-request-line": 8,
    "in-the-head": 120,
    "before-the-body": -len(OFFER),
    "in-the-body": -len(OFFER) // 2,
    "before-the-last-byte": -1,
}


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES)
async def test_an_offer_that_never_came_costs_no_token(
    service: Attacked, stage: int, reset: bool
) -> None:
    """Neither store nor provider hears of it, and the token still starts a call."""
    token = await service.token()
    before, descriptors = service.marks(), service.descriptors()
    for _ in range(AT_ONCE):
        async with connected(service.port) as wire:
            await wire.send(call(token)[:stage])
            if reset:
                wire.reset()
    await service.descriptors_at_most(descriptors)
    assert service.marks() == before
    response = await service.client.post(
        CALLS, content=OFFER, headers=bearer(token) | {"content-type": "application/sdp"}
    )
    assert response.status_code == 201


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
@pytest.mark.parametrize("more", [b"", UPGRADE], ids=["plain", "offering-h2c"])
async def test_a_call_whose_client_left_is_hung_up(
    service: Attacked, reset: bool, more: bytes
) -> None:
    """Aborted while the provider thinks: whatever it then begins is ended."""
    provider = service.provider
    provider.live_calls.clear()
    begun, ended = len(provider.call.requests), len(provider.hangup.requests)
    tokens = [await service.token() for _ in range(AT_ONCE)]
    descriptors = service.descriptors()
    provider.call.holds()
    async with contextlib.AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(connected(service.port)) for _ in tokens]
        for wire, token in zip(wires, tokens, strict=True):
            request = call(token).replace(b"Host: x\r\n", b"Host: x\r\n" + more)
            await wire.send(request.removesuffix(OFFER))
            if more:
                assert await wire.head() == 100
            await wire.send(OFFER)
        await provider.call.arrived(begun + AT_ONCE)
        if reset:
            for wire in wires:
                wire.reset()
    # The service must know that they left before the answers come: its descriptors say so.
    await service.descriptors_at_most(descriptors)
    provider.call.release()
    await until(lambda: len(provider.hangup.requests) >= ended + AT_ONCE)
    assert len(provider.hangup.requests) == ended + AT_ONCE
    assert provider.live_calls == set()


async def test_a_call_whose_client_left_before_its_token_was_redeemed_is_none(
    service: Attacked,
) -> None:
    """Aborted while Redis holds its breath: no call lives on, and no token begins two."""
    provider = service.provider
    provider.live_calls.clear()
    begun = len(provider.call.requests)
    tokens = [await service.token() for _ in range(AT_ONCE)]
    descriptors = service.descriptors()
    service.store.client_pause(60_000, all=False)
    try:
        async with contextlib.AsyncExitStack() as stack:
            for token in tokens:
                wire = await stack.enter_async_context(connected(service.port))
                await wire.send(call(token))
            await until(lambda: int(service.store.info("clients")["blocked_clients"]) > 0)
        await service.descriptors_at_most(descriptors)
    finally:
        service.store.client_unpause()
    headers = {"content-type": "application/sdp"}
    for token in tokens:
        again = await service.client.post(CALLS, content=OFFER, headers=bearer(token) | headers)
        assert again.status_code in {201, 401}
        if again.status_code == 201:
            ended = f"{again.headers['location']}/hangup"
            assert (await service.client.post(ended, headers=bearer(token))).status_code == 200
    await until(lambda: provider.live_calls == set())
    used = Counter(each.headers["authorization"] for each in provider.call.requests[begun:])
    assert set(used.values()) <= {1}


async def test_a_mint_whose_client_left_harms_nobody(service: Attacked) -> None:
    """Aborted while the provider thinks; what it minted is kept no longer than a token."""
    provider = service.provider
    begun = len(provider.mint.requests)
    provider.mint.holds()
    for number in range(AT_ONCE):
        async with connected(service.port) as wire:
            await wire.send(mint())
            await provider.mint.arrived(begun + number + 1)
            wire.reset()
    provider.mint.release()
    assert await service.token()
    keys = list(service.store.scan_iter())
    assert all(service.store.ttl(key) > 0 for key in keys)


async def test_answers_that_nobody_reads_are_dropped(service: Attacked) -> None:
    """Whole requests, one behind the other, and never a look at what comes back."""
    requests = mint() + head("GET", "/", "Host: x") * 500 + mint()
    for _ in range(AT_ONCE):
        async with connected(service.port) as wire:
            wire.writer.write(requests)
            await asyncio.wait_for(wire.head(), 30)
            wire.reset()
    assert await service.serves() < PROMPT_SECONDS
