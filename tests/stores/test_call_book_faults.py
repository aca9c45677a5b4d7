"""A book of calls in a Redis that is gone, silent, full, broken or set back."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from signaller.errors import StoreUnavailable
from signaller.model import CallEntry
from signaller.secret import Secret
from signaller.stores import RedisStore, call_scripts
from signaller.stores.call_book import BOOK, FEED, RedisCallBook
from signaller.stores.clients import Client, Word, connect
from signaller.stores.redis import MAX_AT_ONCE, Steps
from signaller.stores.scripts import Script
from signaller.stores.urls import parse_redis_url
from tests.faults.redis.proxy import proxied
from tests.faults.redis.servers import keys_without_ttl
from tests.stores.books import ENTRY, KEPT_SECONDS, STEPS, Books, Step, keys_of, servers_of
from tests.stores.servers import asking, port_of, started, wait_until
from tests.stores.test_closing import leaving_nothing
from tests.support.redis import free_port

SCRIPTS = [each for each in vars(call_scripts).values() if isinstance(each, Script)]


@contextlib.asynccontextmanager
async def opened(port: int, *, timeout_seconds: float = 5) -> AsyncIterator[RedisCallBook]:
    """A book in the Redis at a port."""
    url = Secret(f"redis://127.0.0.1:{port}")
    store = RedisStore.from_url(url, timeout_seconds=timeout_seconds, clock=time.time)
    async with contextlib.aclosing(store):
        yield RedisCallBook(store.steps)


@pytest.mark.parametrize("step", STEPS)
async def test_a_redis_that_is_not_there_is_a_store_failure(step: str) -> None:
    """Each step says so at once, a wait for the feed as well."""
    with socket.socket() as taken:  # and nobody else's meanwhile: nothing listens
        taken.bind(("127.0.0.1", 0))
        async with opened(taken.getsockname()[1]) as book:
            began = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await STEPS[step](book)
            assert time.monotonic() - began < 2


async def test_a_silent_redis_is_a_store_failure_in_time_and_heals(tmp_path: Path) -> None:
    """Each step costs one time-out: a wait of a minute too, begun before or after."""
    with started(tmp_path) as server:
        async with opened(server.port, timeout_seconds=1) as book:
            begun_before = asyncio.create_task(STEPS["events"](book))
            await book.live()
            os.kill(server.pid, signal.SIGSTOP)
            began = time.monotonic()
            steps = [begun_before, *(asyncio.create_task(step(book)) for step in STEPS.values())]
            ended = await asyncio.gather(*steps, return_exceptions=True)
            assert time.monotonic() - began < 3
            assert {type(each) for each in ended} == {StoreUnavailable}
            os.kill(server.pid, signal.SIGCONT)
            assert await book.begin(ENTRY, "facts", at_most=1) is None
            await book.answered(ENTRY, "facts", "event")
            assert await STEPS["events"](book)


async def test_who_waits_for_the_feed_holds_up_nobody(redis_books: Books) -> None:
    """However many they are: steps have connections and turns of their own."""
    start = await redis_books.one.last_event()
    waiting = [
        asyncio.create_task(redis_books.one.events(start, at_most=1, wait_seconds=60))
        for _ in range(MAX_AT_ONCE + 8)
    ]
    entry = await redis_books.begun()
    began = time.monotonic()
    for _ in range(20):
        assert await redis_books.one.find(entry.id) is not None
    assert time.monotonic() - began < 5
    assert not any(task.done() for task in waiting)
    await redis_books.one.answered(entry, "facts", "event")
    told = await asyncio.wait_for(asyncio.gather(*waiting), 10)
    assert {events[0].body for events in told} == {"event"}


async def test_a_reader_that_leaves_takes_its_connection_along(redis_url: str) -> None:
    """Its wait is over with it, at Redis too."""
    with asking(port_of(redis_url)) as redis:

        def blocked() -> int:
            return int(redis.info("clients")["blocked_clients"])

        async with opened(port_of(redis_url)) as book:
            reader = asyncio.create_task(book.events(None, at_most=1, wait_seconds=60))
            await asyncio.to_thread(wait_until, lambda: blocked() == 1)
            reader.cancel()
            await asyncio.wait([reader])
            await asyncio.to_thread(wait_until, lambda: blocked() == 0)


async def test_a_redis_that_is_no_master_any_more_tells_those_who_wait(tmp_path: Path) -> None:
    """They hear no more of it, and must not wait for what another one tells now."""
    with started(tmp_path) as server, asking(server.port) as redis:
        async with opened(server.port) as book:
            reader = asyncio.create_task(book.events(None, at_most=1, wait_seconds=60))
            blocked = lambda: redis.info("clients")["blocked_clients"] == 1  # noqa: E731
            await asyncio.to_thread(wait_until, blocked)
            redis.replicaof("127.0.0.1", free_port())
            with pytest.raises(StoreUnavailable, match="UNBLOCKED"):
                await reader
            redis.replicaof("no", "one")
            await book.answered(ENTRY, "facts", "event")
            assert len(await book.events("", at_most=1, wait_seconds=60)) == 1


@pytest.mark.parametrize("name", ["redis_url", "redis_cluster_url"])
async def test_a_reader_whose_store_is_closed_leaves_no_connection(
    request: pytest.FixtureRequest, name: str
) -> None:
    """Whichever of the two goes first."""
    url = request.getfixturevalue(name)
    async with leaving_nothing(servers_of(url)):
        store = RedisStore.from_url(Secret(url), timeout_seconds=1, clock=time.time)
        book = RedisCallBook(store.steps)
        await book.live()
        reader = asyncio.create_task(book.events(None, at_most=1, wait_seconds=60))
        await asyncio.sleep(0)
        await store.aclose()
        reader.cancel()
        await asyncio.wait([reader])


@dataclass(slots=True)
class Counting:
    """Does what a client does, and counts its round trips (`clients.Client`)."""

    client: Client
    trips: int = 0

    @property
    def patience_ms(self) -> int:
        """The client's."""
        return self.client.patience_ms

    def node_of(self, key: str) -> str:
        """The client's."""
        return self.client.node_of(key)

    def execute(self, key: str, command: tuple[Word, ...]) -> Awaitable[Any]:
        """One."""
        self.trips += 1
        return self.client.execute(key, command)

    async def execute_and_wait(
        self, key: str, command: tuple[Word, ...], replicas: int
    ) -> tuple[Any, Any]:
        """One as well: both leave together."""
        self.trips += 1
        return await self.client.execute_and_wait(key, command, replicas)

    async def drop_idle(self) -> None:
        """The client's."""
        await self.client.drop_idle()

    async def aclose(self) -> None:
        """The client's."""
        await self.client.aclose()


async def test_each_step_is_one_round_trip(redis_books: Books, redis_url: str) -> None:
    """`begin` and `answered`, which a caller waits for, above all; the feed's are its own."""
    with asking(port_of(redis_url)) as redis:
        for script in SCRIPTS:
            redis.script_load(script.source)
    client = Counting(connect(parse_redis_url(Secret(redis_url)), 5))
    book = RedisCallBook(Steps(client, 5, replicas=0))
    for name, step in STEPS.items():
        before = client.trips
        await step(book)
        assert client.trips - before == 1, name
    await client.aclose()


@pytest.mark.parametrize("step", ["begin", "answered", "withdraw", "end", "lease", "saw"])
async def test_a_step_whose_reply_is_lost_is_taken_again_and_does_no_more(
    redis_books: Books, redis_url: str, step: str
) -> None:
    """It has happened once: one place, one event, one number, one end."""
    port = port_of(redis_url)
    with asking(port) as redis:
        for script in SCRIPTS:
            redis.script_load(script.source)
    async with proxied(port) as proxy, opened(proxy.port) as book:
        for name in ("begin", "answered", "lease", "saw", "end", "withdraw"):
            if name == step:
                proxy.spoils(name, "cut after", attempts=1)
            assert await STEPS[name](book) in (None, 1, True), name
        assert proxy.spoilt == 1
        kinds = [told.kind for told in await book.events("", at_most=9, wait_seconds=0)]
        assert kinds == ["call.started", "call.updated", "call.ended"]
        assert await book.live() == {}


@pytest.mark.parametrize("step", ["begin_ending", "due"])
async def test_a_turn_whose_reply_is_lost_comes_again_by_itself(
    redis_books: Books, redis_url: str, step: str
) -> None:
    """Nobody knows whose it is, so nobody takes it twice: it is over in its own time."""
    port = port_of(redis_url)
    entry = await redis_books.begun(lives_seconds=0)
    await redis_books.pass_by(0)
    with asking(port) as redis:
        for script in SCRIPTS:
            redis.script_load(script.source)
    async with proxied(port) as proxy, opened(proxy.port) as book:
        proxy.spoils(step, "cut after")
        with pytest.raises(StoreUnavailable):
            await (
                book.due(seconds=1, at_most=1)
                if step == "due"
                else book.begin_ending(entry.id, "state", seconds=1)
            )
        assert await redis_books.one.due(seconds=1, at_most=1) == []
        await redis_books.pass_by(1)
        assert [each.entry for each in await redis_books.one.due(seconds=1, at_most=1)] == [entry]


async def test_what_must_outlast_a_failover_waits_for_replicas(redis_url: str) -> None:
    """There are none: nobody is told that a call has begun, was answered or has ended."""
    store = RedisStore.from_url(
        Secret(f"{redis_url}?replicas=1"), timeout_seconds=1, clock=time.time
    )
    book = RedisCallBook(store.steps)
    for step in ("begin", "answered", "end"):
        with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
            await STEPS[step](book)
    await STEPS["withdraw"](book)
    await store.aclose()


async def test_a_full_redis_begins_no_call_and_ends_those_there_are(tmp_path: Path) -> None:
    """At its maxmemory what is new is refused whole; what makes room in the end goes on."""
    with started(tmp_path, "--maxmemory-policy", "noeviction") as server:
        async with opened(server.port) as book:
            now = int(time.time())
            old = CallEntry(id="rtc_2", caller="web", model="voice", began_at=now, ends_by=now)
            assert await book.begin(old, "facts", at_most=None) is None
            fence = await book.lease(old.id, "me", seconds=1)
            assert fence == 1
            with asking(server.port) as redis:
                before = {key: redis.dump(key) for key in keys_of(server.port)}
                redis.config_set("maxmemory", 1)
                for step in (
                    book.begin(ENTRY, "facts", at_most=None),
                    book.saw(old.id, "seen", fence=fence, event="event"),
                ):
                    with pytest.raises(StoreUnavailable, match=r"OOM|OutOfMemory|maxmemory"):
                        await step
                assert {key: redis.dump(key) for key in keys_of(server.port)} == before
                await book.answered(old, "answered", "event")
                assert await book.lease(old.id, "me", seconds=1) == fence
                await book.release(old.id, "me")
                assert len(await book.orphans(at_most=9)) == 1
                assert (await book.begin_ending(old.id, "state", seconds=0)).attempt == 1
                await book.pause_ending(old.id, seconds=0)
                assert len(await book.due(seconds=1, at_most=9)) == 1
                assert await book.end(old, "state", kept_seconds=0, event="event")
                assert await book.list(caller=None, live=None, after=None, limit=9) == []
                await book.withdraw(old)
                redis.config_set("maxmemory", 0)
            assert await book.begin(ENTRY, "facts", at_most=1) is None


async def test_every_key_has_an_end(redis_books: Books, redis_url: str) -> None:
    """A live call two hours after its own, one that ended when it was said, all else with them.

    By Redis's own clock, whatever the caller's says.
    """
    port = port_of(redis_url)
    key, length = f"{BOOK}:call:{ENTRY.id}", ENTRY.ends_by - ENTRY.began_at
    for name, step in STEPS.items():
        before = time.time()
        await step(redis_books.one)
        after = time.time()
        lasts = length + 7200
        with asking(port) as redis:
            assert [each for each in keys_of(port) if redis.pttl(each) < 0] == [], name
            expires_at = redis.pexpiretime(key) / 1000
        if name in ("begin", "answered", "end"):
            lasts = KEPT_SECONDS if name == "end" else lasts
            assert before - 0.01 <= expires_at - lasts <= after + 0.01, name
            expected = expires_at
        assert expires_at == (-0.002 if name == "withdraw" else expected), name
    assert keys_without_ttl([port]) == 0


GARBAGE: dict[str, Callable[[Any, str], object]] = {
    "a string": lambda redis, key: redis.set(key, "garbage", ex=60),
    "a list": lambda redis, key: redis.rpush(key, "garbage"),
    "a hash": lambda redis, key: redis.hset(key, "garbage", "\x00"),
    "a sorted set": lambda redis, key: redis.zadd(key, {"garbage": 1, "[1,2,3]": 2, '["a"]': 3}),
    "a stream": lambda redis, key: redis.xadd(key, {"garbage": "1"}),
}


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_whatever_lies_in_redis_is_a_store_failure_at_worst(
    redis_books: Books, redis_url: str, garbage: str
) -> None:
    """In the place of each key of the book; what is no failure is an answer."""
    port = port_of(redis_url)
    with asking(port) as redis:
        await fill(redis_books)
        for key in sorted(keys_of(port)):
            for name, step in STEPS.items():
                redis.delete(key)
                GARBAGE[garbage](redis, key)
                with contextlib.suppress(StoreUnavailable):
                    await without_a_wait(name, step)(redis_books)
            redis.delete(*keys_of(port))
            await fill(redis_books)


@pytest.mark.parametrize(
    "field", [*call_scripts.PARTS, "moment", "attempts", "turn_until", "fence"]
)
@pytest.mark.parametrize("value", ["", "garbage", "-1", "1e999", "nan", "9" * 400, b"\xff\xfe"])
async def test_a_corrupt_call_is_a_store_failure_at_worst(
    redis_books: Books, redis_url: str, field: str, value: str | bytes
) -> None:
    """Whichever of its fields; and the clock still sees the others."""
    key = f"{BOOK}:call:{ENTRY.id}"
    await fill(redis_books)
    with asking(port_of(redis_url)) as redis:
        redis.hset(key, field, value)
        due = await redis_books.begun(lives_seconds=0)
        await redis_books.pass_by(0)
        found = await redis_books.one.due(seconds=1, at_most=9)
        assert [each.entry for each in found if each.entry.id == due.id] == [due]
        for name, step in STEPS.items():
            if name == "withdraw":
                continue
            redis.hset(key, field, value)
            with contextlib.suppress(StoreUnavailable):
                await without_a_wait(name, step)(redis_books)
    await redis_books.one.withdraw(ENTRY)
    assert await redis_books.one.find(ENTRY.id) is None


async def fill(books: Books) -> None:
    """One call with all that there can be of it."""
    for name in ("begin", "answered", "lease", "saw", "begin_ending"):
        await STEPS[name](books.one)


def without_a_wait(name: str, step: Step) -> Callable[[Books], Awaitable[object]]:
    """The step; where it is a wait for the feed, one that is over at once."""

    def run(books: Books) -> Awaitable[object]:
        book = books.one
        return book.events("", at_most=5, wait_seconds=0) if name == "events" else step(book)

    return run


async def test_a_call_that_redis_has_lost_leaves_every_index(
    redis_books: Books, redis_url: str
) -> None:
    """Evicted before its time: it is taken out by those who meet it, and counts no more."""
    lost, due = await redis_books.begun(), await redis_books.begun(lives_seconds=0)
    for entry in (lost, due):
        assert await redis_books.one.lease(entry.id, "me", seconds=0.001)
    await redis_books.pass_by(0.01)
    with asking(port_of(redis_url)) as redis:
        redis.delete(f"{BOOK}:call:{lost.id}", f"{BOOK}:call:{due.id}")
        assert await redis_books.one.due(seconds=1, at_most=9) == []
        assert await redis_books.one.orphans(at_most=9) == []
        assert await redis_books.one.list(caller=None, live=None, after=None, limit=9) == []
        assert await redis_books.one.live() == {}
        assert {key.removeprefix(BOOK) for key in keys_of(port_of(redis_url))} == {":moment"}


async def test_a_lease_and_a_turn_of_another_clock_are_over(
    redis_books: Books, redis_url: str
) -> None:
    """After a failover to a Redis whose clock is behind; nobody waits until it is there again."""
    entry, far = await redis_books.begun(), (time.time() + 5000) * 1000
    assert await redis_books.one.lease(entry.id, "other", seconds=9) == 1
    assert (await redis_books.one.begin_ending(entry.id, "state", seconds=9)).attempt == 1
    assert await redis_books.one.orphans(at_most=9) == []
    ref = f'["{entry.id}","{entry.caller}","{entry.model}",""]'
    with asking(port_of(redis_url)) as redis:
        redis.hset(f"{BOOK}:call:{entry.id}", mapping={"leased_until": far, "turn_until": far})
        redis.zadd(f"{BOOK}:leased", {ref: far})
    assert [each.entry for each in await redis_books.one.orphans(at_most=9)] == [entry]
    assert await redis_books.one.lease(entry.id, "me", seconds=9) == 2
    assert (await redis_books.one.begin_ending(entry.id, "state", seconds=9)).attempt == 2


async def test_a_call_of_the_version_before_is_read_and_ended(
    redis_books: Books, redis_url: str
) -> None:
    """It did not write down when a call ends by Redis's own clock: an update goes on serving."""
    book, entry = redis_books.one, await redis_books.begun(lives_seconds=0)
    await book.answered(entry, "answered", "event", heir_seconds=0)
    await redis_books.pass_by(0.01)
    with asking(port_of(redis_url)) as redis:
        assert redis.hdel(f"{BOOK}:call:{entry.id}", "ends")
    for found in (await book.orphans(at_most=9), await book.due(seconds=1, at_most=9)):
        assert [(each.entry, each.left_seconds) for each in found] == [(entry, None)]
    assert await book.lease(entry.id, "me", seconds=9) == 1
    assert (await book.begin_ending(entry.id, "state", seconds=9)).attempt == 1
    await book.pause_ending(entry.id, seconds=0)
    assert await book.end(entry, "over", kept_seconds=9, event="event")


async def test_a_feed_that_was_lost_begins_anew(redis_books: Books, redis_url: str) -> None:
    """By a failover: what is told after it, with ids that lie before, is heard all the same."""
    await redis_books.one.answered(ENTRY, "facts", "event")
    later = await redis_books.one.last_event()
    with asking(port_of(redis_url)) as redis:
        redis.delete(FEED)
        event = {"kind": "call.ended", "caller": "web", "call": "rtc_1", "body": "anew"}
        redis.xadd(FEED, event, id="5-1")
    found = await redis_books.one.events(later, at_most=9, wait_seconds=0.1)
    assert [told.body for told in found] == ["anew"]


async def test_the_feed_keeps_ten_minutes(redis_books: Books, redis_url: str) -> None:
    """What is older goes with the next event, and all of it where there is none."""
    with asking(port_of(redis_url)) as redis:
        event = {"kind": "call.ended", "caller": "web", "call": "rtc_1", "body": "old"}
        for minutes in (11, 9):
            redis.xadd(FEED, event, id=f"{int((time.time() - minutes * 60) * 1000)}-0")
        await redis_books.one.answered(ENTRY, "facts", "new")
        found = await redis_books.one.events("", at_most=9, wait_seconds=0)
        assert [told.body for told in found] == ["old", "new"]
        assert 599_000 < redis.pttl(FEED) <= 600_000


async def test_an_event_that_cannot_be_read_holds_up_nobody(
    redis_books: Books, redis_url: str
) -> None:
    """It is passed over, and a reader goes on behind it."""
    with asking(port_of(redis_url)) as redis:
        redis.xadd(FEED, {"kind": b"\xff"})
        redis.xadd(FEED, {"garbage": "1"})
    await redis_books.one.answered(ENTRY, "facts", "good")
    first = await redis_books.one.first_event()
    assert first is not None
    found = await redis_books.one.events("", at_most=1, wait_seconds=1)
    assert [told.body for told in found] == ["good"]
