"""The book of calls that replicas share: in Redis, in one slot, so that each step sees it whole.

A Cluster keeps all of it on one node: a few KB and some ten writes a call.
"""

import contextlib
import math
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from signaller.errors import StoreUnavailable
from signaller.model import CallEntry, Kept, Told, Turn
from signaller.stores.call_scripts import (
    ANSWERED,
    BEGIN,
    BEGIN_ENDING,
    DUE,
    END,
    LEASE,
    LIST,
    ORPHANS,
    PARTS,
    PAUSE_ENDING,
    RELEASE,
    SAW,
    WITHDRAW,
)
from signaller.stores.call_terms import MAX_LEASE_SECONDS, MAX_PAUSE_SECONDS, event_id
from signaller.stores.clients import Word
from signaller.stores.records import count_from_field, kept_from_parts, text_from_bytes
from signaller.stores.redis import Steps
from signaller.stores.scripts import Script
from signaller.strict_json import write_json

BOOK = "signaller:{calls}"
FEED = f"{BOOK}:feed"

_EVENT_ID = re.compile(r"([0-9]{15})-([0-9]{9,18})")
_BEGINNING = (0, 0)


class RedisCallBook:
    """Calls that several replicas share (`ports.CallBook`), by Redis's own clock."""

    def __init__(self, steps: Steps) -> None:
        """`steps`: those of the store in the same Redis."""
        self._steps = steps

    async def begin(
        self, entry: CallEntry, facts: str, *, at_most: int | None, of_one: int | None = None
    ) -> float | None:
        """Write down the intent to call, and take one of the caller's places."""
        bounds = (-1 if bound is None else bound for bound in (at_most, of_one))
        wait_ms = await self._lasting("begin", BEGIN, *_words(entry), facts, *bounds)
        return None if wait_ms < 0 else max(1.0, wait_ms / 1000)

    async def answered(
        self, entry: CallEntry, facts: str, event: str, *, heir_seconds: float | None = None
    ) -> None:
        """Replace the facts of a call that the provider has answered."""
        heir_ms = -1 if heir_seconds is None else _milliseconds(heir_seconds)
        await self._lasting("answered", ANSWERED, *_words(entry), facts, event, heir_ms)

    async def withdraw(self, entry: CallEntry) -> None:
        """Forget an intent and free its place."""
        await self._repeated("withdraw", WITHDRAW, _ref(entry))

    async def find(self, call_id: str) -> Kept | None:
        """The call, or None."""
        command = ("HMGET", f"{BOOK}:call:{call_id}", *PARTS)
        parts = await self._steps.command("find", BOOK, *command, repeats=True)
        return None if parts[0] is None else kept_from_parts(parts)

    async def list(
        self, *, caller: str | None, live: bool | None, after: str | None, limit: int
    ) -> Sequence[Kept] | None:
        """Those that were begun last first."""
        which = {None: "both", True: "live", False: "ended"}[live]
        of_one = () if caller is None else (caller,)
        found = await self._repeated("list", LIST, which, after or "", limit, *of_one)
        return None if found is None else [kept_from_parts(parts) for parts in found]

    async def begin_ending(self, call_id: str, state: str, *, seconds: float) -> Turn:
        """Be the only one of all replicas who asks for a call's end."""
        arguments = (call_id, state, _milliseconds(seconds))
        attempt, wait_ms = await self._once("begin_ending", BEGIN_ENDING, *arguments)
        return Turn(attempt=attempt, wait_seconds=math.inf if wait_ms < 0 else wait_ms / 1000)

    async def pause_ending(self, call_id: str, *, seconds: float) -> None:
        """End one's turn."""
        pause_ms = _milliseconds(min(seconds, MAX_PAUSE_SECONDS))
        await self._repeated("pause_ending", PAUSE_ENDING, call_id, pause_ms)

    async def end(self, entry: CallEntry, state: str, *, kept_seconds: int, event: str) -> bool:
        """Write down that a call has ended."""
        return bool(await self._lasting("end", END, entry.id, state, kept_seconds, event))

    async def due(self, *, seconds: float, at_most: int) -> Sequence[Kept]:
        """Live calls whose moment has come."""
        # Not repeated: those that were claimed without a reply would wait for that long.
        return _readable(*await self._once("due", DUE, _milliseconds(seconds), at_most))

    async def lease(self, call_id: str, owner: str, *, seconds: float) -> int | None:
        """Be the one who watches a call."""
        lease_ms = _milliseconds(min(seconds, MAX_LEASE_SECONDS))
        fence: int = await self._repeated("lease", LEASE, call_id, owner, lease_ms)
        return fence or None

    async def release(self, call_id: str, owner: str) -> None:
        """Let another one lease it at once."""
        await self._repeated("release", RELEASE, call_id, owner)

    async def orphans(self, *, at_most: int) -> Sequence[Kept]:
        """Live calls that were leased once and whose lease is over."""
        return _readable(*await self._repeated("orphans", ORPHANS, at_most))

    async def saw(
        self, call_id: str, seen: str, *, fence: int, event: str | None, ended: bool = False
    ) -> bool:
        """Write down what the watch has seen."""
        told = () if event is None else (event,)
        return bool(await self._repeated("saw", SAW, call_id, seen, fence, int(ended), *told))

    async def events(
        self, after: str | None, *, at_most: int, wait_seconds: float
    ) -> Sequence[Told]:
        """What was told after that event; waits for the first of them."""
        start = await self._last() if after is None else _event(after)
        over_at = time.monotonic() + wait_seconds
        told: Sequence[Told] = ()
        left_ms = 1
        # Each read waits for no longer than one step may: a Redis that is silent is found out in
        # the time of a step, however long the feed is.
        while not told and left_ms > 0:
            left_ms = int((over_at - time.monotonic()) * 1000)
            start, told = await self._read(start, at_most, left_ms)
        if not told and await self._last() < start:
            # Another Redis has taken over, and its feed or its clock is behind.
            _, told = await self._read(_BEGINNING, at_most, 0)
        return told

    async def first_event(self) -> str | None:
        """The oldest event that is kept."""
        command = ("XRANGE", FEED, "-", "+", "COUNT", 1)
        found = await self._steps.command("first_event", BOOK, *command, repeats=True)
        return event_id(*_stream_id(found[0][0])) if found else None

    async def last_event(self) -> str:
        """Where the feed is now."""
        return event_id(*await self._last())

    async def live(self) -> Mapping[tuple[str, str], int]:
        """How many calls have not ended, by caller and model."""
        found = await self._steps.command("live", BOOK, "HGETALL", f"{BOOK}:count", repeats=True)
        return dict(count_from_field(pair, count) for pair, count in found.items())

    async def _last(self) -> tuple[int, int]:
        command = ("XREVRANGE", FEED, "+", "-", "COUNT", 1)
        found = await self._steps.command("last_event", BOOK, *command, repeats=True)
        return _stream_id(found[0][0]) if found else _BEGINNING

    async def _read(
        self, start: tuple[int, int], at_most: int, wait_ms: int
    ) -> tuple[tuple[int, int], Sequence[Told]]:
        """Where the next read begins, and what was told before it."""
        wait_ms = min(wait_ms, self._steps.patience_ms)
        after = f"{start[0]}-{start[1]}"
        blocking: tuple[Word, ...] = ("BLOCK", wait_ms) if wait_ms > 0 else ()  # 0 is for ever
        command = ("XREAD", "COUNT", at_most, *blocking, "STREAMS", FEED, after)
        found = await self._steps.command("events", BOOK, *command, repeats=True, waits=True)
        if not found:
            return start, ()
        ((entries,),) = found.values()
        told: list[Told] = []
        for each, fields in entries:
            with contextlib.suppress(StoreUnavailable):  # it must not hold up those behind it
                told.append(_told(each, fields))
        return _stream_id(entries[-1][0]), told

    async def _once(self, name: str, script: Script, *arguments: Word) -> Any:
        return await self._steps.script(name, script, BOOK, *arguments)

    async def _repeated(self, name: str, script: Script, *arguments: Word) -> Any:
        """Of a step that does no more if it runs twice."""
        return await self._steps.script(name, script, BOOK, *arguments, repeats=True)

    async def _lasting(self, name: str, script: Script, *arguments: Word) -> Any:
        """Of one that besides must outlast a failover, where replicas are waited for."""
        return await self._steps.script(name, script, BOOK, *arguments, lasting=True, repeats=True)


def _ref(entry: CallEntry) -> str:
    return write_json([entry.id, entry.caller, entry.model, entry.person]).decode()


def _words(entry: CallEntry) -> tuple[Word, ...]:
    return _ref(entry), entry.began_at, entry.ends_by


def _readable(now_ms: int, found: Sequence[Any]) -> Sequence[Kept]:
    """Those that are calls: one that is none must not hold up the others for ever."""
    kept: list[Kept] = []
    unreadable: StoreUnavailable | None = None
    for parts in found:
        try:
            kept.append(kept_from_parts(parts, now_ms))
        except StoreUnavailable as error:
            unreadable = error
    if unreadable is not None and not kept:
        raise unreadable
    return kept


def _told(stream_id: bytes, fields: Mapping[bytes, bytes]) -> Told:
    kind, caller, call_id, body = (
        text_from_bytes(fields.get(name)) for name in (b"kind", b"caller", b"call", b"body")
    )
    number = event_id(*_stream_id(stream_id))
    return Told(id=number, kind=kind, caller=caller, call_id=call_id, body=body)


def _stream_id(stream_id: bytes) -> tuple[int, int]:
    milliseconds, _, number = stream_id.partition(b"-")
    return int(milliseconds), int(number)


def _event(told_id: str) -> tuple[int, int]:
    """Where a stream goes on after an event; at its beginning where there is no such id."""
    form = _EVENT_ID.fullmatch(told_id)
    return (int(form[1]), int(form[2])) if form else _BEGINNING


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1000)
