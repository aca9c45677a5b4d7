"""What stands before the demo's provider, so that a sideband of it can be dead.

A server of WebSockets answers pings by itself. One that does not has to be below it: here all
connections are passed on byte by byte, and dead ones are opened and never looked at again.
"""

import asyncio
import base64
import contextlib
import hashlib
import re
import socket
from collections.abc import AsyncIterator, Callable

_CHUNK_BYTES = 64 * 1024
_HEAD_SECONDS = 10  # from a service on this machine
# RFC 6455, 4.2.2. SHA-1 proves nothing here, it only shows that the handshake was read.
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_GONE = (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError)
_KEY = re.compile(rb"\r\nsec-websocket-key:\s*(\S+)", re.IGNORECASE)


@contextlib.asynccontextmanager
async def front(
    listener: socket.socket, provider: tuple[str, int], is_dead: Callable[[], bool]
) -> AsyncIterator[None]:
    """Serve at `listener` for the provider at that address.

    A WebSocket for which `is_dead()` is true when it is opened hears no frame and no pong.
    """
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_serve(reader, writer, provider, is_dead))
        connections.add(task)
        task.add_done_callback(connections.discard)

    # Accepted sockets inherit it: without it a request of two writes waits for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = await asyncio.start_server(connected, sock=listener)
    try:
        yield
    finally:
        server.close()
        for task in connections:
            task.cancel()
        if connections:
            await asyncio.wait(connections)


async def _serve(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    provider: tuple[str, int],
    is_dead: Callable[[], bool],
) -> None:
    with contextlib.closing(writer), contextlib.suppress(*_GONE):
        async with asyncio.timeout(_HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
        key = _KEY.search(head)
        if key is not None and is_dead():
            writer.write(_opened(key[1]))
            while await reader.read(_CHUNK_BYTES):
                pass  # neither frames nor pings are answered
            return
        there, towards = await asyncio.open_connection(*provider)
        with contextlib.closing(towards):
            towards.write(head)
            ways = [
                asyncio.create_task(_pass_on(reader, towards)),
                asyncio.create_task(_pass_on(there, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.wait(ways)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()


def _opened(key: bytes) -> bytes:
    accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
