"""Clients below HTTP: whatever bytes, in whatever pieces."""

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

SECONDS = 30
"""For one exchange, on a machine that is busy with other tests."""
LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
"""Answered with 200 and a closed connection, where both sides agree on what came before."""
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends RST."""


Door = int | Path
"""A port of this machine, or a Unix socket."""


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Bytes; a server that has had enough is no failure of ours."""
        with contextlib.suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    async def rest(self) -> bytes:
        """All that comes until the server closes. Raises TimeoutError."""
        said = bytearray()
        async with asyncio.timeout(SECONDS):
            with contextlib.suppress(ConnectionError):
                while piece := await self.reader.read(65_536):
                    said += piece
        return bytes(said)

    async def head(self) -> int:
        """The status of the next response, its body left unread. Raises TimeoutError."""
        async with asyncio.timeout(SECONDS):
            head = await self.reader.readuntil(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1])

    def reset(self) -> None:
        """Go away without a farewell."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.writer.transport.abort()


@contextlib.asynccontextmanager
async def connected(door: Door) -> AsyncIterator[Wire]:
    """A connection that ends with the block."""
    if isinstance(door, Path):
        reader, writer = await asyncio.open_unix_connection(door)
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", door)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def exchange(door: Door, *pieces: bytes) -> bytes:
    """All that is said to these bytes before the server closes. Raises TimeoutError."""
    async with connected(door) as wire:
        for piece in pieces:
            await wire.send(piece)
        return await wire.rest()


def statuses(said: bytes) -> list[int]:
    """Of all responses in a stream; our bodies hold no status line."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", said)]


def head(method: str, path: str, *fields: str | bytes) -> bytes:
    """The head of a request; `Host` is up to the fields."""
    lines = [f"{method} {path} HTTP/1.1".encode()]
    lines += [field.encode("latin-1") if isinstance(field, str) else field for field in fields]
    return b"\r\n".join([*lines, b"", b""])
