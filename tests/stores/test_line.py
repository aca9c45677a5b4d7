"""Steps that share one connection: in order, each with its own reply, its own end and no other."""

import asyncio
import gc
import os
import random
import signal
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    ConnectionError,  # noqa: A004 - redis-py's name
    RedisError,
    ResponseError,
)

from signaller.stores.line import MAX_WAITING, MAX_WAITING_BYTES, Line
from signaller.stores.node import MAX_LANES, Node
from signaller.stores.sending import Command
from signaller.stores.sentinel import Master
from tests.stores.servers import Server, asking, port_of, started
from tests.support.redis import free_port

STEPS = 64


def connection_to(port: int) -> Connection:
    """As the store makes them."""
    return Connection(
        host="127.0.0.1",
        port=port,
        protocol=2,
        socket_timeout=None,
        socket_connect_timeout=5,
        driver_info=None,
        retry=Retry(NoBackoff(), 0),
    )


class Openings:
    """Counts how often a connection is opened."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.made: list[Connection] = []

    async def __call__(self) -> Connection:
        self.made.append(connection_to(self.port))
        return self.made[-1]


def within(seconds: float) -> float:
    """A moment of the loop's clock."""
    return asyncio.get_running_loop().time() + seconds


async def ask(line: Line | Node, *commands: Command, seconds: float = 5) -> list[Any]:
    """The replies, in time."""
    return await line.execute(*commands, until=within(seconds))


@pytest.fixture
def openings(redis_url: str) -> Openings:
    """Connections to a Redis."""
    return Openings(port_of(redis_url))


@pytest.fixture
async def line(openings: Openings) -> AsyncIterator[Line]:
    """A line to it."""
    line = Line(openings)
    yield line
    await line.aclose()


@pytest.mark.parametrize("seed", range(3))
async def test_every_step_gets_its_own_reply(line: Line, openings: Openings, seed: int) -> None:
    """64 at a time, one in four of them left by its client at any moment, over one connection."""
    dice = random.Random(seed)  # noqa: S311 - a test's

    async def one(number: int) -> None:
        for turn in range(20):
            text = f"{number}-{turn}".encode() * dice.choice((1, 1, 1, 5000))
            asked = asyncio.create_task(ask(line, ("ECHO", text.decode()), ("ECHO", number)))
            if dice.random() < 0.25:
                for _ in range(dice.randrange(4)):
                    await asyncio.sleep(0)
                asked.cancel()
            ended = (await asyncio.gather(asked, return_exceptions=True))[0]
            if not isinstance(ended, asyncio.CancelledError):
                assert ended == [text, str(number).encode()]

    await asyncio.gather(*(one(number) for number in range(STEPS)))
    assert len(openings.made) == 1
    assert line.waiting == 0


async def test_an_error_is_its_own_steps_and_no_others(line: Line, openings: Openings) -> None:
    """Whatever comes before and after it, on the wire or in its step."""
    outcomes = await asyncio.gather(
        ask(line, ("PING",)),
        ask(line, ("NO-SUCH", "command"), ("PING",)),
        ask(line, ("ECHO", "a"), ("EVALSHA", "0" * 40, 0), ("ECHO", "b")),
        ask(line, ("ECHO", "c"), ("ECHO", "d")),
        return_exceptions=True,
    )
    assert outcomes[0] == [b"PONG"]
    assert isinstance(outcomes[1], ResponseError)
    assert isinstance(outcomes[2], ResponseError)
    assert outcomes[3] == [b"c", b"d"]
    assert len(openings.made) == 1


async def test_a_broken_connection_fails_who_waits_and_nobody_after(
    line: Line, openings: Openings
) -> None:
    """What was written is not written again; the next step connects."""
    await ask(line, ("SET", "counted", 0, "EX", 60))
    (identity,) = await ask(line, ("CLIENT", "ID"))
    waiting = [
        asyncio.create_task(ask(line, ("BLPOP", f"nothing-{identity}", 5))),
        *(asyncio.create_task(ask(line, ("INCR", "counted"))) for _ in range(5)),
    ]
    await asyncio.sleep(0)
    with asking(openings.port) as redis:
        redis.client_kill_filter(_id=identity)
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(each) for each in outcomes} == {ConnectionError}
    assert await ask(line, ("GET", "counted")) == [b"0"]
    assert len(openings.made) == 2


async def test_a_frozen_redis_costs_each_step_its_time_and_the_next_one_nothing(
    tmp_path: Path,
) -> None:
    """Also if the client of the step that waits longest has left, and the next one came later."""
    with started(tmp_path) as server:
        openings = Openings(server.port)
        line = Line(openings)
        await ask(line, ("PING",))
        os.kill(server.pid, signal.SIGSTOP)
        began = within(0)
        left = asyncio.create_task(ask(line, ("PING",), seconds=0.3))
        later = asyncio.create_task(ask(line, ("PING",), seconds=5))
        await asyncio.sleep(0)
        left.cancel()
        with pytest.raises(TimeoutError):
            await ask(line, ("PING",), seconds=0.1)
        with pytest.raises(ConnectionError, match="no answer in time"):
            await later
        assert 0.25 < within(0) - began < 2
        os.kill(server.pid, signal.SIGCONT)
        assert await ask(line, ("ECHO", "again")) == [b"again"]
        assert len(openings.made) == 2
        await line.aclose()


async def test_connecting_is_shared(openings: Openings, line: Line) -> None:
    """However many steps come meanwhile."""
    assert await asyncio.gather(*(ask(line, ("PING",)) for _ in range(STEPS))) == [[b"PONG"]] * 64
    assert len(openings.made) == 1


async def test_a_failure_to_connect_is_shared() -> None:
    """And the next step tries again."""
    openings = Openings(free_port())
    line = Line(openings)
    for attempts in (1, 2):
        outcomes = await asyncio.gather(
            *(ask(line, ("PING",)) for _ in range(STEPS)), return_exceptions=True
        )
        assert {type(each) for each in outcomes} == {ConnectionError}
        assert str(outcomes[-1]).startswith("the connection failed: ConnectionError: ")
        assert len(openings.made) == attempts
    await line.aclose()


async def test_a_step_that_is_given_up_while_connecting_never_happens(redis_url: str) -> None:
    """Neither one whose client has left nor one whose time is over; the others do."""
    may_go = asyncio.Event()

    async def opening() -> Connection:
        await may_go.wait()
        return connection_to(port_of(redis_url))

    line = Line(opening)
    asked = [
        asyncio.create_task(ask(line, ("SET", name, "1", "EX", 60), seconds=seconds))
        for name, seconds in (("patient", 5), ("left", 5), ("late", 0.01))
    ]
    await asyncio.sleep(0)
    asked[1].cancel()
    with pytest.raises(TimeoutError):
        await asked[2]
    may_go.set()
    await asked[0]
    assert await ask(line, ("EXISTS", "patient"), ("EXISTS", "left"), ("EXISTS", "late")) == [
        1,
        0,
        0,
    ]
    await line.aclose()


async def test_who_never_connects_is_given_up_in_time() -> None:
    """An address that accepts and says nothing, not even to a login."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]

        async def opening() -> Connection:
            connection = connection_to(port)
            connection.password = "secret"
            return connection

        line = Line(opening)
        for _ in range(2):
            began = within(0)
            with pytest.raises(TimeoutError):
                await ask(line, ("PING",), seconds=0.1)
            assert within(0) - began < 1
        await line.aclose()


async def test_large_values_are_no_matter(line: Line) -> None:
    """As long as a warm secret may be, both ways, with small ones in between."""
    large = "x" * (4 * 1024 * 1024)
    steps = [ask(line, ("ECHO", text)) for text in (large, "a", large, "b", large)]
    replies = await asyncio.gather(*steps)
    assert [len(reply) for (reply,) in replies] == [len(large), 1, len(large), 1, len(large)]


async def test_a_client_that_leaves_a_large_value_breaks_nothing(
    line: Line, openings: Openings
) -> None:
    """Half of it may have been written by then."""
    await ask(line, ("PING",))
    large = asyncio.create_task(ask(line, ("ECHO", "x" * (4 * 1024 * 1024))))
    await asyncio.sleep(0)
    large.cancel()
    assert await ask(line, ("ECHO", "a")) == [b"a"]
    assert len(openings.made) == 1


async def test_steps_and_bytes_that_wait_are_bounded(tmp_path: Path) -> None:
    """One more is refused at once; a Redis that goes on finds all the others."""
    with started(tmp_path) as server:
        line = Line(Openings(server.port))
        await ask(line, ("PING",))
        for commands, count in (
            (("PING",), MAX_WAITING),
            (("ECHO", "x" * (MAX_WAITING_BYTES // 8)), 8),
        ):
            os.kill(server.pid, signal.SIGSTOP)
            asked = [asyncio.create_task(ask(line, commands, seconds=60)) for _ in range(count)]
            await asyncio.sleep(0)
            with pytest.raises(RedisError, match=f"{count} steps are waiting already"):
                await ask(line, ("PING",))
            os.kill(server.pid, signal.SIGCONT)
            await asyncio.gather(*asked)
            assert line.waiting == 0
            assert await ask(line, ("PING",)) == [b"PONG"]
        await line.aclose()


async def test_a_reply_that_nobody_asked_for_is_an_end() -> None:
    """Whose it would be, nobody can tell."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"+OK\r\n+OK\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    openings = Openings(server.sockets[0].getsockname()[1])
    line = Line(openings)
    for _ in range(2):
        assert await ask(line, ("PING",)) == [b"OK"]
        await _until(lambda: openings.made[-1]._writer is None)
    assert len(openings.made) == 2
    await line.aclose()
    server.close()


@pytest.mark.parametrize("garbage", [b"?\r\n", b":x\r\n", b"$x\r\n", b"+" + b"x" * 100_000, b"+O"])
async def test_what_is_not_the_protocol_fails_the_step(garbage: bytes) -> None:
    """And no more than that."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(garbage)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    line = Line(Openings(server.sockets[0].getsockname()[1]))
    for _ in range(2):
        with pytest.raises(ConnectionError, match="the connection failed: "):
            await ask(line, ("PING",))
    await line.aclose()
    server.close()


async def test_what_a_silent_redis_has_not_taken_is_taken_back(tmp_path: Path) -> None:
    """Nothing of it stays behind, neither here nor to be done later."""
    with started(tmp_path) as server:
        openings = Openings(server.port)
        line = Line(openings)
        await ask(line, ("PING",))
        os.kill(server.pid, signal.SIGSTOP)
        with pytest.raises(TimeoutError):
            await ask(line, ("ECHO", "x" * (16 * 1024 * 1024)), seconds=0.1)
        began = within(0)
        await _until(lambda: openings.made[0]._writer is None)
        assert within(0) - began < 2
        await line.aclose()


async def test_a_server_that_is_no_master_any_more_is_left(tmp_path: Path) -> None:
    """Its error is one step's; the others on the connection are served, the next one connects."""
    with started(tmp_path) as server, asking(server.port) as redis:
        openings = Openings(server.port)
        line = Line(openings)
        await ask(line, ("PING",))
        redis.replicaof("127.0.0.1", free_port())
        asked = [
            asyncio.create_task(ask(line, command))
            for command in (
                ("SET", "a", "b"),
                ("PING",),
                ("XREAD", "BLOCK", 500, "STREAMS", "none", "$"),
            )
        ]
        with pytest.raises(ResponseError, match="You can't write against a read only replica"):
            await asked[0]
        redis.replicaof("NO", "ONE")
        assert await ask(line, ("SET", "a", "b", "EX", 60)) == [b"OK"]
        assert len(openings.made) == 2
        assert [await each for each in asked[1:]] == [[b"PONG"], [None]]
        await _until(lambda: openings.made[0]._writer is None)
        await line.aclose()


async def test_when_the_master_moves_other_lines_follow(tmp_path: Path) -> None:
    """At their next step, though the old one would still answer."""
    (tmp_path / "other").mkdir()
    with started(tmp_path) as old, started(tmp_path / "other") as new:
        sentinel = _Sentinel(old)
        made: list[Connection] = []

        def connection(_: str, port: int) -> Connection:
            made.append(connection_to(port))
            return made[-1]

        master = Master(sentinel, "voice", connection)  # type: ignore[arg-type]  # all that is asked
        lines = [Line(master.opening) for _ in range(2)]
        assert [await _port(line) for line in lines] == [old.port] * 2
        sentinel.master = new
        with asking(old.port) as redis:
            redis.replicaof("127.0.0.1", free_port())
        with pytest.raises(ResponseError):
            await ask(lines[0], ("SET", "a", "b"))
        assert [await _port(line) for line in lines] == [new.port] * 2
        await _until(lambda: [each._writer for each in made[:2]] == [None] * 2)
        for line in lines:
            await line.aclose()


class _Sentinel:
    def __init__(self, master: Server) -> None:
        self.master = master

    async def discover_master(self, _: str) -> tuple[str, int]:
        return "127.0.0.1", self.master.port


async def _port(line: Line) -> int:
    _, port = (await ask(line, ("CONFIG", "GET", "port")))[0]
    return int(port)


async def test_steps_that_wait_for_replicas_hold_up_nobody(openings: Openings) -> None:
    """Redis reads nothing more from their connections; they wait side by side, up to a number."""
    node = Node(openings)
    for _ in range(2):
        assert await ask(node, ("PING",), ("WAIT", 9, 1)) == [b"PONG", 0]
    assert len(openings.made) == 1
    began = within(0)
    strict = [
        asyncio.create_task(ask(node, ("PING",), ("WAIT", 9, 500))) for _ in range(MAX_LANES + 1)
    ]
    await asyncio.sleep(0)
    assert await ask(node, ("PING",)) == [b"PONG"]
    assert within(0) - began < 0.5
    assert {tuple(each) for each in await asyncio.gather(*strict)} == {(b"PONG", 0)}
    assert within(0) - began < 2
    assert len(openings.made) == 1 + MAX_LANES
    await node.aclose()


@pytest.mark.filterwarnings("error::ResourceWarning")
@pytest.mark.parametrize("meanwhile", ["nothing", "steps", "connecting"])
async def test_closing_leaves_nothing(openings: Openings, meanwhile: str) -> None:
    """No task and no socket; who waits is told, and who comes later as well."""
    before = asyncio.all_tasks()
    line = Line(openings)
    if meanwhile != "connecting":
        await ask(line, ("PING",))
    asked = []
    if meanwhile != "nothing":
        asked = [asyncio.create_task(ask(line, ("BLPOP", "nothing", 5))) for _ in range(3)]
        await asyncio.sleep(0)
    await line.aclose()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(each) for each in outcomes} <= {ConnectionError}
    with pytest.raises(ConnectionError, match="closed"):
        await ask(line, ("PING",))
    await line.aclose()
    assert asyncio.all_tasks() == before
    assert [each._writer for each in openings.made] == [None] * len(openings.made)
    openings.made.clear()
    gc.collect()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a connection sends no notice
            await asyncio.sleep(0.005)
