"""Requests that offer to switch protocols: nobody need take the offer (RFC 9110, 7.8), and a body
stays a body.
"""

import contextlib
import itertools
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from starlette.routing import Route

from signaller.web.routes import routes
from tests.faults import LONG
from tests.faults.clients.wire import LAST, Door, connected, exchange, head, statuses
from tests.support.process import MASTER, config, served
from tests.support.provider import ANSWER, FakeProvider
from tests.support.service import MODEL, OFFER
from tests.support.serving import serving

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the provider lives on that loop

MINT, CALLS = "/v1/realtime/client_secrets", "/v1/realtime/calls"
BODY = b'{"model": "%s"}' % MODEL.encode()
SMUGGLED = (
    head(
        *("POST", MINT, "Host: x", f"Authorization: Bearer {MASTER}"),
        *("Content-Type: application/json", f"Content-Length: {len(BODY)}"),
    )
    + BODY
)
"""A mint that would succeed, if it were taken for a request."""
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]
PATHS = [
    *(each.path.replace("{call_id}", "rtc_x") for each in routes() if isinstance(each, Route)),
    *("/css/base.css", "/nope"),
]
OFFERS = ["h2c", "websocket", "TLS/1.0", "anything/9", "h2c, websocket", "websocket, h2c, x/1"]
FRAMINGS = {
    "length": (f"Content-Length: {len(SMUGGLED)}", SMUGGLED),
    "chunks": ("Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """One service at a port and another at a Unix socket, before one provider."""

    provider: FakeProvider
    tcp: Door
    unix: Door


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors() -> AsyncIterator[Doors]:
    """Both, as processes of their own."""
    provider = FakeProvider()
    with contextlib.ExitStack() as stack:
        # Not tmp_path: a socket's path may have 107 bytes at most.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="doors-")))
        async with serving(provider.app) as provider_url:
            path = config(folder, provider_url, model=MODEL)
            tcp = stack.enter_context(served("--config", path))
            unix = stack.enter_context(served("--config", path, "--uds", str(folder / "s")))
            for each in (tcp, unix):
                each.ready()
            port = int(tcp.url().rpartition(":")[2])
            yield Doors(provider=provider, tcp=port, unix=folder / "s")


@pytest.fixture(params=["tcp", "unix"])
def door(request: pytest.FixtureRequest, doors: Doors) -> Door:
    """One of them."""
    found: Door = getattr(doors, request.param)
    return found


def offering(protocol: str) -> tuple[str, ...]:
    """The fields of an offer, complete for each of these protocols."""
    return (
        *("Connection: Upgrade, HTTP2-Settings", f"Upgrade: {protocol}"),
        *("HTTP2-Settings: AAEAAEAAAAIAAAAA", "Sec-WebSocket-Version: 13"),
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("framing", FRAMINGS)
async def test_a_body_never_becomes_a_request(
    doors: Doors, door: Door, path: str, framing: str
) -> None:
    """One answer for it and one for what stands behind it, however it is cut and offered."""
    before = len(doors.provider.requests)
    length, body = FRAMINGS[framing]
    for method, protocol in offers_at(path):
        fields = ("Host: x", "Authorization: Bearer sk-of-nobody", *offering(protocol), length)
        start = head(method, path, *fields)
        first, second = statuses(await exchange(door, start + body + LAST))
        async with connected(door) as wire:
            await wire.send(start)
            # All that was sent is read by now, so the body is a read of its own.
            assert await wire.head() == first
            await wire.send(body)
            await wire.send(LAST)
            assert statuses(await wire.rest()) == [200]
        assert (first < 500 or first == 501, second) == (True, 200)
    assert len(doors.provider.requests) == before


def offers_at(path: str) -> list[tuple[str, str]]:
    """Methods with what they offer at a path: in the short form a third of all, others elsewhere.

    Every path still meets every method and every offer, and every method meets every offer.
    """
    everything = list(itertools.product(METHODS, OFFERS))
    if LONG:
        return everything
    turn = PATHS.index(path)
    return [
        (method, protocol)
        for method, protocol in everything
        if (METHODS.index(method) + OFFERS.index(protocol) + turn) % 3 == 0
    ]


@pytest.mark.parametrize("protocol", OFFERS)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("waits", [False, True], ids=["one-write", "several-writes"])
async def test_the_honest_are_served(
    doors: Doors, door: Door, protocol: str, chunked: bool, waits: bool
) -> None:
    """A mint and its call, with an offer to switch that nobody takes."""

    async def ask(path: str, key: str, kind: str, body: bytes) -> bytes:
        expect = ("Expect: 100-continue",) if waits else ()
        length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
        who = f"Authorization: Bearer {key}", f"Content-Type: {kind}"
        start = head("POST", path, "Host: x", *who, *offering(protocol), length, *expect)
        sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body
        if not waits:
            return await exchange(door, start + sent + LAST)
        async with connected(door) as wire:
            await wire.send(start)
            assert await wire.head() == 100
            await wire.send(sent[:20])
            await wire.send(sent[20:])
            await wire.send(LAST)
            return await wire.rest()

    before = len(doors.provider.requests)
    minted = await ask(MINT, MASTER, "application/json", BODY)
    assert statuses(minted) == [200, 200]
    token = minted.partition(b'"value":"')[2].partition(b'"')[0].decode()
    called = await ask(CALLS, token, "application/sdp", OFFER)
    assert statuses(called) == [201, 200]
    assert ANSWER in called
    mint, call = doors.provider.requests[before:]
    assert (mint.json()["session"]["type"], call.body) == ("realtime", OFFER)
