"""A call's record: sealed before the store sees it, and shown as the API tells it.

A record says whose a call is and how it can be ended, and holds its caller's metadata. It is
encrypted and bound to its place by a key that only the service has: whoever can write to the store
can neither read a part, nor change it, nor give it to another call.
"""

import logging
import math
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Self

from signaller.errors import ConcurrentCallsExceeded, StoreUnavailable
from signaller.masking import Masking
from signaller.model import (
    MAX_CALL_SECONDS,
    Answer,
    CallEntry,
    CallFacts,
    CallState,
    CallStatus,
    Deployment,
    Ending,
    EventKind,
    Kept,
    Told,
    Turn,
    Watching,
)
from signaller.policy import Places
from signaller.ports import CallBook, Clock
from signaller.secret import Secret
from signaller.strict_json import parse_object, reader, write_json
from signaller.tokens.jwe import ContentKey, decrypt, derive, encrypt
from signaller.tokens.tokens import master_bytes

log = logging.getLogger("signaller")

MAX_PART_CHARS = 256 * 1024
"""Metadata of 16 pairs at their longest, every character a JSON escape of six, has 74 Ki in here;
what the watch has seen is bounded well below the rest."""

LONGEST_WAIT_SECONDS = 60.0
"""For a place among the calls at once. What is known is when the next call must have ended, an hour
ahead where nothing limits it; most end much sooner, and whoever asks every minute costs nothing."""

HEIR_SECONDS = 10.0
"""In which whoever has the answer of a call begins to watch it, as long as a lease; then any
process may."""

UNREADABLE_SECONDS = 60.0
"""Before the clock looks again at a record that was not made here."""

_PURPOSE = "sealed call records"
_NOT_ENDED = CallState(ending=None, ended_at=None, ended_by=None)
_UNWATCHED: Mapping[str, object] = {
    "supervision": "clock",
    # Null is not zero: nobody counted.
    "usage": {
        "label": "unknown",
        "responses": None,
        "input_tokens": None,
        "output_tokens": None,
        "input_token_details": None,
        "output_token_details": None,
        "transcription": None,
    },
    "cost": {"usd": None, "label": "unknown"},
    "gaps": [],
}
_ONLY_IF_ANY = ("warnings", "drift")

FINAL, HEARD_UNTIL, TOKENS = "final", "heard_until", "tokens"
"""In what the watch wrote, and shown to nobody: whether the call was over by then; until when
(Unix seconds) somebody listened; and the tokens by the kind that each is billed as."""

_read_facts = reader(CallFacts)
_read_state = reader(CallState)


@dataclass(frozen=True, slots=True, kw_only=True)
class Billed:
    """What a call costs its operator, as far as somebody has listened."""

    tokens: Mapping[str, int] = field(default_factory=dict)
    """By kind; kinds of which there are none are left out."""
    usd: Decimal = Decimal(0)

    def beyond(self, told: Self) -> Self:
        """What of it was not told yet."""
        tokens = {kind: count - told.tokens.get(kind, 0) for kind, count in self.tokens.items()}
        more = {kind: count for kind, count in tokens.items() if count > 0}
        return replace(self, tokens=more, usd=max(Decimal(0), self.usd - told.usd))

    def as_json(self) -> dict[str, object]:
        """As a line of the log has it."""
        return {"tokens": dict(self.tokens), "usd": format(self.usd, "f")}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """The three parts of a call, each written by one kind of writer."""

    facts: CallFacts
    state: CallState = _NOT_ENDED
    seen: Mapping[str, object] = field(default_factory=dict)
    """What the watch wrote, as JSON; empty: nobody watches, or has yet."""
    left_seconds: float | None = None
    """As in `Kept`, when it was read."""

    def seconds_left(self, now: float) -> float:
        """Until its `ends_by`, by the store's clock.

        By that of the caller, which says that it is `now`, where the store cannot tell: the call
        was written down by the version before.
        """
        return self.facts.ends_by - now if self.left_seconds is None else self.left_seconds

    @property
    def status(self) -> CallStatus:
        """Ended once somebody who would know has said so; unknown if no answer was seen."""
        if self.state.ended_at is not None:
            return "ended"
        return "live" if self.facts.answered else "unknown"

    @property
    def is_final(self) -> bool:
        """Whether the watch has written all of it: the call was over by then."""
        return self.seen.get(FINAL) is True

    @property
    def awaits_more(self) -> bool:
        """Whether somebody listens, or is about to, who will write more once the call is over."""
        return not self.is_final and self.seen.get("supervision", "watched") == "watched"

    @property
    def billed(self) -> Billed:
        """What the watch has counted."""
        tokens, cost = self.seen.get(TOKENS), self.seen.get("cost")
        if not isinstance(tokens, Mapping) or not isinstance(cost, Mapping):
            return Billed()
        used = {kind: count for kind, count in tokens.items() if count}
        return Billed(tokens=used, usd=Decimal(cost["usd"] or 0))

    def as_json(self) -> dict[str, object]:
        """The `realtime.call` object of the API; times are Unix seconds."""
        facts, state = self.facts, self.state
        shown: dict[str, object] = {
            "id": facts.id,
            "object": "realtime.call",
            "status": self.status,
            "caller": facts.caller,
            "model": facts.model,
            "deployment": facts.deployment_id,
            "metadata": dict(facts.metadata),
            "started_at": facts.started_at,
            "ended_at": state.ended_at,
            "ends_by": facts.ends_by,
            "ended_by": state.ended_by,
        }
        if state.ending is not None and state.ended_at is None:
            shown["ending"] = {"by": state.ending.by, "since": state.ending.since}
        return shown | self._heard()

    def _heard(self) -> dict[str, object]:
        """What the watch has to say, or that there is none."""
        heard = {name: self.seen.get(name, unseen) for name, unseen in _UNWATCHED.items()}
        heard |= {name: self.seen[name] for name in _ONLY_IF_ANY if self.seen.get(name)}
        ended_at = self.state.ended_at
        if ended_at is None or not self.seen or self.is_final:
            return heard
        # It was written before the end, and whoever wrote it may be gone.
        partial = {name: _partial(heard[name]) for name in ("usage", "cost")}
        return {**heard, **partial, "gaps": self._gaps_until(ended_at)}

    def _gaps_until(self, ended_at: int) -> object:
        gaps, since = self.seen.get("gaps", []), self.seen.get(HEARD_UNTIL)
        if self.seen.get("supervision") == "clock":
            return gaps  # nobody ever listened: all of it is unknown
        if not isinstance(gaps, Sequence) or not isinstance(since, int | float):
            return gaps
        last = {"from": math.floor(since), "to": max(ended_at, math.ceil(since))}
        return [*gaps, last]


def _partial(counted: object) -> object:
    """It is no more than that; what nobody knows at all stays unknown."""
    if isinstance(counted, Mapping) and counted.get("label") == "complete":
        return {**counted, "label": "partial"}
    return counted


def shown_object(call: Mapping[str, object], masking: Masking) -> dict[str, object]:
    """A `realtime.call` object as it may leave: names and metadata are others' texts."""
    masked: dict[str, object] = {
        name: masking.masked(value)
        for name, value in call.items()
        if name in {"caller", "model"} and isinstance(value, str)
    }
    pairs = call.get("metadata")
    if isinstance(pairs, Mapping) and pairs:
        masked["metadata"] = shown_metadata(pairs, masking)
    return {**call, **masked}


def shown_metadata(pairs: Mapping[str, object], masking: Masking) -> dict[str, str]:
    """A caller's own pairs as they may leave."""
    return {name: masking.masked(str(value)) for name, value in pairs.items()}


class CallRecords:
    """Seals and opens the parts of calls. Every method raises StoreUnavailable, and only that.

    What is too long to be kept is sealed for nobody; what was changed or moved opens for nobody.
    """

    def __init__(self, ring: Sequence[Secret]) -> None:
        """The first key of the ring seals; all of them open."""
        self._keys = [ContentKey(derive(master_bytes(master), _PURPOSE)) for master in ring]

    def seal_facts(self, facts: CallFacts) -> str:
        """For the store: what is settled."""
        return self._seal(facts, _place("facts", facts.id))

    def seal_state(self, call_id: str, state: CallState) -> str:
        """For the store: what has become of a call."""
        return self._seal(state, _place("state", call_id))

    def seal_seen(self, call_id: str, seen: Mapping[str, object]) -> str:
        """For the store: what the watch has seen, as JSON."""
        return self._seal(seen, _place("seen", call_id))

    def seal_event(self, kind: EventKind, record: CallRecord) -> str:
        """For the feed: the call as it is at this moment."""
        facts = record.facts
        return self._seal(record.as_json(), _event_place(kind, facts.id, facts.caller))

    def open(self, kept: Kept) -> CallRecord:
        """The record of a call."""
        entry = kept.entry
        try:
            facts = _read_facts(self._open(kept.facts, _place("facts", entry.id)))
            # The store finds and counts by its entry, which nobody has sealed.
            if (facts.id, facts.caller, facts.model) != (entry.id, entry.caller, entry.model):
                raise ValueError("its facts are not those of its entry")
            state = _NOT_ENDED
            if kept.state is not None:
                state = _read_state(self._open(kept.state, _place("state", entry.id)))
            seen: Mapping[str, object] = {}
            if kept.seen is not None:
                seen = parse_object(self._open(kept.seen, _place("seen", entry.id)))
        except (ValueError, RecursionError) as error:  # JweRejected is a ValueError
            raise StoreUnavailable(
                f"the store holds a call {entry.id} that was not made here: {error}"
            ) from error
        return CallRecord(facts=facts, state=state, seen=seen, left_seconds=kept.left_seconds)

    def open_event(self, told: Told) -> Mapping[str, object]:
        """The `realtime.call` object that an event tells."""
        try:
            place = _event_place(told.kind, told.call_id, told.caller)
            return parse_object(self._open(told.body, place))
        except ValueError as error:
            raise StoreUnavailable(
                f"the store holds an event {told.id} that was not made here: {error}"
            ) from error

    def read(self, kept: Kept) -> CallRecord | None:
        """The record of a call; None, and a line in the log, where it was not made here."""
        try:
            return self.open(kept)
        except StoreUnavailable as error:
            fields = {"call": kept.entry.id, "detail": str(error)}
            log.error("a call's record was not made here", extra={"fields": fields})
            return None

    def read_event(self, told: Told) -> Mapping[str, object] | None:
        """The object that an event tells; None, and a line in the log, if it was not made here."""
        try:
            return self.open_event(told)
        except StoreUnavailable as error:
            fields = {"call": told.call_id, "detail": str(error)}
            log.error("an event was not made here", extra={"fields": fields})
            return None

    def _seal(self, value: object, place: bytes) -> str:
        try:
            return encrypt(
                write_json(value), self._keys[0], bound_to=place, max_chars=MAX_PART_CHARS
            )
        except ValueError as error:
            raise StoreUnavailable(f"part of a call's record cannot be kept: {error}") from error

    def _open(self, sealed: str, place: bytes) -> bytes:
        return decrypt(sealed, self._keys, bound_to=place, max_chars=MAX_PART_CHARS)


class SealedBook:
    """The book of calls as the service uses it: sealed and opened on the way.

    Every method raises StoreUnavailable.
    """

    def __init__(
        self,
        book: CallBook,
        records: CallRecords,
        clock: Clock,
        *,
        kept_seconds: int,
        patience_seconds: float,
    ) -> None:
        """`kept_seconds`: for how long a call is kept that has ended.

        `patience_seconds`: how long a provider may take to answer, at the most.
        """
        self._book = book
        self._records = records
        self._clock = clock
        self._kept_seconds = kept_seconds
        self._patience_seconds = math.ceil(patience_seconds)

    async def begin(self, intent: CallFacts, places: Places) -> None:
        """Write down the intent to call, before the provider is asked.

        Raises ConcurrentCallsExceeded too.
        """
        sealed, entry = self._records.seal_facts(intent), entry_of(intent)
        # Its time begins with the answer: until there must be one, nobody takes it for over.
        latest = replace(entry, ends_by=entry.ends_by + self._patience_seconds)
        wait_seconds = await self._book.begin(
            latest, sealed, at_most=places.of_all, of_one=places.of_one
        )
        if wait_seconds is not None:
            raise ConcurrentCallsExceeded(retry_after=min(wait_seconds, LONGEST_WAIT_SECONDS))

    async def answered(self, intent: CallFacts, answer: Answer) -> CallFacts:
        """Write down that the provider has answered: the call lasts from now on."""
        now = int(self._clock())
        facts = replace(
            intent,
            answered=True,
            provider_call_id=answer.provider_call_id,
            started_at=now,
            ends_by=now + intent.ends_by - intent.started_at,
        )
        told = self._records.seal_event("call.started", CallRecord(facts=facts))
        # Whoever is to watch it may die before its first lease.
        heir_seconds = None if facts.watching.mode == "off" else HEIR_SECONDS
        sealed = self._records.seal_facts(facts)
        await self._book.answered(entry_of(facts), sealed, told, heir_seconds=heir_seconds)
        return facts

    async def restore(self, facts: CallFacts, *, seconds_left: float) -> None:
        """Write a call down again that the store has lost: a Redis may begin anew with nothing."""
        left = replace(entry_of(facts), ends_by=facts.started_at + max(0, math.ceil(seconds_left)))
        told = self._records.seal_event("call.started", CallRecord(facts=facts))
        await self._book.answered(left, self._records.seal_facts(facts), told)

    async def withdraw(self, intent: CallFacts) -> None:
        """Forget an intent: no call began. One that stays is over by itself at its `ends_by`."""
        try:
            await self._book.withdraw(entry_of(intent))
        except StoreUnavailable as error:
            fields = {"call": intent.id, "detail": str(error)}
            log.warning("intent not withdrawn", extra={"fields": fields})

    async def find(self, call_id: str) -> CallRecord | None:
        """The call; None when it is unknown, forgotten, or was not made here."""
        kept = await self._book.find(call_id)
        record = None if kept is None else self._records.read(kept)
        # The id asked for rules: a good record may have been copied to another's place.
        return record if record is not None and record.facts.id == call_id else None

    async def begin_ending(self, facts: CallFacts, ending: Ending, *, seconds: float) -> Turn:
        """Be the only one who asks the provider for the end (`CallBook.begin_ending`)."""
        state = CallState(ending=ending, ended_at=None, ended_by=None)
        sealed = self._records.seal_state(facts.id, state)
        return await self._book.begin_ending(facts.id, sealed, seconds=seconds)

    async def pause_ending(self, call_id: str, *, seconds: float) -> None:
        """Let the clock look at it again so much later."""
        await self._book.pause_ending(call_id, seconds=seconds)

    async def end(self, ended: CallRecord) -> bool:
        """Write down how a call has ended; False: it had ended before."""
        return await self.ending(ended)()

    def ending(self, ended: CallRecord) -> Callable[[], Awaitable[bool]]:
        """What does that, also if it is done again since nobody knows whether it was done."""
        facts = ended.facts
        return partial(
            self._book.end,
            entry_of(facts),
            # The store knows by these bytes that it is the same end.
            self._records.seal_state(facts.id, ended.state),
            kept_seconds=self._kept_seconds,
            event=self._records.seal_event("call.ended", ended),
        )

    async def due(self, *, seconds: float, at_most: int) -> Sequence[CallRecord]:
        """Live calls whose moment has come, nobody else's for so long.

        Those that were not made here are left out, and come again as seldom as may be.
        """
        found = []
        for kept in await self._book.due(seconds=seconds, at_most=at_most):
            record = self._records.read(kept)
            if record is None:
                await self._book.pause_ending(kept.entry.id, seconds=UNREADABLE_SECONDS)
            else:
                found.append(record)
        return found

    async def lease(self, call_id: str, owner: str, *, seconds: float) -> int | None:
        """Be the one who watches a call (`CallBook.lease`)."""
        return await self._book.lease(call_id, owner, seconds=seconds)

    async def release(self, call_id: str, owner: str) -> None:
        """Let another one watch it (`CallBook.release`)."""
        await self._book.release(call_id, owner)

    async def orphans(self, *, at_most: int) -> Sequence[CallRecord]:
        """Live calls that somebody watched and nobody does; not those that were not made here."""
        found = await self._book.orphans(at_most=at_most)
        return [record for kept in found if (record := self._records.read(kept)) is not None]

    async def saw(self, record: CallRecord, *, fence: int, tell: bool) -> bool:
        """Write down what the watch has seen; `tell`: in the feed as well (`CallBook.saw`).

        Refused where the call has ended, and the record does not say so.
        """
        records, call_id = self._records, record.facts.id
        event = records.seal_event("call.updated", record) if tell else None
        sealed = records.seal_seen(call_id, record.seen)
        ended = record.status == "ended"
        return await self._book.saw(call_id, sealed, fence=fence, event=event, ended=ended)

    async def live(self) -> Mapping[tuple[str, str], int]:
        """How many calls have not ended, by caller and model."""
        return await self._book.live()


def new_intent(
    deployment: Deployment,
    *,
    credential_fingerprint: str,
    caller: str,
    model: str,
    max_call_seconds: int | None,
    watching: Watching,
    now: float,
    grant_id: str | None = None,
    metadata: Mapping[str, str] | None = None,
    person: str = "",
) -> CallFacts:
    """A call as it is written down before its provider is asked, under a new id.

    `max_call_seconds` None: the provider's own hour is its limit. `now`: Unix seconds.
    """
    longest = MAX_CALL_SECONDS if max_call_seconds is None else max_call_seconds
    started_at = int(now)
    return CallFacts(
        id=f"rtc_{secrets.token_urlsafe(18)}",
        caller=caller,
        model=model,
        deployment_id=deployment.id,
        upstream_model=deployment.upstream_model,
        credential_fingerprint=credential_fingerprint,
        grant_id=grant_id,
        metadata=metadata or {},
        started_at=started_at,
        ends_by=started_at + min(longest, MAX_CALL_SECONDS),
        limited=longest < MAX_CALL_SECONDS,
        answered=False,
        provider_call_id=None,
        watching=watching,
        person=person,
    )


def entry_of(facts: CallFacts) -> CallEntry:
    """What the store has to know of it."""
    return CallEntry(
        id=facts.id,
        caller=facts.caller,
        model=facts.model,
        began_at=facts.started_at,
        ends_by=facts.ends_by,
        person=facts.person,
    )


def _place(part: str, call_id: str) -> bytes:
    return f"{part}:{call_id}".encode()


def _event_place(kind: str, call_id: str, caller: str) -> bytes:
    # Readers are chosen by the caller's name, so that is bound too. Only names may hold colons.
    return f"{kind}:{call_id}:{caller}".encode()
