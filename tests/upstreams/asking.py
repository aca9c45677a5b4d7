"""A transport that ends with its test, servers that keep connections, and single requests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from signaller.upstreams.address import address
from signaller.upstreams.opening import Opener
from signaller.upstreams.pool import CONNECTIONS, Pool
from signaller.upstreams.reply import Reply
from signaller.upstreams.resting import IDLE_SECONDS
from signaller.upstreams.transport import HttpTransport
from tests.upstreams.raw import read_request

T = TypeVar("T")
SECONDS = 5
"""More than anything on this machine takes."""


@contextlib.asynccontextmanager
async def transporting(
    *,
    connections: int = CONNECTIONS,
    idle_seconds: float = IDLE_SECONDS,
    opener: Opener | None = None,
) -> AsyncIterator[HttpTransport]:
    """The transport with other limits."""
    pool = Pool(opener or Opener(), connections=connections, idle_seconds=idle_seconds)
    async with HttpTransport(pool) as transport:
        yield transport


async def begun(
    transport: HttpTransport,
    url: str,
    *,
    content: bytes = b"offer",
    connect_seconds: float = SECONDS,
    within: float = SECONDS,
) -> Reply:
    """A POST whose answer has begun."""
    deadline = asyncio.get_running_loop().time() + within
    return await transport.request(
        "POST", address(url), [], content, connect_seconds=connect_seconds, deadline=deadline
    )


async def ask(transport: HttpTransport, url: str, *, connect_seconds: float = SECONDS) -> bytes:
    """The body of a POST's answer."""
    reply = await begun(transport, url, connect_seconds=connect_seconds)
    try:
        return await reply.body()
    finally:
        reply.close()


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
