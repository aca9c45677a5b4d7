"""Servers below HTTP, for providers that break off, stall or talk nonsense."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Raw:
    """What a raw server saw."""

    def __init__(self) -> None:
        self.url = ""
        self.received: list[bytes] = []


@contextlib.asynccontextmanager
async def raw_server(
    speak: Speak, *, reads: bool = True, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Raw]:
    """Read one request of each connection (unless told not to), then let `speak` have it."""
    raw = Raw()
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if reads:
                raw.received.append(await read_request(reader))
            await speak(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client's good right
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.create_task(connected(reader, writer)))

    server = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    raw.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        async with server:
            yield raw
    finally:
        # A moment for those whose client has left; one that is kept would wait for the client.
        _, waiting = await asyncio.wait(connections, timeout=0.1) if connections else ((), set())
        for task in waiting:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Head and body of one request with a Content-Length."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
    return head + await reader.readexactly(length)


def says(*chunks: bytes) -> Speak:
    """Send these bytes, then close."""

    async def speak(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()

    return speak


def says_and_stalls(*chunks: bytes) -> Speak:
    """Send these bytes, then nothing, until the client hangs up."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for chunk in chunks:
            writer.write(chunk)
        await reader.read()

    return speak


def http(status: str, body: bytes = b"", *fields: str) -> bytes:
    """A response with a Content-Length, after which the server closes."""
    lines = [f"HTTP/1.1 {status}", *fields, "Connection: close", f"Content-Length: {len(body)}"]
    head = "\r\n".join([*lines, "", ""])
    return head.encode() + body
