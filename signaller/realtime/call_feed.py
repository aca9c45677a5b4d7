"""The feed of calls: one read of the store in a process, told to all who follow."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence

from signaller.errors import StoreUnavailable, TooManyFollowers
from signaller.masking import NOTHING_HELD, Masking
from signaller.model import Caller, Told
from signaller.ports import CallBook
from signaller.realtime.call_records import CallRecords, shown_object
from signaller.realtime.call_waiting import MAX_WAITING, RESET, Event, Waiting
from signaller.strict_json import write_json

log = logging.getLogger("signaller")

MAX_FOLLOWERS = 100
"""In a process. Each holds a connection, and up to MAX_WAITING events of some 2 KB: 300 MB where
none of them reads."""
MAX_FOLLOWERS_EACH = 25
"""Of one caller: four of them can have all places, one cannot."""
FOLLOW_SECONDS = 900.0
"""A proof may expire or be withdrawn meanwhile: whoever follows for longer proves itself anew, and
goes on where it was."""
READ_SECONDS = 10.0
"""For one read that waits for events; nobody following, it is the last one."""
READ_EVENTS = 50
"""At once: opening them takes some 2 ms, with metadata at its longest some 50."""
RETRY_SECONDS = 1.0
"""Before the store is asked again after it failed."""
RETRY_AFTER_SECONDS = 10.0

Monotonic = Callable[[], float]
"""Seconds of a clock that is never set."""


class Follower:
    """One who follows the feed: what it is sent, for as long as it may stay."""

    def __init__(self, caller: Caller, monotonic: Monotonic) -> None:
        self.name = caller.name
        self._sees_all = caller.is_master
        self._monotonic = monotonic
        self._until = monotonic() + FOLLOW_SECONDS
        self._waiting = Waiting(None)
        self._news = asyncio.Event()
        self._closed = self._sending = False
        self._safe: str | None = None

    @property
    def resume_at(self) -> str | None:
        """After which event to go on, by all that has been sent; None: it cannot be told."""
        return self._safe if self._sending else self._waiting.resume_at

    def sees(self, told: Told) -> bool:
        """Whether an event is for this one."""
        return self._sees_all or told.caller == self.name

    def begin(self, position: str | None) -> None:
        """Tell from which event on; None: some are missing."""
        self._waiting = Waiting(position)

    def give(self, event: Event) -> None:
        """Let it be sent; who has taken too few of them is let go."""
        self._waiting.add(event, self._monotonic())
        if len(self._waiting) > MAX_WAITING:
            log.warning("a follower is too slow", extra={"fields": {"caller": self.name}})
            self.close()
        self._news.set()

    def moved(self, position: str) -> None:
        """The feed has come to here, with nothing for this one."""
        self._waiting.moved(position)

    def close(self) -> None:
        """Let it end; it may come back with `resume_at`."""
        self._closed = True
        self._news.set()

    async def events(self) -> AsyncGenerator[tuple[Event, str | None]]:
        """Each event once its time has come, and after which one to go on then."""
        while not self._closed and (now := self._monotonic()) < self._until:
            self._safe = self._waiting.resume_at
            event = self._waiting.take(now)
            if event is not None:
                self._sending = True
                yield event, self._waiting.resume_at
                self._sending = False  # now it has been sent
                continue
            self._news.clear()
            due = self._waiting.due()
            wake_at = self._until if due is None else min(due, self._until)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wake_at - now):
                    await self._news.wait()


class CallFeed:
    """Reads the feed while anybody follows it. One per process; reloads leave it as it is."""

    def __init__(
        self,
        book: CallBook,
        *,
        monotonic: Monotonic = time.monotonic,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._book = book
        self._monotonic = monotonic
        self._retry_seconds = retry_seconds
        self._records = CallRecords([])
        self._masking = NOTHING_HELD
        self._followers: list[Follower] = []
        self._beginning: dict[Follower, list[Told]] = {}
        """Who is still told of earlier events, and what came meanwhile."""
        self._starting = asyncio.Lock()
        self._position: str | None = None
        """The last event that all know; None: nobody reads."""
        self._reading: asyncio.Task[None] | None = None

    def renew(self, records: CallRecords, masking: Masking) -> None:
        """Open and mask as a new configuration says; who follows has to prove itself anew."""
        self._records, self._masking = records, masking
        self.let_go()

    def let_go(self) -> None:
        """End all followers; they may come back."""
        for follower in self._followers:
            follower.close()

    async def aclose(self) -> None:
        """Stop reading."""
        self.let_go()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})

    async def follow(self, caller: Caller, after: str | None) -> Follower:
        """Follow the feed, from after an event or from now on; `leave` has to be called.

        `reset` comes first where that event is not known or older than what is kept.
        Raises TooManyFollowers and StoreUnavailable.
        """
        mine = sum(follower.name == caller.name for follower in self._followers)
        if len(self._followers) >= MAX_FOLLOWERS or mine >= MAX_FOLLOWERS_EACH:
            raise TooManyFollowers(
                f"{len(self._followers)} follow, {mine} of them as {caller.name}",
                retry_after=RETRY_AFTER_SECONDS,
            )
        follower = Follower(caller, self._monotonic)
        self._followers.append(follower)
        meanwhile = self._beginning[follower] = []
        try:
            position = await self._begin(follower, after)
        except BaseException:
            self.leave(follower)
            raise
        finally:
            del self._beginning[follower]
        self._tell([follower], [told for told in meanwhile if told.id > position])
        return follower

    def leave(self, follower: Follower) -> None:
        """Follow no longer; for the second time without effect."""
        if follower in self._followers:
            self._followers.remove(follower)

    async def _begin(self, follower: Follower, after: str | None) -> str:
        """Tell of what was before; the last of it."""
        async with self._starting:
            if self._position is None:
                self._position = await self._book.last_event()
                self._reading = asyncio.create_task(self._read())
        if after is None:
            follower.begin(self._position)
            return self._position
        last = await self._book.last_event()
        known = await self._is_kept_after(after)
        follower.begin(after if known else None)
        if not known:
            follower.give(RESET)
        at = after if known else ""
        while True:
            events = await self._book.events(at, at_most=READ_EVENTS, wait_seconds=0)
            self._tell([follower], events)
            if events:
                at = events[-1].id
            if len(events) < READ_EVENTS:
                break
            await asyncio.sleep(0)  # a turn for others between two pages
        follower.moved(at or last)
        return at or last

    async def _is_kept_after(self, event_id: str) -> bool:
        """Whether all that was told after an event is still there."""
        last = await self._book.last_event()
        if event_id == last:
            return True
        first = await self._book.first_event()
        return first is not None and len(event_id) == len(first) and first <= event_id < last

    async def _read(self) -> None:
        """Read as long as anybody follows."""
        position, failed, behind = self._position or "", False, False
        try:
            while self._followers:
                try:
                    if (failed or behind) and not await self._is_kept_after(position):
                        self._reset()
                    events = await self._book.events(
                        position, at_most=READ_EVENTS, wait_seconds=READ_SECONDS
                    )
                except StoreUnavailable as error:
                    if not failed:
                        log.warning("feed interrupted", extra={"fields": {"detail": str(error)}})
                    failed = True
                    await asyncio.sleep(self._retry_seconds)
                    continue
                failed, behind = False, len(events) == READ_EVENTS
                if events:
                    position = self._position = events[-1].id
                for meanwhile in self._beginning.values():
                    meanwhile.extend(events)
                begun = [each for each in self._followers if each not in self._beginning]
                self._tell(begun, events)
        finally:
            self._position = self._reading = None
            self.let_go()

    def _reset(self) -> None:
        for follower in self._followers:
            follower.give(RESET)

    def _tell(self, followers: Sequence[Follower], events: Sequence[Told]) -> None:
        for told in events:
            concerned = [follower for follower in followers if follower.sees(told)]
            event = self._event(told) if concerned else None
            for follower in followers:
                if event is not None and follower.sees(told):
                    follower.give(event)
                else:
                    follower.moved(told.id)

    def _event(self, told: Told) -> Event | None:
        call = self._records.read_event(told)
        if call is None:
            return None
        data = write_json(shown_object(call, self._masking)).decode()
        return Event(id=told.id, kind=told.kind, call_id=told.call_id, data=data)
