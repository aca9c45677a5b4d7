"""The feed: one read of a book, told to all who follow."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import pytest

from signaller.errors import StoreUnavailable, TooManyFollowers
from signaller.masking import NOTHING_HELD, Masking
from signaller.model import Caller, Told
from signaller.policy import Policy
from signaller.ports import CallBook
from signaller.realtime.call_feed import (
    FOLLOW_SECONDS,
    MAX_FOLLOWERS,
    MAX_FOLLOWERS_EACH,
    CallFeed,
    Follower,
)
from signaller.realtime.call_records import CallRecords
from signaller.realtime.call_waiting import MAX_WAITING, Event
from signaller.secret import Secret
from signaller.stores.memory_calls import MemoryCallBook
from tests.stores.making import SetClock
from tests.support.calls import Writer
from tests.support.service import token_key

WEB = Caller.under(Policy(), "web", "key:1")
TWO = Caller.under(Policy(), "two", "key:2")
MASTER = Caller.under(Policy(), "master", "key:3", is_master=True)


class CountedBook(MemoryCallBook):
    """Counts its readers, and fails when it is told to."""

    def __init__(self, clock: SetClock) -> None:
        super().__init__(clock)
        self.waiting = self.most_waiting = 0
        self.failing = False
        self.failed = asyncio.Event()

    async def events(
        self, after: str | None, *, at_most: int, wait_seconds: float
    ) -> Sequence[Told]:
        """As it is, unless it fails."""
        if self.failing:
            self.failed.set()
            raise StoreUnavailable("as told")
        self.waiting += wait_seconds > 0
        self.most_waiting = max(self.most_waiting, self.waiting)
        try:
            return await super().events(after, at_most=at_most, wait_seconds=wait_seconds)
        finally:
            self.waiting -= wait_seconds > 0


class Scene:
    """A feed, and somebody who writes what it tells."""

    def __init__(self, book: CallBook, clock: SetClock) -> None:
        self.clock, ring = clock, [token_key()]
        self.feed = CallFeed(book, monotonic=clock, retry_seconds=0)
        self.feed.renew(CallRecords(ring), NOTHING_HELD)
        self.writer = Writer(book, ring)


@pytest.fixture
def clock() -> SetClock:
    """One that moves when it is told to."""
    return SetClock()


@pytest.fixture
def book(clock: SetClock) -> CountedBook:
    """A book in memory."""
    return CountedBook(clock)


@pytest.fixture
async def scene(book: CountedBook, clock: SetClock) -> AsyncIterator[Scene]:
    """A feed of it."""
    made = Scene(book, clock)
    yield made
    await made.feed.aclose()


async def told(follower: Follower, count: int) -> list[Event]:
    """So many of its next events."""
    return (await heard(follower, count))[0]


async def heard(follower: Follower, count: int) -> tuple[list[Event], str | None]:
    """So many of its next events, and where it may go on then."""
    found: list[Event] = []
    async with asyncio.timeout(10), aclosing(follower.events()) as events:
        async for event, place in events:
            found.append(event)
            if len(found) == count:
                return found, place
    raise AssertionError(f"it ended after {found}")


def ids(events: list[Event]) -> list[tuple[str, str]]:
    """What each event says of which call."""
    return [(event.kind, event.call_id) for event in events]


async def test_each_hears_of_what_it_may_see(scene: Scene) -> None:
    """A caller of its own calls, the master key of all."""
    web, two, master = [await scene.feed.follow(who, None) for who in (WEB, TWO, MASTER)]
    of_web = await scene.writer.start(caller="web")
    of_two = await scene.writer.start(caller="two")
    await scene.writer.end(of_web)
    assert ids(await told(web, 2)) == [("call.started", of_web.id), ("call.ended", of_web.id)]
    assert ids(await told(two, 1)) == [("call.started", of_two.id)]
    assert ids(await told(master, 3)) == [
        ("call.started", of_web.id),
        ("call.started", of_two.id),
        ("call.ended", of_web.id),
    ]


async def test_all_followers_share_one_read(scene: Scene, book: CountedBook) -> None:
    """However many there are; and with the last of them the reading ends."""
    before = asyncio.all_tasks()
    followers = [await scene.feed.follow(who, None) for who in (WEB, TWO, MASTER) for _ in range(5)]
    await scene.writer.start()
    assert await told(followers[0], 1)
    assert book.most_waiting == 1
    for follower in followers:
        scene.feed.leave(follower)
    (reading,) = asyncio.all_tasks() - before
    await scene.writer.start()  # ends the read that waits
    await asyncio.wait_for(reading, 10)


async def test_whoever_comes_back_hears_what_it_missed(scene: Scene) -> None:
    """From its last event on, and then what comes, each once."""
    first = await scene.feed.follow(WEB, None)
    calls = [await scene.writer.start()]
    _, place = await heard(first, 1)
    scene.feed.leave(first)
    calls += [await scene.writer.start() for _ in range(120)]
    again = await scene.feed.follow(WEB, place)
    calls.append(await scene.writer.start())
    assert ids(await told(again, 121)) == [("call.started", call.id) for call in calls[1:]]


@pytest.mark.parametrize("place", ["nonsense", "0", "9" * 15 + "-" + "9" * 9, "0" * 15 + "-0"])
async def test_an_unknown_place_is_a_reset_and_then_all_that_is_kept(
    scene: Scene, place: str
) -> None:
    """Whoever cannot be told what it missed is told so first."""
    call = await scene.writer.start()
    follower = await scene.feed.follow(WEB, place)
    assert ids(await told(follower, 2)) == [("reset", ""), ("call.started", call.id)]


async def test_whoever_was_away_for_too_long_is_told_so(scene: Scene) -> None:
    """Ten minutes or 1,000 events: what it missed is not there any more."""
    follower = await scene.feed.follow(WEB, None)
    call = await scene.writer.start()
    _, place = await heard(follower, 1)
    await scene.writer.end(call)
    scene.clock.now += 601
    await scene.writer.start()
    assert ids(await told(await scene.feed.follow(WEB, place), 2))[0] == ("reset", "")


@pytest.mark.parametrize(("missed", "first"), [(999, []), (1001, [("reset", "")])])
async def test_whoever_missed_more_than_a_thousand_events_is_told_so(
    scene: Scene, missed: int, first: list[tuple[str, str]]
) -> None:
    """However short a time it was away; and then it hears of all that are kept."""
    follower = await scene.feed.follow(WEB, None)
    await scene.writer.start()
    _, place = await heard(follower, 1)
    scene.feed.leave(follower)
    calls = [await scene.writer.start() for _ in range(missed)]
    expected = first + [("call.started", call.id) for call in calls[-1000:]]
    assert ids(await told(await scene.feed.follow(WEB, place), len(expected))) == expected


async def test_where_nothing_was_missed_there_is_no_reset(scene: Scene) -> None:
    """Even when nothing is kept any more: the feed stands where the reader left it."""
    follower = await scene.feed.follow(WEB, None)
    await scene.writer.start()
    _, place = await heard(follower, 1)
    scene.clock.now += 700
    again = await scene.feed.follow(WEB, place)
    call = await scene.writer.start()
    assert ids(await told(again, 1)) == [("call.started", call.id)]


async def test_a_quiet_reader_knows_where_the_feed_is(scene: Scene) -> None:
    """Others' events move it on: it is not told of a reset for what was none of its own."""
    web, master = await scene.feed.follow(WEB, None), await scene.feed.follow(MASTER, None)
    before = web.resume_at
    await scene.writer.start(caller="two")
    _, place = await heard(master, 1)
    assert web.resume_at == place != before


async def test_places_are_bounded_and_shared(scene: Scene) -> None:
    """One caller cannot take all of them, and who leaves makes room."""
    mine = [await scene.feed.follow(WEB, None) for _ in range(MAX_FOLLOWERS_EACH)]
    with pytest.raises(TooManyFollowers) as refused:
        await scene.feed.follow(WEB, None)
    assert refused.value.retry_after
    for number in range(MAX_FOLLOWERS - MAX_FOLLOWERS_EACH):
        await scene.feed.follow(Caller.under(Policy(), f"c{number}", "key:4"), None)
    with pytest.raises(TooManyFollowers):
        await scene.feed.follow(MASTER, None)
    scene.feed.leave(mine[0])
    await scene.feed.follow(MASTER, None)


async def test_a_store_that_fails_takes_no_place(scene: Scene, book: CountedBook) -> None:
    """Whoever could not begin has left."""
    book.failing = True
    for _ in range(MAX_FOLLOWERS_EACH):
        with pytest.raises(StoreUnavailable):
            await scene.feed.follow(WEB, "nonsense")
    book.failing = False
    await scene.feed.follow(WEB, None)


async def test_a_slow_reader_is_let_go(scene: Scene) -> None:
    """One that takes nothing ends once more waits for it than is kept; the others go on."""
    slow, quick = await scene.feed.follow(WEB, None), await scene.feed.follow(MASTER, None)
    async with asyncio.timeout(20), aclosing(quick.events()) as events:
        for _ in range(MAX_WAITING + 1):
            await scene.writer.start()
            await anext(events)
    assert [event async for event in slow.events()] == []


async def test_nobody_follows_for_ever_on_one_proof(scene: Scene) -> None:
    """It ends, and comes back with a proof of now."""
    follower = await scene.feed.follow(WEB, None)
    scene.clock.now += FOLLOW_SECONDS
    assert [event async for event in follower.events()] == []


async def test_a_reload_lets_all_go(scene: Scene) -> None:
    """Keys of callers may have been withdrawn, and keys of the ring have come."""
    follower = await scene.feed.follow(WEB, None)
    ring = [token_key()]
    scene.feed.renew(CallRecords(ring), NOTHING_HELD)
    assert [event async for event in follower.events()] == []
    scene.feed.leave(follower)
    again = await scene.feed.follow(WEB, follower.resume_at)
    call = await Writer(scene.writer.book, ring).start()
    assert ids(await told(again, 1)) == [("call.started", call.id)]


async def test_an_event_that_was_not_made_here_is_told_to_nobody(scene: Scene) -> None:
    """It is passed over; the next one comes."""
    follower = await scene.feed.follow(WEB, None)
    await Writer(scene.writer.book, [token_key()]).start()
    call = await scene.writer.start()
    assert ids(await told(follower, 1)) == [("call.started", call.id)]


async def test_no_event_shows_a_key(scene: Scene) -> None:
    """A caller's name and metadata are others' texts."""
    key = "held-0123456789abcdef"
    scene.feed.renew(scene.writer.records, Masking.of((Secret(key),)))
    follower = await scene.feed.follow(MASTER, None)
    await scene.writer.start(caller=f"at-{key}", metadata={"order": f"7 {key}", "note": "fine"})
    (event,) = await told(follower, 1)
    shown = json.loads(event.data)
    assert key not in event.data
    assert shown["metadata"] == {"order": "7 ****", "note": "fine"}


async def test_a_store_that_comes_back_is_read_on(scene: Scene, book: CountedBook) -> None:
    """Followers stay, and hear what was told meanwhile."""
    await scene.writer.start()
    follower = await scene.feed.follow(WEB, None)
    book.failing = True
    calls = [await scene.writer.start()]  # ends a read that waits; the next one fails
    await book.failed.wait()
    calls.append(await scene.writer.start())
    book.failing = False
    assert ids(await told(follower, 2)) == [("call.started", call.id) for call in calls]


async def test_what_is_gone_when_the_store_comes_back_is_a_reset(
    scene: Scene, book: CountedBook
) -> None:
    """The followers are told that they have missed something, and then what is kept."""
    follower = await scene.feed.follow(WEB, None)
    book.failing = True
    await scene.writer.start()
    await book.failed.wait()
    await told(follower, 1)
    await scene.writer.start()
    scene.clock.now += 601
    call = await scene.writer.start()
    book.failing = False
    assert ids(await told(follower, 2)) == [("reset", ""), ("call.started", call.id)]
