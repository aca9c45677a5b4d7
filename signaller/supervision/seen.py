"""What the watch of a call has seen: the part of its record that an owner writes for its heirs."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from signaller.realtime.call_records import FINAL, HEARD_UNTIL, TOKENS
from signaller.strict_json import reader, write_json
from signaller.supervision.prices import UNKNOWN_COST, Cost
from signaller.supervision.usage import UNKNOWN_USAGE, Usage

Supervision = Literal["watched", "clock", "lost"]
"""A sideband is open; there never was one; there was one."""
Reason = Literal["length", "idle"]
"""Of an end that a warning announces."""

RECORD = "record"
"""Where an heir finds what it needs, beside what is shown."""
LEAVING, HEIR, FENCE = "leaving", "heir", "fence"
"""Beside it, while a call is handed over (`handover`): who leaves; who listens already; the number
of the heir's lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Seconds in which nobody heard what the provider told: Unix seconds, rounded outwards."""

    began_at: int
    ended_at: int

    def as_json(self) -> dict[str, object]:
        """As the API shows it."""
        return {"from": self.began_at, "to": self.ended_at}


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """An end that was announced."""

    at: int
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """Fields of the session that a client has changed, by their paths."""

    at: int
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What an heir needs to go on as if it had watched from the start; it is shown to nobody."""

    heir: str | None
    """Who was attached before the writer let go, and has missed nothing; None: nobody."""
    ever_attached: bool
    unheard_since: float | None
    """Since when nobody listens; None: the writer did."""
    counted: tuple[int, ...]
    unfinished: tuple[int, ...]
    transcribers: tuple[str, ...]
    quiet_since: float
    paused_at: float | None
    calls: tuple[str, ...]
    warned_of_length: bool
    warned_of_idle: bool
    first_session: Mapping[str, str]
    last_session: Mapping[str, str]
    ends_by: float | None = None
    """When the call's time is over, by the writer's clock: from it an heir can tell how far its own
    is from that one. None: it was written by the version before."""
    told_over: bool = False
    """Whether the provider has said why it ends the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the watch of a call knew at a moment."""

    at: float
    """Unix seconds: all that was told until then is in it."""
    supervision: Supervision
    usage: Usage
    cost: Cost
    gaps: tuple[Gap, ...]
    warnings: tuple[Warned, ...]
    drift: tuple[Drifted, ...]
    memory: Memory
    final: bool = False
    """The call was over by then: nothing can come any more."""

    @property
    def heard_until(self) -> float:
        """Unix seconds: what was told later, nobody who wrote this has heard."""
        since = self.memory.unheard_since
        return self.at if since is None else since

    def by_the_clock_of(self, ends_by: float) -> "Seen":
        """The same for an heir by whose clock the call's time is over at `ends_by`.

        All times that are reckoned with become its own; those that are shown stay as they were
        told. Assumed is that both know the end as the store does, less the way to the store: what
        they differ by otherwise is the difference of their clocks.
        """
        memory = self.memory
        if memory.ends_by is None:
            return self
        ahead = ends_by - memory.ends_by
        moved = replace(
            memory,
            unheard_since=_moved(memory.unheard_since, ahead),
            quiet_since=memory.quiet_since + ahead,
            paused_at=_moved(memory.paused_at, ahead),
            ends_by=ends_by,
        )
        return replace(self, at=self.at + ahead, memory=moved)

    def as_json(self) -> dict[str, object]:
        """As the API of calls shows it."""
        return {
            "supervision": self.supervision,
            "usage": self.usage.as_json(),
            "cost": self.cost.as_json(),
            "gaps": [gap.as_json() for gap in self.gaps],
            "warnings": [{"at": each.at, "reason": each.reason} for each in self.warnings],
            "drift": [{"at": each.at, "fields": list(each.fields)} for each in self.drift],
        }

    def to_record(self) -> str:
        """As it is written, for `from_record`."""
        return write_json(self).decode()


def _moved(moment: float | None, seconds: float) -> float | None:
    return None if moment is None else moment + seconds


_read = reader(Seen)


def from_record(text: str | bytes) -> Seen:
    """What `to_record` wrote. Raises ValueError for anything else."""
    try:
        return _read(text)
    except RecursionError as error:
        raise ValueError("the record nests too deeply") from error


def written(seen: Seen) -> dict[str, object]:
    """All that a call's record holds of it: what is shown, how far it can be trusted, RECORD."""
    transcribed = {"transcription": seen.usage.transcription.tokens}
    return {
        **seen.as_json(),
        FINAL: seen.final,
        HEARD_UNTIL: seen.heard_until,
        TOKENS: {**seen.usage.by_kind(), **transcribed},
        RECORD: seen.to_record(),
    }


def last_seen(held: Mapping[str, object]) -> Seen | None:
    """What was `written` last; None where there is nothing that can be read."""
    record = held.get(RECORD)
    try:
        return from_record(record) if isinstance(record, str) else None
    except ValueError:
        return None


def nothing_seen(
    now: float,
    *,
    unheard_since: float | None = None,
    transcribers: tuple[str, ...] = (),
    session: Mapping[str, str] | None = None,
) -> Seen:
    """Of a call that nobody has watched so far; all that the record of one without a watch says."""
    return Seen(
        at=now,
        supervision="clock",
        usage=UNKNOWN_USAGE,
        cost=UNKNOWN_COST,
        gaps=(),
        warnings=(),
        drift=(),
        memory=Memory(
            heir=None,
            ever_attached=False,
            unheard_since=unheard_since,
            counted=(),
            unfinished=(),
            transcribers=transcribers,
            quiet_since=now,
            paused_at=None,
            calls=(),
            warned_of_length=False,
            warned_of_idle=False,
            first_session=session or {},
            last_session={},
        ),
    )
