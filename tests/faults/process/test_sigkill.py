"""SIGKILL of one of two replicas: what it was doing is lost, and nothing else."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.faults import LONG
from tests.faults.process.fleet import shared
from tests.faults.process.load import CLIENTS, begun, under_load, unpooled
from tests.support.process import MASTER, Running, config, served
from tests.support.provider import FakeProvider
from tests.support.service import OFFER, error
from tests.support.serving import serving

TURNS = 10 if LONG else 1
"""It dies at another moment each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two replicas on one Redis, each with a client of its own."""

    provider: FakeProvider
    replicas: list[Running]
    clients: list[httpx.AsyncClient]

    async def token(self, number: int) -> str:
        """A fresh token from this replica."""
        minted = await self.clients[number].post(
            "/v1/realtime/client_secrets",
            json={"model": "voice"},
            headers={"authorization": f"Bearer {MASTER}"},
        )
        assert minted.status_code == 200, minted.text
        value: str = minted.json()["value"]
        return value

    async def call(self, number: int, token: str) -> httpx.Response:
        """An offer to this replica."""
        headers = {"authorization": f"Bearer {token}", "content-type": "application/sdp"}
        return await self.clients[number].post("/v1/realtime/calls", content=OFFER, headers=headers)

    async def kill_first(self) -> None:
        """Return once it is no more."""
        self.replicas[0].send(signal.SIGKILL)
        assert await asyncio.to_thread(self.replicas[0].ended) == -signal.SIGKILL


@pytest.fixture
async def pair(tmp_path: Path, redis_url: str) -> AsyncIterator[Pair]:
    """Both at once, on ports of their own."""
    provider = FakeProvider()
    async with contextlib.AsyncExitStack() as stack:
        provider_url = await stack.enter_async_context(serving(provider.app))
        path = config(tmp_path, provider_url, shared(redis_url))
        running = [stack.enter_context(served("--config", path)) for _ in range(2)]
        urls = [await asyncio.to_thread(each.url) for each in running]
        clients = [await stack.enter_async_context(unpooled(url)) for url in urls]
        for each in running:
            await asyncio.to_thread(each.ready)
        yield Pair(provider=provider, replicas=running, clients=clients)


async def test_tokens_of_a_killed_replica_are_good_at_the_other(pair: Pair) -> None:
    """They lie in Redis, not in the process; each of them begins one call."""
    tokens = [await pair.token(0) for _ in range(5)]
    await pair.kill_first()
    assert [(await pair.call(1, token)).status_code for token in tokens] == [201] * 5
    assert [(await pair.call(1, token)).status_code for token in tokens] == [401] * 5
    assert len(pair.provider.call.requests) == 5


async def test_a_call_in_flight_is_lost_and_its_token_spent(pair: Pair) -> None:
    """Nobody knows whether it began: the other replica refuses the token."""
    token = await pair.token(0)
    pair.provider.call.holds()
    calling = asyncio.create_task(pair.call(0, token))
    await pair.provider.call.arrived()
    await pair.kill_first()
    with pytest.raises(httpx.TransportError):
        await calling
    pair.provider.call.release()
    refused = await pair.call(1, token)
    assert (refused.status_code, error(refused)["code"]) == (401, "token_rejected")
    assert len(pair.provider.call.requests) == 1


@pytest.mark.parametrize("_turn", range(TURNS))
async def test_under_load_only_what_was_in_flight_is_lost(pair: Pair, _turn: int) -> None:
    """One request of each client at most, all of them at the killed replica, none made twice."""
    async with under_load(*pair.clients) as load:
        await load.more()
        load.settled.clear()
        await pair.kill_first()
        load.settled.set()
        await load.more()
    assert {(each.place, each.status) for each in load.bad} <= {(0, None)}
    assert len(load.bad) <= CLIENTS
    offers = begun(pair.provider)
    assert set(offers.values()) == {1}
    lost = sum(each.step == "calls" for each in load.bad)
    assert load.calls <= len(offers) <= load.calls + lost
