"""The book of calls in memory: bounded, and no live call is forgotten to make room."""

from uuid import uuid4

import pytest

from signaller.errors import StoreUnavailable
from signaller.model import CallEntry
from signaller.stores.memory_calls import MemoryCallBook
from tests.stores.making import SetClock, memory_in_use


def call_of(caller: str, clock: SetClock) -> CallEntry:
    """A caller's."""
    now = int(clock.now)
    return CallEntry(
        id=f"rtc_{uuid4().hex[:24]}", caller=caller, model="voice", began_at=now, ends_by=now + 600
    )


async def begun(book: MemoryCallBook, clock: SetClock, caller: str) -> CallEntry:
    """One that the book has."""
    entry = call_of(caller, clock)
    assert await book.begin(entry, "facts", at_most=None) is None
    return entry


async def test_a_full_book_begins_no_call(clock: SetClock) -> None:
    """Of live calls none makes room; one that has ended does, and one that was withdrawn."""
    book = MemoryCallBook(clock, max_calls=4)
    ada, bob, *_ = [await begun(book, clock, caller) for caller in ("ada", "bob", "cal", "dan")]
    with pytest.raises(StoreUnavailable, match="full: 4 calls"):
        await begun(book, clock, "eve")
    await book.end(ada, "over", kept_seconds=600, event="event")
    await begun(book, clock, "eve")
    assert await book.find(ada.id) is None
    assert await book.list(caller="ada", live=None, after=None, limit=9) == []
    await book.withdraw(bob)
    await begun(book, clock, "eva")
    assert len(book) == 4


async def test_a_caller_has_a_quarter(clock: SetClock) -> None:
    """Its own ended calls make room for its next one, nobody else's do, and no live one."""
    book = MemoryCallBook(clock, max_calls=8)
    first, second = [await begun(book, clock, "ada") for _ in range(2)]
    other = await begun(book, clock, "bob")
    await book.end(other, "over", kept_seconds=600, event="event")
    with pytest.raises(StoreUnavailable, match="full: 3 calls"):
        await begun(book, clock, "ada")
    await book.end(first, "over", kept_seconds=600, event="event")
    third = await begun(book, clock, "ada")
    found = await book.list(caller="ada", live=None, after=None, limit=9)
    assert found is not None
    assert [kept.entry for kept in found] == [third, second]
    assert await book.find(other.id) is not None


async def test_what_is_known_of_a_call_is_kept_though_the_book_is_full(clock: SetClock) -> None:
    """Its answer, what was seen of it and its end: refused, they would be lost."""
    book = MemoryCallBook(clock, max_bytes=4 * 4000)
    entry = await begun(book, clock, "ada")
    await book.answered(entry, "facts" * 1000, "event")
    fence = await book.lease(entry.id, "me", seconds=9)
    assert fence is not None
    assert await book.saw(entry.id, "seen" * 1000, fence=fence, event=None)
    with pytest.raises(StoreUnavailable, match="full"):
        await begun(book, clock, "ada")
    assert await book.end(entry, "over", kept_seconds=600, event="event")
    assert await book.find(entry.id) is not None
    await begun(book, clock, "ada")
    assert await book.find(entry.id) is None


async def test_a_call_that_nobody_ended_is_forgotten_in_the_end(clock: SetClock) -> None:
    """Two hours past its end, everywhere."""
    book = MemoryCallBook(clock)
    entry = await begun(book, clock, "ada")
    clock.now = entry.ends_by + 7199.9
    assert len(await book.due(seconds=0, at_most=9)) == 1
    clock.now = entry.ends_by + 7200
    assert await book.find(entry.id) is None
    assert await book.due(seconds=0, at_most=9) == []
    assert await book.live() == {}
    assert len(book) == 0


async def test_a_clock_that_is_set_back_bars_nobody(clock: SetClock) -> None:
    """Turns and leases of the time that is gone are over; ids of events go on growing."""
    book = MemoryCallBook(clock)
    entry = await begun(book, clock, "ada")
    assert await book.lease(entry.id, "other", seconds=9) == 1
    assert (await book.begin_ending(entry.id, "state", seconds=9)).attempt == 1
    await book.answered(entry, "facts", "event")
    before = await book.last_event()
    clock.now -= 3000
    assert len(await book.orphans(at_most=9)) == 1
    assert await book.lease(entry.id, "me", seconds=9) == 2
    assert (await book.begin_ending(entry.id, "state", seconds=9)).attempt == 2
    later = call_of("ada", clock)
    await book.answered(later, "facts", "later")
    told = await book.events(before, at_most=9, wait_seconds=0)
    assert [each.body for each in told] == ["later"]


async def test_the_feed_forgets_after_ten_minutes(clock: SetClock) -> None:
    """Whoever comes later learns that there is nothing to go on from."""
    book = MemoryCallBook(clock)
    await book.answered(call_of("ada", clock), "facts", "event")
    clock.now += 599
    assert await book.first_event() is not None
    clock.now += 1
    assert await book.first_event() is None
    assert await book.events("", at_most=9, wait_seconds=0) == []


async def test_bytes_are_counted_as_they_are(clock: SetClock) -> None:
    """What the book believes to hold is what the interpreter has given it, or more."""
    many = 2000
    book = MemoryCallBook(clock, max_calls=4 * many)
    with memory_in_use() as used:
        entries = [call_of("ada", clock) for _ in range(many)]
        before = used()
        for entry in entries:
            await book.begin(entry, "facts" + "f" * 1000 + entry.id, at_most=None)
            fence = await book.lease(entry.id, uuid4().hex, seconds=9)
            assert fence == 1
            await book.saw(entry.id, "seen" + "s" * 1000 + entry.id, fence=fence, event=None)
        assert 0.6 < (used() - before) / book.size < 1.1, ((used() - before), book.size)
        for entry in entries:
            await book.withdraw(entry)
        assert (used() - before) / many < 100
