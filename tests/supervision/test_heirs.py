"""Nothing is lost between whoever leaves a call and its heir: it counts, or a gap is told."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest

from signaller.model import CallFacts, Watching
from signaller.ports import Clock, Sideband
from signaller.realtime.call_records import FINAL, SealedBook
from signaller.realtime.hangups import Hangups
from signaller.supervision.early import MAX_EARLY, MAX_EARLY_CHARS
from signaller.supervision.handover import RELIEF_SECONDS
from signaller.supervision.machine import Machine
from signaller.supervision.owner import rules_of
from signaller.supervision.prices import our_prices
from signaller.supervision.seen import FENCE, Seen
from signaller.supervision.watch import Watch
from tests.supervision.scene import OVER, Hands, Line, scene
from tests.supervision.told import began, done, told

HEIR = "heir"


def nobody(*_told: object) -> None:
    """Whoever counts what is of no interest here."""


class Place:
    """What a watch needs of its process (`watch.Home`), without a store."""

    book = cast(SealedBook, None)  # there is no lease, so nothing is written
    hangups = cast(Hangups, None)
    credit_low = unread = missed = done = staticmethod(nobody)

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lines: asyncio.Queue[Line] = asyncio.Queue()
        """Those that the provider lets attach, in turn."""

    async def dial(self, facts: CallFacts) -> Sideband | None:
        """The next one."""
        return await self.lines.get()


@dataclass
class Heir:
    """A watch that waits for the record of whoever leaves."""

    call: CallFacts
    hands: Hands
    place: Place
    watch: Watch
    machine: Machine | None = None

    async def attaches(self) -> Line:
        """To a sideband of its own, in the next second."""
        self.hands.now += 1
        line = Line()
        self.watch.opened.clear()
        self.place.lines.put_nowait(line)
        await self.watch.opened.wait()
        return line

    def takes_up(self, left: Seen, *, named: str = HEIR) -> Mapping[str, Any]:
        """In the next second; what its record would be then."""
        self.hands.now += 1
        self.machine = Machine.resume(
            rules_of(self.call, self.call.ends_by),
            left,
            heir=named,
            prices=None,
            price_list=our_prices(),
        )
        self.watch.take_up(self.machine)
        return self.seen()

    def seen(self) -> Mapping[str, Any]:
        """What its record would be now."""
        assert self.machine is not None
        return self.machine.seen(self.hands()).as_json()

    def leaver(self) -> Machine:
        """Whoever has listened from the beginning until now."""
        now = self.hands()
        machine = Machine.begin(
            rules_of(self.call, self.call.ends_by), now=now, prices=None, price_list=our_prices()
        )
        machine.attached(now)
        return machine


@pytest.fixture
async def heir() -> AsyncIterator[Heir]:
    """One that has not attached yet, at second 1,000."""
    call, hands = scene(Watching(mode="best_effort")).intent, Hands()
    place = Place(hands)
    watch = Watch(call, None, home=place)
    watch.begin()
    yield Heir(call, hands, place, watch)
    await watch.stop()


def response(name: str) -> tuple[str, str]:
    """All that is told of one."""
    return began(name), done(name)


def gaps(seen: Mapping[str, Any]) -> list[tuple[int, int]]:
    """From when to when."""
    return [(gap["from"], gap["to"]) for gap in seen["gaps"]]


async def test_what_an_heir_hears_before_it_decides_counts(heir: Heir) -> None:
    """Once, though the one who leaves has heard some of it too."""
    leaver = heir.leaver()
    line = await heir.attaches()
    await line.tells(*response("one"), *response("two"))
    for text in response("one"):
        leaver.frame(text, 1001)
    seen = heir.takes_up(leaver.handed_over(1001, to=HEIR))
    assert (seen["usage"]["responses"], seen["usage"]["label"]) == (2, "complete")
    assert seen["gaps"] == []


async def test_an_heir_that_is_cut_off_before_it_decides_keeps_what_it_heard(heir: Heir) -> None:
    """And tells each time in which it was."""
    left = heir.leaver().handed_over(1000, to=HEIR)
    for number in range(3):
        line = await heir.attaches()  # at 1001, 1003 and 1005
        heir.hands.now += 1
        await line.tells(*response(f"resp_{number}"), None)
    await heir.attaches()
    seen = heir.takes_up(left)
    assert (seen["usage"]["responses"], seen["usage"]["label"]) == (3, "partial")
    assert gaps(seen) == [(1002, 1003), (1004, 1005), (1006, 1007)]
    assert seen["supervision"] == "watched"


async def test_an_heir_that_is_cut_off_when_it_decides_is_not_watching(heir: Heir) -> None:
    """The gap goes on until it is attached again."""
    left = heir.leaver().handed_over(1000, to=HEIR)
    line = await heir.attaches()
    await line.tells(*response("resp_1"), None)
    seen = heir.takes_up(left)
    assert (seen["usage"]["responses"], seen["supervision"]) == (1, "lost")
    await heir.attaches()
    assert gaps(heir.seen()) == [(1001, 1003)]


async def test_an_heir_that_nobody_relieves_tells_the_time_before_it_listened(heir: Heir) -> None:
    """What it heard itself counts."""
    left = heir.leaver().seen(1000)
    line = await heir.attaches()
    await line.tells(*response("one"), None)
    line = await heir.attaches()
    await line.tells(*response("two"))
    seen = heir.takes_up(left)
    assert (seen["usage"]["responses"], seen["usage"]["label"]) == (2, "partial")
    assert gaps(seen) == [(1000, 1001), (1001, 1002)]


async def test_what_is_too_much_to_be_kept_is_a_gap(heir: Heir) -> None:
    """Until the heir decides: from then on everything counts again, on the same sideband."""
    left = heir.leaver().handed_over(1000, to=HEIR)
    line = await heir.attaches()
    await line.tells(*(text for name in range(MAX_EARLY) for text in response(f"resp_{name}")))
    seen = heir.takes_up(left)
    assert (seen["usage"]["responses"], seen["usage"]["label"]) == (MAX_EARLY // 2 - 1, "partial")
    assert (gaps(seen), seen["supervision"]) == ([(1001, 1002)], "watched")
    await line.tells(*response("one more"))
    assert heir.seen()["usage"]["responses"] == MAX_EARLY // 2
    assert heir.place.lines.empty()


async def test_who_waits_for_a_record_keeps_no_more_than_so_many_characters(heir: Heir) -> None:
    """However few events they are of; what is left out is a gap."""
    left = heir.leaver().handed_over(1000, to=HEIR)
    line = await heir.attaches()
    long = told("response.done", padding="x" * MAX_EARLY_CHARS)
    await line.tells(*response("kept"), long, *response("left out"))
    seen = heir.takes_up(left)
    assert (seen["usage"]["responses"], seen["usage"]["label"]) == (1, "partial")
    assert gaps(seen) == [(1001, 1002)]


async def test_an_end_behind_an_heirs_lease_is_written_by_who_leaves() -> None:
    """The heir has never listened: only who leaves has heard all of it, to the end."""
    this = scene(Watching(mode="best_effort"), handover_seconds=5)
    (leaver, heir), upstream, leaving = this.replicas, this.upstream, asyncio.Event()
    async with leaver.running(leaving):
        call = await this.call()
        await leaver.begin(call)
        record = await this.until_it_shows(call, lambda record: bool(record.seen))
        line = upstream.line
        upstream.lets.clear()
        leaving.set()
        async with heir.running():
            await this.until_it_shows(call, lambda record: FENCE in record.seen)
            await line.tells(*response("the last one"))
            await this.book.end(replace(record, state=OVER))
            await this.until_it_shows(call, lambda record: record.seen.get(FINAL) is True)
            upstream.knows_call = False
            upstream.lets.set()
            await asyncio.sleep(RELIEF_SECONDS + 1)  # the heir waits no more, and finds the end
            found = await this.until_it_shows(call, lambda record: bool(record.seen))
    shown: Mapping[str, Any] = found.as_json()
    assert (shown["usage"]["responses"], shown["usage"]["label"]) == (1, "complete")
    assert shown["gaps"] == []
