"""Servers that keep connections, and waits that end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tests.providers.raw import read_request

T = TypeVar("T")
SECONDS = 5
"""More than anything on this machine takes."""


def ok(body: bytes) -> bytes:
    """An answer after which the connection is kept."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Keeping:
    """A server that keeps its connections, and answers with the number of the one it was asked on.

    `asked` has the number of each connection that is asked on, `lost` of each that is closed;
    what is in `held` waits for its event before it is answered.
    """

    def __init__(self, answer: Callable[[bytes], bytes] = ok) -> None:
        self._answer = answer
        self.asked: asyncio.Queue[int] = asyncio.Queue()
        self.lost: asyncio.Queue[int] = asyncio.Queue()
        self.held: dict[int, asyncio.Event] = {}
        self.writers: list[asyncio.StreamWriter] = []

    async def speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, whose first request was read."""
        number = len(self.writers)
        self.writers.append(writer)
        try:
            while True:
                self.asked.put_nowait(number)
                if number in self.held:
                    await self.held[number].wait()
                writer.write(self._answer(b"%d" % number))
                await read_request(reader)
        finally:
            self.lost.put_nowait(number)


async def soon(what: Awaitable[T]) -> T:
    """It, unless it takes too long."""
    return await asyncio.wait_for(what, SECONDS)
