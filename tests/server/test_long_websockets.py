"""A WebSocket that lives long, on this project's own servers: no timer of HTTP cuts it off."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator

import pytest
import websockets
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from signaller.server.http1 import BoundedHttp
from signaller.server.run import EmbeddedServer

HEAD_SECONDS, KEEP_ALIVE_SECONDS = 0.3, 1
LONGER_SECONDS = 2.5 * KEEP_ALIVE_SECONDS


class Impatient(BoundedHttp):
    """A connection that must be quick, for a test that does not want to wait."""

    head_seconds = rest_seconds = HEAD_SECONDS


async def page(_: Request) -> PlainTextResponse:
    """What a request gets before the WebSocket is asked for."""
    return PlainTextResponse("page")


async def echo(socket: WebSocket) -> None:
    """Say what is heard."""
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)


@contextlib.asynccontextmanager
async def impatient() -> AsyncIterator[int]:
    """The port of a server that gives HTTP hardly any time, and pings WebSockets often."""
    routes = [Route("/page", page), WebSocketRoute("/echo", echo)]
    server = EmbeddedServer(Starlette(routes=routes), shutdown_seconds=1)
    server.config.http = Impatient
    server.config.timeout_keep_alive = KEEP_ALIVE_SECONDS
    server.config.ws_ping_interval = 0.2
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await server.ready.wait()
        yield listener.getsockname()[1]
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def connected(
    port: int, *, after_a_request: bool
) -> AsyncIterator[websockets.ClientConnection]:
    """A WebSocket; `after_a_request`: on a connection that has been used, and kept, before."""
    loop = asyncio.get_running_loop()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setblocking(False)
        if after_a_request:
            await loop.sock_sendall(connection, b"GET /page HTTP/1.1\r\nHost: x\r\n\r\n")
            said = b""
            while not said.endswith(b"page"):
                said += await loop.sock_recv(connection, 4096)
            assert said.startswith(b"HTTP/1.1 200 ")
        url = f"ws://127.0.0.1:{port}/echo"
        async with websockets.connect(url, sock=connection, ping_interval=None) as client:
            yield client


@pytest.mark.parametrize("after_a_request", [False, True], ids=["at once", "after a request"])
async def test_a_websocket_is_spoken_over_for_longer_than_http_has_time(
    after_a_request: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """With pauses as long as the time of a head, all the time that a kept connection has twice."""
    async with impatient() as port, connected(port, after_a_request=after_a_request) as client:
        ended, begun, times = asyncio.create_task(client.wait_closed()), time.monotonic(), 0
        while time.monotonic() < begun + LONGER_SECONDS:
            await client.send(f"number {times}")
            assert await client.recv() == f"number {times}"
            times += 1
            await asyncio.wait({ended}, timeout=HEAD_SECONDS)
        assert times > 1
        ended.cancel()
    assert not faults(caplog)


@pytest.mark.parametrize("after_a_request", [False, True], ids=["at once", "after a request"])
async def test_a_silent_websocket_outlives_the_time_of_http(
    after_a_request: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """uvicorn's pings tell whether somebody is there; nothing else ends it."""
    async with impatient() as port, connected(port, after_a_request=after_a_request) as client:
        ended = asyncio.create_task(client.wait_closed())
        await asyncio.wait({ended}, timeout=LONGER_SECONDS)
        assert not ended.done()
        await client.send("still here")
        assert await client.recv() == "still here"
        ended.cancel()
    assert not faults(caplog)


def faults(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What went wrong unseen: a timer that fires too late finds no connection of HTTP to close."""
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
