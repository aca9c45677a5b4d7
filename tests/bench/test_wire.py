"""The load's own client: what it takes for an answer, and from when it counts."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from bench.wire import WrongAnswer, closed_loop, open_loop

Exchange = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
REQUEST = b"GET / HTTP/1.1\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@contextlib.asynccontextmanager
async def answering(exchange: Exchange) -> AsyncIterator[int]:
    """The port of a server that does this after each request, for as long as one follows."""

    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while not writer.is_closing():
                await reader.readuntil(b"\r\n\r\n")
                await exchange(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    for task in serving:
        if task is not None:
            await task


async def test_an_answer_may_come_in_pieces() -> None:
    """Head and body are put together however they were cut; the next answer is not touched."""

    async def dribble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in OK:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    async with answering(dribble) as port:
        answers = await closed_loop(port, [REQUEST] * 3, 1, 200)
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"ok")] * 3


@pytest.mark.parametrize(
    "answer",
    [OK.replace(b"200 OK", b"503 No"), b"HTTP/1.1 200 OK\r\n\r\n", b""],
    ids=["another status", "no length", "a closed connection"],
)
async def test_a_wrong_answer_ends_the_measurement(answer: bytes) -> None:
    """Nothing that failed is counted as a request."""

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        if not answer:
            writer.close()

    async with answering(refuse) as port:
        with pytest.raises(ExceptionGroup) as caught:
            await closed_loop(port, [REQUEST], 1, 200)
    assert caught.group_contains(WrongAnswer)


async def test_a_stall_counts_against_every_request_that_was_due_meanwhile() -> None:
    """One pause makes all requests behind it late: no coordinated omission."""
    seen = 0

    async def stall_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen += 1
        if seen == 1:
            time.sleep(0.2)  # noqa: ASYNC251 - the whole server stands still
        writer.write(OK)

    async with answering(stall_once) as port:
        answers = await open_loop(port, [REQUEST] * 20, 200, 200)
    assert len(answers) == 20
    # Due at 5 ms intervals during 200 ms of silence: all twenty waited at least half of it.
    assert min(answer.seconds for answer in answers) > 0.1
