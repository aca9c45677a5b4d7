"""HTTP/1.1 to one server over sockets of our own: closed loop and open loop."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

ANSWER_SECONDS = 30
"""For one answer; a server that takes longer than any of its own time-outs has hung."""


class WrongAnswer(Exception):
    """Something other than the status that was expected, or no answer at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`seconds` run from when the request was due, which in a closed loop is when it was sent."""

    status: int
    head: bytes
    body: bytes
    seconds: float


class Connection(asyncio.Protocol):
    """One request at a time, kept alive."""

    def __init__(self) -> None:
        self.closed = False
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._waiting: asyncio.Future[tuple[bytes, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's call."""
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's call."""
        self.closed = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(WrongAnswer(f"the connection was lost: {exc}"))

    def data_received(self, data: bytes) -> None:
        """asyncio's call."""
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0 or self._waiting is None or self._waiting.done():
            return
        head = bytes(self._received[:end])
        _, found, length = head.lower().partition(b"\r\ncontent-length:")
        if not found:
            self._waiting.set_exception(WrongAnswer(f"without a length: {head!r}"))
            return
        total = end + 4 + int(length.split(b"\r\n", 1)[0])
        if len(self._received) >= total:
            body = bytes(self._received[end + 4 : total])
            del self._received[:total]
            self._waiting.set_result((head, body))

    async def exchange(self, request: bytes) -> tuple[bytes, bytes]:
        """Head and body. Raises WrongAnswer when the connection ends, TimeoutError when late."""
        if self._transport is None or self.closed:
            raise WrongAnswer("the connection was lost before the request")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._waiting

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()


async def connect(port: int) -> Connection:
    """A connection to a server on this machine."""
    _, connection = await asyncio.get_running_loop().create_connection(
        Connection, "127.0.0.1", port
    )
    return connection


async def closed_loop(
    port: int, requests: Sequence[bytes], connections: int, expected: int
) -> list[Answer]:
    """Each connection sends its next request when the last is answered. Raises WrongAnswer."""
    queue = iter(requests)
    answers: list[Answer] = []
    opened = [await connect(port) for _ in range(min(connections, len(requests)))]

    async def work(connection: Connection) -> None:
        for request in queue:
            due = time.perf_counter()
            answers.append(await _answer(connection, request, due, expected))

    try:
        async with asyncio.TaskGroup() as group:
            for connection in opened:
                group.create_task(work(connection))
    finally:
        for connection in opened:
            connection.close()
    return answers


async def open_loop(
    port: int, requests: Sequence[bytes], per_second: float, expected: int
) -> list[Answer]:
    """Requests are due at fixed moments, whatever becomes of those before. Raises WrongAnswer.

    Time runs from the moment a request was due: one that could not leave because the server (or
    this machine) was busy is as late as its user would find it (no coordinated omission).
    """
    idle: list[Connection] = []
    answers: list[Answer] = []

    async def send(request: bytes, due: float) -> None:
        connection = _alive(idle) or await connect(port)
        answers.append(await _answer(connection, request, due, expected))
        idle.append(connection)

    began = time.perf_counter()
    try:
        async with asyncio.TaskGroup() as group:
            for number, request in enumerate(requests):
                due = began + number / per_second
                await asyncio.sleep(max(0, due - time.perf_counter()))
                group.create_task(send(request, due))
    finally:
        for connection in idle:
            connection.close()
    return answers


def _alive(idle: list[Connection]) -> Connection | None:
    """The one used last: servers hang up on those that rest."""
    while idle:
        connection = idle.pop()
        if not connection.closed:
            return connection
    return None


async def _answer(connection: Connection, request: bytes, due: float, expected: int) -> Answer:
    head, body = await connection.exchange(request)
    status = int(head[9:12])
    if status != expected:
        raise WrongAnswer(f"{status} instead of {expected}: {body[:300]!r}")
    return Answer(status=status, head=head, body=body, seconds=time.perf_counter() - due)
