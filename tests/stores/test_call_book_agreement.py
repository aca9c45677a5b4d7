"""Both books of calls answer alike, whatever is asked of them and in which order."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from signaller.model import CallEntry, Kept
from signaller.ports import CallBook
from signaller.stores.memory_calls import MemoryCallBook
from tests.stores.books import empty, in_redis
from tests.stores.making import SetClock
from tests.stores.servers import port_of

LONG = 1_000_000.0
"""Seconds: longer than a test takes. 0 is over at once."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One step, and what it is about."""

    step: str
    call: int
    owner: str
    text: str
    soon: bool


def entry_of(number: int, now: int) -> CallEntry:
    """Two callers have three calls each, one of which is at its end from its beginning."""
    return CallEntry(
        id=f"rtc_{number}",
        caller=("web", "app")[number % 2],
        model=("a", "b")[number // 3],
        began_at=now,
        ends_by=now + (0 if number > 3 else 3000),
    )


Fences = dict[str, int]
Act = Callable[[CallBook, CallEntry, Asked, Fences], Awaitable[object]]


async def _lease(book: CallBook, entry: CallEntry, asked: Asked, fences: Fences) -> object:
    fence = await book.lease(entry.id, asked.owner, seconds=0 if asked.soon else 50)
    fences[asked.owner] = fence or fences[asked.owner]
    return fence


def left(found: Sequence[Kept]) -> Sequence[tuple[str, bool]]:
    """Which calls, in any order, and whether they have time left."""
    return sorted((each.entry.id, (each.left_seconds or 0) > 0) for each in found)


async def _begin(book: CallBook, entry: CallEntry, asked: Asked, _: Fences) -> object:
    return await book.begin(entry, asked.text, at_most=1 if asked.soon else None) is None


async def _begin_ending(book: CallBook, entry: CallEntry, asked: Asked, _: Fences) -> object:
    seconds = 0 if asked.soon else LONG
    return (await book.begin_ending(entry.id, asked.text, seconds=seconds)).attempt


async def _due(book: CallBook, _: CallEntry, asked: Asked, __: Fences) -> object:
    return left(await book.due(seconds=0 if asked.soon else LONG, at_most=99))


async def _orphans(book: CallBook, *_: object) -> object:
    return left(await book.orphans(at_most=99))


STEPS: dict[str, Act] = {
    "begin": _begin,
    "answered": lambda book, entry, asked, _: book.answered(entry, asked.text, asked.text),
    "withdraw": lambda book, entry, *_: book.withdraw(entry),
    "end": lambda book, entry, asked, _: book.end(
        entry, asked.text, kept_seconds=9000, event=asked.text
    ),
    "begin_ending": _begin_ending,
    "pause_ending": lambda book, entry, asked, _: book.pause_ending(
        entry.id, seconds=0 if asked.soon else 50
    ),
    "due": _due,
    "lease": _lease,
    "release": lambda book, entry, asked, _: book.release(entry.id, asked.owner),
    "orphans": _orphans,
    "saw": lambda book, entry, asked, fences: book.saw(
        entry.id,
        asked.text,
        fence=fences[asked.owner],
        event=asked.text if asked.soon else None,
        ended=asked.soon,
    ),
}


async def whole(book: CallBook) -> Sequence[object]:
    """All that is in it."""
    lists: list[Any] = [
        await book.list(caller=caller, live=live, after=after, limit=3)
        for caller in (None, "web", "app")
        for live in (None, True, False)
        for after in (None, "rtc_0", "rtc_3")
    ]
    events = await book.events("", at_most=999, wait_seconds=0)
    told = [(each.kind, each.caller, each.call_id, each.body) for each in events]
    found = [await book.find(f"rtc_{number}") for number in range(6)]
    return [*lists, told, found, dict(await book.live())]


ASKED = st.builds(
    Asked,
    step=st.sampled_from(sorted(STEPS)),
    call=st.integers(0, 5),
    owner=st.sampled_from(["one", "two"]),
    text=st.sampled_from(["a", "b", "c"]),
    soon=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(asked=st.lists(ASKED, max_size=25))
def test_memory_and_redis_agree(redis_url: str, asked: Sequence[Asked]) -> None:
    """Each step, and all that can be read of the book after the last one."""

    async def both() -> None:
        async with in_redis(redis_url) as books:
            now = int(await books.now())
            in_memory = MemoryCallBook(SetClock(now))
            fences: list[Fences] = [{"one": 0, "two": 0} for _ in range(2)]
            for each in asked:
                act, entry = STEPS[each.step], entry_of(each.call, now)
                expected = await act(in_memory, entry, each, fences[0])
                assert await act(books.one, entry, each, fences[1]) == expected
            assert await whole(books.one) == await whole(in_memory)

    asyncio.run(both())
    empty([port_of(redis_url)])
