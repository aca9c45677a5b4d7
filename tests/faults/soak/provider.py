"""OpenAI's three routes in as few steps as can be, and whatever goes wrong there."""

import asyncio
import contextlib
import itertools
import json
import re
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Literal

from tests.support.provider import ANSWER

Fault = Literal["error", "reset", "cut", "words"]
"""An error in OpenAI's shape; the connection torn down; half an answer; one that means nothing."""

SECRET_SECONDS = 600
"""OpenAI's own."""
FAILURE = 529
"""The provider's own status, which is passed on; nobody else here says it."""
HEAD = re.compile(rb"POST \S*?/realtime/(client_secrets|calls)(\S*) HTTP/1\.1\r\n", re.I)
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)


class LightProvider:
    """Answers at once; each fault asked for is met by one request, whichever comes next."""

    def __init__(self) -> None:
        self.faults: deque[Fault] = deque()
        self.calls = self.hangups = 0
        self.number = itertools.count(1)
        self.connections: set[asyncio.Transport] = set()

    def drop_connections(self) -> None:
        """Close whatever is open, as a provider does with what has been idle."""
        for connection in tuple(self.connections):
            connection.close()


class Connection(asyncio.Protocol):
    """One connection of the service's."""

    def __init__(self, provider: LightProvider) -> None:
        self._provider = provider
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._provider.connections.add(transport)

    def connection_lost(self, _: Exception | None) -> None:
        """Forget it."""
        assert self._transport
        self._provider.connections.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        """Answer the request, once all of it is here; nobody sends two at once."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if end and len(body) >= (int(length[1]) if length else 0):
            self._received = b""
            self._answer(head + b"\r\n", body)

    def _answer(self, head: bytes, body: bytes) -> None:
        assert self._transport
        route = HEAD.match(head)
        assert route, head
        if route[2]:
            self._provider.hangups += 1
            self._transport.write(_response(200, b""))
        elif self._provider.faults:
            self._fail(self._provider.faults.popleft())
        elif route[1] == b"calls":
            self._provider.calls += 1
            location = f"location: /v1/realtime/calls/rtc_{next(self._provider.number)}\r\n"
            self._transport.write(_response(201, ANSWER, "application/sdp", location))
        else:
            self._transport.write(_response(200, self._secret(body)))

    def _fail(self, fault: Fault) -> None:
        assert self._transport
        match fault:
            case "error":
                told = {"message": "No.", "type": "server_error", "code": None, "param": None}
                self._transport.write(_response(FAILURE, json.dumps({"error": told}).encode()))
            case "reset":
                self._transport.abort()
            case "cut":
                self._transport.write(_response(200, b'{"value": "ek_half"}')[:-8])
                self._transport.close()
            case "words":
                self._transport.write(_response(200, b"<html>It works!</html>", "text/html"))

    def _secret(self, body: bytes) -> bytes:
        expires_at = int(time.time()) + SECRET_SECONDS
        value = f"ek_light_{next(self._provider.number):020}"
        session = json.loads(body)["session"] | {"id": "sess_1", "object": "realtime.session"}
        return json.dumps({"value": value, "expires_at": expires_at, "session": session}).encode()


def _response(
    status: int, body: bytes, media_type: str = "application/json", header: str = ""
) -> bytes:
    head = f"HTTP/1.1 {status} x\r\ncontent-type: {media_type}\r\n{header}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


@contextlib.asynccontextmanager
async def light_provider() -> AsyncIterator[tuple[LightProvider, str]]:
    """It, and its base URL."""
    provider = LightProvider()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(provider), "127.0.0.1", 0)
    async with server:
        yield provider, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        provider.drop_connections()
