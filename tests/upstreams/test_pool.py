"""Which connections are used, how long they are kept, and how many there are."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from tests.upstreams.asking import Keeping, ask, ok, soon, transporting
from tests.upstreams.raw import raw_server

THREE = 3


def holding(server: Keeping, count: int = THREE) -> None:
    """Each of the first connections waits to be let go."""
    server.held = {number: asyncio.Event() for number in range(count)}


async def test_a_connection_is_used_again() -> None:
    """One after the other, requests share it."""
    async with raw_server(Keeping().speak) as raw, transporting() as transport:
        assert [await ask(transport, raw.url) for _ in range(3)] == [b"0"] * 3
        assert len(raw.received) == 1


async def test_only_its_own_origin_shares_a_connection() -> None:
    """Another name for the same address is another origin."""
    async with raw_server(Keeping().speak) as raw, transporting() as transport:
        assert await ask(transport, raw.url) == b"0"
        assert await ask(transport, raw.url.replace("127.0.0.1", "localhost")) == b"1"


async def test_the_connection_last_used_is_used_first() -> None:
    """So that the others grow old and end."""
    server = Keeping()
    holding(server)
    async with raw_server(server.speak) as raw, transporting() as transport:
        asking = [asyncio.create_task(ask(transport, raw.url)) for _ in range(THREE)]
        for _ in range(THREE):
            await soon(server.asked.get())
        for number in (2, 0, 1):
            server.held.pop(number).set()
            await soon(asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED))
            asking = [task for task in asking if not task.done()]
        assert [await ask(transport, raw.url) for _ in range(THREE)] == [b"1"] * THREE


async def test_connections_at_rest_end_in_time() -> None:
    """All of them, and the next request has a new one."""
    server = Keeping()
    holding(server)
    async with raw_server(server.speak) as raw, transporting(idle_seconds=0.1) as transport:
        asking = [asyncio.create_task(ask(transport, raw.url)) for _ in range(THREE)]
        for _ in range(THREE):
            await soon(server.asked.get())
        for held in server.held.values():
            held.set()
        await asyncio.gather(*asking)
        assert {await soon(server.lost.get()) for _ in range(THREE)} == set(range(THREE))
        assert await ask(transport, raw.url) == b"3"


async def test_a_connection_in_use_does_not_grow_old() -> None:
    """Rest begins with the last answer."""
    server = Keeping()
    async with raw_server(server.speak) as raw, transporting(idle_seconds=0.3) as transport:
        for _ in range(5):
            assert await ask(transport, raw.url) == b"0"
            await asyncio.sleep(0.1)  # in all, longer than any rest may last
        assert server.lost.empty()
        assert await soon(server.lost.get()) == 0


async def test_a_connection_that_the_provider_closed_is_not_used() -> None:
    """Once its end was heard of; the request goes out on another."""
    server = Keeping()
    async with raw_server(server.speak) as raw, transporting() as transport:
        for number in range(2):
            assert await ask(transport, raw.url) == b"%d" % number
            server.writers[number].close()
            assert await soon(server.lost.get()) == number
        assert len(raw.received) == 2


@pytest.mark.parametrize("unasked", [b"!", ok(b"poison"), b"HTTP/1.1 408 Slow\r\n\r\n"])
async def test_a_connection_that_speaks_unasked_is_dropped(unasked: bytes) -> None:
    """What it says is nobody's answer."""
    server = Keeping()
    async with raw_server(server.speak) as raw, transporting() as transport:
        assert await ask(transport, raw.url) == b"0"
        server.writers[0].write(unasked)
        assert await soon(server.lost.get()) == 0
        assert await ask(transport, raw.url) == b"1"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda body: ok(body) + b"!", id="trailing-bytes"),
        pytest.param(lambda body: ok(body) * 2, id="two-answers"),
        pytest.param(lambda body: ok(body).replace(b"1.1", b"1.0"), id="http-1.0"),
        pytest.param(
            lambda body: ok(body).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
            id="connection-close",
        ),
    ],
)
async def test_some_answers_end_their_connection(answer: Callable[[bytes], bytes]) -> None:
    """The answer is good, the connection is closed by us."""
    server = Keeping(answer)
    async with raw_server(server.speak) as raw, transporting() as transport:
        for number in range(2):
            assert await ask(transport, raw.url) == b"%d" % number
            assert await soon(server.lost.get()) == number


async def test_no_more_connections_than_allowed() -> None:
    """Whoever comes later waits for one, in order, and has it as soon as it is free."""
    server = Keeping()
    holding(server, 2)
    async with raw_server(server.speak) as raw, transporting(connections=2) as transport:
        asking = [asyncio.create_task(ask(transport, raw.url)) for _ in range(6)]
        for _ in range(2):
            await soon(server.asked.get())
        for number in range(2):
            server.held.pop(number).set()
        answers = await soon(asyncio.gather(*asking))
        assert set(answers) == {b"0", b"1"}
        assert len(raw.received) == 2


async def test_waiting_for_a_connection_has_an_end() -> None:
    """The connect time-out, and nothing was sent; whoever waits on has the next."""
    server = Keeping()
    holding(server, 1)
    async with raw_server(server.speak) as raw, transporting(connections=1) as transport:
        first = asyncio.create_task(ask(transport, raw.url))
        await soon(server.asked.get())
        short = asyncio.create_task(ask(transport, raw.url, connect_seconds=0.05))
        patient = asyncio.create_task(ask(transport, raw.url))
        with pytest.raises(httpx.ConnectTimeout):
            await soon(short)
        server.held.pop(0).set()
        assert [await soon(each) for each in (first, patient)] == [b"0"] * 2


async def test_a_lost_connection_makes_room_for_another() -> None:
    """Whoever waited opens it."""
    server = Keeping()
    holding(server, 1)
    async with raw_server(server.speak) as raw, transporting(connections=1) as transport:
        first = asyncio.create_task(ask(transport, raw.url))
        await soon(server.asked.get())
        waiting = asyncio.create_task(ask(transport, raw.url))
        await asyncio.sleep(0)  # it waits
        first.cancel()
        assert await soon(waiting) == b"1"


@pytest.mark.parametrize("in_use", [False, True])
async def test_connections_elsewhere_give_way(in_use: bool) -> None:
    """One that rests is closed for an origin that has none; one in use, after its answer."""
    one, other = Keeping(), Keeping()
    holding(one, 1)
    async with (
        raw_server(one.speak) as raw,
        raw_server(other.speak) as elsewhere,
        transporting(connections=1) as transport,
    ):
        first = asyncio.create_task(ask(transport, raw.url))
        await soon(one.asked.get())
        if not in_use:
            one.held.pop(0).set()
            assert await first == b"0"
        second = asyncio.create_task(ask(transport, elsewhere.url))
        await asyncio.sleep(0)  # it waits, or makes room
        if in_use:
            one.held.pop(0).set()
            assert await first == b"0"
        assert await soon(second) == b"0"
        assert await soon(one.lost.get()) == 0


async def test_a_failure_to_connect_frees_its_place() -> None:
    """However often it fails."""
    server = Keeping()
    async with raw_server(server.speak) as raw, transporting(connections=1) as transport:
        for _ in range(3):
            with pytest.raises(httpx.ConnectError):
                await ask(transport, "http://nowhere.invalid")
        assert await ask(transport, raw.url) == b"0"
