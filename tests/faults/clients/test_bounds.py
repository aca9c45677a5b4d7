"""What a connection may not do: come late with its head, or bring headers behind its body."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
import uvicorn
import websockets
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from signaller.app import create_app
from signaller.server.http1 import HEAD_SECONDS, MAX_PIPELINED, BoundedHttp
from tests.faults.clients.wire import LAST, connected, exchange, head, statuses
from tests.support.provider import FakeProvider
from tests.support.service import MASTER_KEY, deployment, settings
from tests.support.serving import serving

BODY = b'{"model": "voice"}'


class Quick(BoundedHttp):
    """The same, for a test that does not want to wait."""

    head_seconds = rest_seconds = 0.3


@contextlib.asynccontextmanager
async def bounded() -> AsyncIterator[tuple[int, FakeProvider]]:
    """The port of a service whose connections must be quick, and its provider."""
    provider = FakeProvider()
    async with (
        serving(provider.app) as url,
        quick(create_app(settings(deployment(url)))) as port,
    ):
        yield port, provider


@contextlib.asynccontextmanager
async def quick(app: ASGIApp) -> AsyncIterator[int]:
    """The port of an application whose connections must be quick."""
    config = uvicorn.Config(app, http=Quick, lifespan="auto", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]  # they are pytest's
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        await task


@pytest.mark.parametrize(
    "silence",
    [b"", b"\r\n", b"GET /heal", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-"],
    ids=["nothing", "an empty line", "half a line", "half a head"],
)
async def test_a_head_that_does_not_come_ends_the_connection(silence: bytes) -> None:
    """Whoever says nothing holds no connection for ever."""
    async with bounded() as (port, _), asyncio.timeout(HEAD_SECONDS / 2):
        assert statuses(await exchange(port, silence)) in ([], [400], [408])


async def test_a_head_that_drips_ends_the_connection() -> None:
    """Saying something now and then buys no time."""
    async with bounded() as (port, _), connected(port) as wire, asyncio.timeout(HEAD_SECONDS / 2):
        said = asyncio.create_task(wire.rest())
        await wire.send(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        while not said.done():
            await wire.send(b"x")
            await asyncio.wait({said}, timeout=0.05)
        assert statuses(said.result()) in ([], [400], [408])


async def test_a_refused_body_that_does_not_end_ends_the_connection() -> None:
    """Neither silence nor a drip of it holds the connection, and its answer has come before."""
    request = head("POST", "/v1/realtime/calls", "Host: x", "Content-Length: 60000")
    async with bounded() as (port, _), asyncio.timeout(HEAD_SECONDS / 2):
        assert statuses(await exchange(port, request)) == [401]
        async with connected(port) as wire:
            said = asyncio.create_task(wire.rest())
            await wire.send(request)
            while not said.done():
                await wire.send(b"x")
                await asyncio.wait({said}, timeout=0.05)
            assert statuses(said.result()) == [401]


async def test_a_connection_is_kept_behind_a_refused_body() -> None:
    """Once the body has ended, a gateway may use the connection again, and later than a head."""
    request = head("POST", "/v1/realtime/calls", "Host: x", "Content-Length: 5")
    async with bounded() as (port, _), connected(port) as wire:
        await wire.send(request)
        assert await wire.head() == 401
        await wire.send(b"12345")
        silence = asyncio.create_task(wire.rest())
        await asyncio.wait({silence}, timeout=4 * Quick.head_seconds)
        assert not silence.done()
        await wire.send(LAST)
        assert statuses(await silence) == [200]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """A WebSocket that says what it hears."""
    socket = WebSocket(scope, receive, send)
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)


async def test_a_web_socket_outlives_the_time_of_a_head() -> None:
    """Its silence is its own affair; uvicorn's pings see to it that somebody is there."""
    async with quick(echo) as port, websockets.connect(f"ws://127.0.0.1:{port}/") as client:
        ended = asyncio.create_task(client.wait_closed())
        await asyncio.wait({ended}, timeout=4 * Quick.head_seconds)
        await client.send("still here")
        assert await client.recv() == "still here"
        ended.cancel()


async def test_a_trailer_is_no_header() -> None:
    """A gateway cleans headers only: what stands behind a body proves nothing (RFC 9110, 6.5.1)."""
    chunks = b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY)
    request = head(
        "POST",
        "/v1/realtime/client_secrets",
        "Host: x",
        "Content-Type: application/json",
        "Transfer-Encoding: chunked",
    )
    trailer = f"Authorization: Bearer {MASTER_KEY}\r\n\r\n".encode()
    async with bounded() as (port, provider):
        assert statuses(await exchange(port, request + chunks + trailer + LAST)) == [401, 200]
        assert not provider.requests


async def test_a_pipeline_has_an_end() -> None:
    """A few requests at once are answered in their order; thousands are not taken in."""
    more = LAST.replace(b"close", b"keep-alive")
    async with bounded() as (port, _):
        few = await exchange(port, more * (MAX_PIPELINED // 2) + LAST)
        assert statuses(few) == [200] * (MAX_PIPELINED // 2 + 1)
        many = statuses(await exchange(port, more * 5000 + LAST))
        assert len(many) < 5000
