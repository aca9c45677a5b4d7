"""The book of calls of one process: bounded, gone with the process."""

import asyncio
import contextlib
import heapq
import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from signaller.model import CallEntry, EventKind, Kept, Told, Turn
from signaller.ports import Clock
from signaller.stores.call_terms import (
    FEED_EVENTS,
    FEED_SECONDS,
    LIVE_SECONDS,
    MAX_LEASE_SECONDS,
    MAX_PAUSE_SECONDS,
    event_id,
)
from signaller.stores.expiring import ExpiringMap

MIB = 1024 * 1024
RECORD_BYTES = 1800
"""What a call takes beside its sealed texts: objects, places in maps, its share of their spare
room. Measured; `test_bytes_are_counted_as_they_are` holds it to that."""


@dataclass(slots=True)
class _Record:
    """A call, and who is at work on it."""

    number: int
    """In the order of `begin`."""
    entry: CallEntry
    facts: str
    ends_at: float
    """By the store's clock: `ends_by` is by a replica's."""
    due_at: float
    state: str | None = None
    seen: str | None = None
    answered: bool = False
    forget_at: int | None = None
    """None: it has not ended."""
    attempts: int = 0
    turn_until: float = -math.inf
    owner: str | None = None
    fence: int = 0
    leased_until: float = -math.inf
    orphan_at: float = math.inf
    """When it is one though nobody has ever leased it."""

    def is_orphan(self, now: float) -> bool:
        if self.owner is None:
            return self.orphan_at <= now
        return not now < self.leased_until <= now + MAX_LEASE_SECONDS

    @property
    def live(self) -> bool:
        return self.forget_at is None

    def kept(self, now: float | None = None) -> Kept:
        """`now`: if it is to say how long it has left."""
        return Kept(
            entry=self.entry,
            facts=self.facts,
            state=self.state,
            seen=self.seen,
            live=self.live,
            left_seconds=None if now is None else self.ends_at - now,
        )


class MemoryCallBook:
    """Calls of one process (`ports.CallBook`). Atomic because no step that writes awaits anything.

    Each caller has a share of a quarter; calls that have ended make room, live ones never do.
    """

    def __init__(
        self, clock: Clock, *, max_calls: int = 100_000, max_bytes: int = 256 * MIB
    ) -> None:
        """`clock`: Unix seconds by one that is not set while it runs.

        The bytes are what a flood may take of the machine: some 50,000 calls.
        """
        self._clock = clock
        self._calls: ExpiringMap[_Record] = ExpiringMap(
            clock,
            "calls",
            max_entries=max_calls,
            max_bytes=max_bytes,
            spare_only=True,
            let_go=self._let_go,
        )
        # By caller, in the order of `begin`: what is listed, and what is live of it.
        self._of: defaultdict[str, dict[str, _Record]] = defaultdict(dict)
        self._live: defaultdict[str, dict[str, _Record]] = defaultdict(dict)
        self._begun = 0
        self._feed: deque[tuple[float, Told]] = deque(maxlen=FEED_EVENTS)
        self._last = event_id(0, 0)
        self._last_ms, self._same_ms = 0, 0
        self._news = asyncio.Event()

    def __len__(self) -> int:
        """How many calls are kept."""
        self._calls.drop_expired()
        return len(self._calls)

    def check_room(self) -> None:
        """Raise StoreUnavailable where no other call could be kept."""
        self._calls.check_room()

    @property
    def size(self) -> int:
        """The bytes that they are counted as."""
        return self._calls.size

    async def begin(
        self, entry: CallEntry, facts: str, *, at_most: int | None, of_one: int | None = None
    ) -> float | None:
        """Write down the intent to call, and take one of the caller's places."""
        if self._calls.get(entry.id) is not None:
            return None
        if at_most is not None or of_one is not None:
            wait_seconds = self._wait_for_a_place(entry, at_most, of_one)
            if wait_seconds is not None:
                return wait_seconds
        self._add(entry, facts, always=False)
        return None

    async def answered(
        self, entry: CallEntry, facts: str, event: str, *, heir_seconds: float | None = None
    ) -> None:
        """Replace the facts of a call that the provider has answered."""
        record = self._calls.get(entry.id) or self._add(entry, facts, always=True)
        first, record.answered = not record.answered, True
        record.facts = facts
        if record.live:
            record.entry, record.ends_at = entry, self._ends_at(entry)
            if not record.attempts:
                record.due_at = record.ends_at
            if record.owner is None and heir_seconds is not None:
                record.orphan_at = self._clock() + heir_seconds
            if first:
                self._tell("call.started", entry.caller, entry.id, event)
        self._keep(record)

    async def withdraw(self, entry: CallEntry) -> None:
        """Forget an intent and free its place."""
        record = self._calls.get(entry.id)
        if record is not None:
            self._calls.remove(entry.id)
            self._let_go(entry.id, record)

    async def find(self, call_id: str) -> Kept | None:
        """The call, or None."""
        record = self._calls.get(call_id)
        return None if record is None else record.kept()

    async def list(
        self, *, caller: str | None, live: bool | None, after: str | None, limit: int
    ) -> Sequence[Kept] | None:
        """Those that were begun last first."""
        self._calls.drop_expired()
        below = math.inf
        if after is not None:
            record = self._calls.get(after)
            if record is None or caller not in (None, record.entry.caller):
                return None
            below = record.number
        index = self._of if not live else self._live
        of_whom = index.values() if caller is None else [index.get(caller, {})]
        newest = (reversed(of_one.values()) for of_one in of_whom)
        merged = heapq.merge(*newest, key=lambda record: -record.number)
        found = []
        for record in merged:
            if record.number < below and live in (None, record.live):
                found.append(record.kept())
                if len(found) == limit:
                    break
        return found

    async def begin_ending(self, call_id: str, state: str, *, seconds: float) -> Turn:
        """Be the only one who asks for a call's end."""
        record, now = self._calls.get(call_id), self._clock()
        if record is None or not record.live:
            return Turn(attempt=0, wait_seconds=math.inf)
        if now < record.turn_until <= now + max(seconds, MAX_PAUSE_SECONDS):
            return Turn(attempt=0, wait_seconds=record.turn_until - now)
        record.attempts += 1
        record.turn_until = record.due_at = now + seconds
        if record.state is None:
            record.state = state
            self._keep(record)
        return Turn(attempt=record.attempts)

    async def pause_ending(self, call_id: str, *, seconds: float) -> None:
        """End one's turn."""
        record = self._calls.get(call_id)
        if record is not None and record.live:
            pause_seconds = min(seconds, MAX_PAUSE_SECONDS)
            record.turn_until = record.due_at = self._clock() + pause_seconds

    async def end(self, entry: CallEntry, state: str, *, kept_seconds: int, event: str) -> bool:
        """Write down that a call has ended."""
        record = self._calls.get(entry.id)
        if record is None:
            return False
        if not record.live:
            return record.state == state
        record.state, record.forget_at = state, math.ceil(self._clock()) + kept_seconds
        self._drop_live(record)
        self._keep(record)
        self._tell("call.ended", record.entry.caller, entry.id, event)
        return True

    async def due(self, *, seconds: float, at_most: int) -> Sequence[Kept]:
        """Live calls whose moment has come."""
        self._calls.drop_expired()
        now = self._clock()
        waiting = (record for record in self._live_records() if record.due_at <= now)
        soonest = heapq.nsmallest(at_most, waiting, key=lambda record: record.due_at)
        for record in soonest:
            record.due_at = now + seconds
        return [record.kept(now) for record in soonest]

    async def lease(self, call_id: str, owner: str, *, seconds: float) -> int | None:
        """Be the one who watches a call."""
        record, now = self._calls.get(call_id), self._clock()
        if record is None or not record.live:
            return None
        if record.owner != owner:
            if now < record.leased_until <= now + MAX_LEASE_SECONDS:
                return None
            record.owner = owner
            record.fence += 1
        record.leased_until = now + min(seconds, MAX_LEASE_SECONDS)
        return record.fence

    async def release(self, call_id: str, owner: str) -> None:
        """Let another one lease it at once."""
        record = self._calls.get(call_id)
        if record is not None and record.owner == owner:
            record.leased_until = self._clock()

    async def orphans(self, *, at_most: int) -> Sequence[Kept]:
        """Live calls that were leased once, or were to be, and whose lease is over."""
        self._calls.drop_expired()
        now = self._clock()
        left = (record for record in self._live_records() if record.is_orphan(now))
        longest = heapq.nsmallest(at_most, left, key=lambda record: record.leased_until)
        return [record.kept(now) for record in longest]

    async def saw(
        self, call_id: str, seen: str, *, fence: int, event: str | None, ended: bool = False
    ) -> bool:
        """Write down what the watch has seen."""
        record = self._calls.get(call_id)
        if record is None or record.owner is None or record.fence != fence:
            return False
        if record.seen != seen:
            if not record.live and not ended:
                return False
            record.seen = seen
            self._keep(record)
            if event is not None:
                self._tell("call.updated", record.entry.caller, call_id, event)
        return True

    async def events(
        self, after: str | None, *, at_most: int, wait_seconds: float
    ) -> Sequence[Told]:
        """What was told after that event; waits for the first of them."""
        after = self._last if after is None else after
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_seconds):
                while not self._told_after(after):
                    await self._news.wait()
        return self._told_after(after)[:at_most]

    async def first_event(self) -> str | None:
        """The oldest event that is kept."""
        self._forget_events()
        return self._feed[0][1].id if self._feed else None

    async def last_event(self) -> str:
        """Where the feed is now."""
        return self._last

    async def live(self) -> Mapping[tuple[str, str], int]:
        """How many calls have not ended, by caller and model."""
        self._calls.drop_expired()
        return Counter((each.entry.caller, each.entry.model) for each in self._live_records())

    def _wait_for_a_place(
        self, entry: CallEntry, at_most: int | None, of_one: int | None
    ) -> float | None:
        now = self._clock()
        mine = self._live.get(entry.caller, {}).values()
        taken = [each for each in mine if each.ends_at > now]
        of_person = [each for each in taken if each.entry.person == entry.person]
        for entries, most in ((taken, at_most), (of_person, of_one if entry.person else None)):
            if most is not None and len(entries) >= most:
                return max(1.0, min((each.ends_at for each in entries), default=now) - now)
        return None

    def _ends_at(self, entry: CallEntry) -> float:
        return self._clock() + entry.ends_by - entry.began_at

    def _add(self, entry: CallEntry, facts: str, *, always: bool) -> _Record:
        ends_at = self._ends_at(entry)
        record = _Record(self._begun, entry, facts, ends_at=ends_at, due_at=ends_at)
        self._keep(record, always=always)
        self._begun += 1
        self._of[entry.caller][entry.id] = self._live[entry.caller][entry.id] = record
        return record

    def _keep(self, record: _Record, *, always: bool = True) -> None:
        entry = record.entry
        texts = (entry.id, entry.caller, entry.model, record.facts, record.state, record.seen)
        live_until = math.ceil(record.ends_at) + LIVE_SECONDS
        self._calls.put(
            entry.id,
            record,
            live_until if record.forget_at is None else record.forget_at,
            holder=entry.caller,
            size=RECORD_BYTES + sum(len(text) for text in texts if text is not None),
            spare=not record.live,
            always=always,
        )

    def _let_go(self, call_id: str, record: _Record) -> None:
        """Take a call that is kept no more out of the indexes."""
        _drop(self._of, call_id, record.entry.caller)
        self._drop_live(record)

    def _drop_live(self, record: _Record) -> None:
        _drop(self._live, record.entry.id, record.entry.caller)

    def _live_records(self) -> Iterator[_Record]:
        # A look at each of them costs less than keeping them in order with every change would.
        for of_one in self._live.values():
            yield from of_one.values()

    def _tell(self, kind: EventKind, caller: str, call_id: str, body: str) -> None:
        now = self._clock()
        now_ms = int(now * 1000)
        # As Redis's streams do: ids grow though the clock be set back.
        if now_ms > self._last_ms:
            self._last_ms, self._same_ms = now_ms, 0
        else:
            self._same_ms += 1
        self._last = event_id(self._last_ms, self._same_ms)
        told = Told(id=self._last, kind=kind, caller=caller, call_id=call_id, body=body)
        self._feed.append((now, told))
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _told_after(self, after: str) -> Sequence[Told]:
        self._forget_events()
        if after > self._last:
            after = ""
        return [told for _, told in self._feed if told.id > after]

    def _forget_events(self) -> None:
        while self._feed and self._feed[0][0] <= self._clock() - FEED_SECONDS:
            self._feed.popleft()


def _drop(index: dict[str, dict[str, _Record]], call_id: str, caller: str) -> None:
    of_one = index.get(caller)
    if of_one is not None:
        of_one.pop(call_id, None)
        if not of_one:
            del index[caller]
