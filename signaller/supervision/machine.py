"""The decisions about one watched call: what happens goes in, what there is to do comes out.

Without I/O and without a clock: every method is told the time (Unix seconds, by a clock that does
not step) and returns what is to be done. A call goes through it like this:

    begin -> attached -> frame, tick ... -> (lost -> attached ...) -> ended
                                        or -> handed_over -> resume, at another replica

Whoever holds the sockets calls `attached` and `lost` as they open and close, `frame` with each text
that arrives, and `tick` when `due_at` has come, or more often.
"""

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

from signaller.realtime.session_prints import ALWAYS, transcription_model
from signaller.supervision import frames
from signaller.supervision.drift import UNREADABLE, Drift
from signaller.supervision.frames import Odd
from signaller.supervision.idle import Idle
from signaller.supervision.prices import Cost, PriceList, Prices, cost_of
from signaller.supervision.seen import (
    Drifted,
    Gap,
    Memory,
    Reason,
    Seen,
    Supervision,
    Warned,
    nothing_seen,
)
from signaller.supervision.usage import Ledger, Usage

SessionDrift = Literal["ignore", "note", "hangup"]
End = Literal["length", "idle", "drift"]

ATTACH_SECONDS = 2.0
"""After the answer: until then a browser connects, and nothing has been said."""
CLOSING_SECONDS = 10.0
"""Between a clean close of the socket and the news that the call is over: a provider's 404 takes
5.5 seconds, and the way there. Within them the close was the end, and nothing was missed."""
MAX_GAPS, MAX_WARNINGS, MAX_DRIFTS = 50, 50, 20
"""In a record, which each change writes anew: the last gap grows, other news is left out."""
MAX_TRANSCRIBERS = 2
"""Models that wrote down what was said. With more than one nobody knows which has written what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is asked of the watch of a call."""

    ends_by: float
    """Unix seconds, by the clock of whoever watches."""
    limited: bool
    """Whether a policy says so; otherwise the provider's own hour is over then."""
    max_idle_seconds: int | None = None
    warn_seconds: int | None = None
    """Before either end; None: no warning."""
    warn_with: str | None = None
    """What the model is told then; None: nothing."""
    session_drift: SessionDrift = "ignore"
    fields: tuple[str, ...] = ()
    """Paths of what the policy sets in the session: a change of them is drift, as one of `ALWAYS`
    (`session_prints`) is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HangUp:
    """End the call: said once."""

    by: End


@dataclass(frozen=True, slots=True, kw_only=True)
class Warn:
    """An end is near."""

    at: int
    reason: Reason
    text: str | None
    """The frame to be sent to the provider, which tells the model; None: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """The client has changed fields of its session."""

    at: int
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditLow:
    """The deployment's project has no money left: `insufficient_quota`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """`seen` is not what it was: the record is to be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """For a while nobody heard what the provider told: a gap, to be counted."""


Effect = HangUp | Warn | Note | CreditLow | Changed | Odd | Missed
"""`Odd`: a frame that could not be read, to be counted."""
Effects = tuple[Effect, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    at: float
    reason: Reason
    is_end: bool
    """Or else its warning."""


class Machine:
    """What is decided about one call that is watched."""

    __slots__ = (
        "_drift",
        "_drifts",
        "_ended",
        "_ending",
        "_ever_attached",
        "_gaps",
        "_idle",
        "_ledger",
        "_listening",
        "_lost_cleanly",
        "_price_list",
        "_prices",
        "_rules",
        "_told_over",
        "_transcribers",
        "_unheard_since",
        "_warned_of_idle",
        "_warned_of_length",
        "_warnings",
    )

    def __init__(
        self, rules: Rules, seen: Seen, *, prices: Prices | None, price_list: PriceList
    ) -> None:
        """As a record has it; to be had by `begin` and `resume`."""
        memory, limit = seen.memory, rules.max_idle_seconds
        self._rules = rules
        self._prices = prices
        self._price_list = price_list
        self._ledger = Ledger(seen.usage, counted=memory.counted, unfinished=memory.unfinished)
        self._idle = None
        if limit is not None:
            self._idle = Idle(
                limit, since=memory.quiet_since, paused_at=memory.paused_at, calls=memory.calls
            )
        self._drift = Drift(
            dict.fromkeys((*ALWAYS, *rules.fields)),
            first=memory.first_session,
            last=memory.last_session,
        )
        self._transcribers = memory.transcribers
        self._ever_attached = memory.ever_attached
        self._unheard_since = memory.unheard_since
        self._warned_of_length = memory.warned_of_length
        self._warned_of_idle = memory.warned_of_idle
        self._gaps, self._warnings, self._drifts = seen.gaps, seen.warnings, seen.drift
        self._listening = self._lost_cleanly = self._ending = self._ended = False
        self._told_over = memory.told_over

    @classmethod
    def begin(
        cls,
        rules: Rules,
        *,
        now: float,
        released: bool = True,
        prints: Mapping[str, str] | None = None,
        transcriber: str | None = None,
        prices: Prices | None,
        price_list: PriceList,
    ) -> Self:
        """A call that the provider has just answered.

        `released`: whether the client has its answer, so that events may be missed from `now` on.
        `prints` and `transcriber` tell of the session as it was minted, as far as that is known:
        its fields' fingerprints, by path, and the model that transcribes. `prices`: of the call's
        model.
        """
        seen = nothing_seen(
            now,
            unheard_since=now if released else None,
            transcribers=() if transcriber is None else (transcriber,),
            session=prints,
        )
        return cls(rules, seen, prices=prices, price_list=price_list)

    @classmethod
    def resume(
        cls,
        rules: Rules,
        seen: Seen,
        *,
        heir: str,
        prices: Prices | None,
        price_list: PriceList,
    ) -> Self:
        """A call that another one has watched until now; `attached` is to follow.

        If that one named this heir (`handed_over`), nothing was missed: the heir gives `frame` what
        has come since it is attached, and all of it counts once. Otherwise there is a gap from when
        the other one wrote last.
        """
        seen = seen.by_the_clock_of(rules.ends_by)
        memory = seen.memory
        if memory.unheard_since is None and memory.heir != heir:
            seen = replace(seen, memory=replace(memory, unheard_since=seen.at))
        return cls(rules, seen, prices=prices, price_list=price_list)

    @property
    def supervision(self) -> Supervision:
        """Whether a sideband is open; of a call that is over, whether it was until its end."""
        if self._listening:
            return "watched"
        return "lost" if self._ever_attached else "clock"

    @property
    def ends_by(self) -> float:
        """When its time is over, by the clock of whoever watches."""
        return self._rules.ends_by

    @property
    def ever_attached(self) -> bool:
        """Whether there was one, here or before."""
        return self._ever_attached

    @property
    def told_over(self) -> bool:
        """Whether the provider has said why it ends the call."""
        return self._told_over

    @property
    def usage(self) -> Usage:
        """What the call has used."""
        return self._ledger.usage(over=self._ended)

    @property
    def cost(self) -> Cost:
        """What that has cost."""
        names = self._transcribers
        transcriber = self._price_list.of(names[0]) if len(names) == 1 else None
        return cost_of(self.usage, self._prices, transcriber)

    @property
    def due_at(self) -> float | None:
        """When `tick` will have something to say if nothing else happens; None: never."""
        return min((each.at for each in self._moments()), default=None)

    def attached(self, now: float) -> Effects:
        """A sideband is open: from now on everything is heard."""
        if self._ended or self._listening:
            return ()
        since, is_first = self._unheard_since, not self._ever_attached
        self._listening = self._ever_attached = True
        self._unheard_since = None
        self._ledger.watch()
        gap: Effects = ()
        if since is not None and (not is_first or now - since > ATTACH_SECONDS):
            gap = self._missed(since, now)
        if since is not None or is_first:
            self._stirred(now)  # whether it was silent until now, nobody knows
        return (*gap, Changed())

    def lost(self, since: float, *, clean: bool = False) -> Effects:
        """The sideband is closed, and was surely heard until then.

        `clean`: with a closing handshake, or because the call was being hung up.
        """
        if self._ended or not self._listening:
            return ()
        self._listening, self._lost_cleanly, self._unheard_since = False, clean, since
        return (Changed(),)

    def frame(self, text: str, now: float) -> Effects:
        """The provider told something."""
        event = frames.read(text)
        if event is None or self._ended:
            return ()
        effects: Effects = ()
        match event:
            case frames.ResponseBegan():
                self._response_began(event, now)
            case frames.ResponseEnded():
                effects = self._response_ended(event, now)
            case frames.UserWrote():
                self._stirred(now)
            case frames.FunctionAnswered():
                if self._idle:
                    self._idle.answered(event.call, now)
            case frames.Transcribed():
                is_new = self._ledger.transcribed(event.item, event.part, event.spent)
                effects = (Changed(),) if is_new else ()
            case frames.SessionTold():
                effects = self._session_told(event.session, now)
            case frames.NoCredit():
                effects = (CreditLow(),)
            case frames.SessionOver():
                self._told_over = True
                effects = (Changed(),)
            case frames.Odd():
                effects = self._unread(event, now)
        return effects

    def tick(self, now: float) -> Effects:
        """Time has passed."""
        due = [each for each in self._moments() if now >= each.at]
        for each in due:
            if each.is_end:
                return self._hang_up(each.reason)
        return tuple(effect for each in due for effect in self._warn(each.reason, now))

    def stood_still(self, now: float) -> None:
        """Nobody has read what was told for a while, though the sideband was open.

        It is read next; until then nobody knows whether the call was silent.
        """
        if self._listening:
            self._stirred(now)

    def ended(self, now: float) -> Effects:
        """The call is over, as the one who would know has said."""
        if self._ended:
            return ()
        since = self._unheard_since
        was_its_end = self._lost_cleanly and since is not None and now - since <= CLOSING_SECONDS
        gap: Effects = ()
        if self._ever_attached and since is not None and now > since and not was_its_end:
            gap = self._missed(since, now)
        self._ended, self._listening = True, self._listening or was_its_end
        return (*gap, Changed())

    def handed_over(self, now: float, *, to: str) -> Seen:
        """The record for an heir that is attached by now; this one listens to nothing more."""
        seen = self._seen(now, heir=to if self._listening else None)
        self._ended = True
        return seen

    def seen(self, now: float) -> Seen:
        """What there is to be written."""
        return self._seen(now, heir=None)

    def seen_if_over(self, now: float) -> Seen:
        """The same if the call ended at this moment; it goes on."""
        as_if = copy.copy(self)
        as_if._ledger = copy.copy(self._ledger)  # noqa: SLF001 - of its own class
        as_if.ended(now)
        return as_if.seen(now)

    def _seen(self, now: float, *, heir: str | None) -> Seen:
        idle = self._idle
        return Seen(
            at=now,
            supervision=self.supervision,
            usage=self.usage,
            cost=self.cost,
            gaps=self._gaps,
            warnings=self._warnings,
            drift=self._drifts,
            final=self._ended,
            memory=Memory(
                heir=heir,
                ever_attached=self._ever_attached,
                unheard_since=self._unheard_since,
                counted=self._ledger.counted,
                unfinished=self._ledger.unfinished,
                transcribers=self._transcribers,
                quiet_since=idle.since if idle else now,
                paused_at=idle.paused_at if idle else None,
                calls=idle.calls if idle else (),
                warned_of_length=self._warned_of_length,
                warned_of_idle=self._warned_of_idle,
                first_session=self._drift.first,
                last_session=self._drift.last,
                ends_by=self._rules.ends_by,
                told_over=self._told_over,
            ),
        )

    def _moments(self) -> Iterator[_Moment]:
        """What will be due if nothing happens."""
        rules, idle = self._rules, self._idle
        if self._ending or self._ended:
            return
        if rules.limited:
            yield _Moment(at=rules.ends_by, reason="length", is_end=True)
            if rules.warn_seconds is not None and not self._warned_of_length:
                yield _Moment(at=rules.ends_by - rules.warn_seconds, reason="length", is_end=False)
        # Whoever hears nothing cannot know that it is silent.
        if idle and self._listening:
            yield _Moment(at=idle.ends_at, reason="idle", is_end=True)
            if rules.warn_seconds is not None and not self._warned_of_idle:
                # A warning at once, each time, would be none: half of a shorter limit, then.
                longer = rules.warn_seconds < idle.limit_seconds
                before = rules.warn_seconds if longer else idle.limit_seconds / 2
                yield _Moment(at=idle.ends_at - before, reason="idle", is_end=False)

    def _hang_up(self, by: End) -> Effects:
        if self._ending:
            return ()
        self._ending = True
        return (HangUp(by=by),)

    def _warn(self, reason: Reason, now: float) -> Effects:
        if reason == "length":
            self._warned_of_length = True
        else:
            self._warned_of_idle = True
        self._warnings = (*self._warnings, Warned(at=int(now), reason=reason))[:MAX_WARNINGS]
        words = self._rules.warn_with
        text = None if words is None else frames.system_message(words)
        return (Warn(at=int(now), reason=reason, text=text), Changed())

    def _response_began(self, event: frames.ResponseBegan, now: float) -> None:
        if self._ledger.started(event.id) and self._idle:
            self._idle.go_on(now)

    def _response_ended(self, event: frames.ResponseEnded, now: float) -> Effects:
        if not self._ledger.finished(event.id, event.spent):
            return ()
        if event.answers:
            self._stirred(now)
        if event.calls and self._idle:
            self._idle.wait_for(event.calls, now)
        return (CreditLow(), Changed()) if event.out_of_credit else (Changed(),)

    def _stirred(self, now: float) -> None:
        """Something that mattered has happened, or may have."""
        if self._idle:
            self._idle.mattered(now)
            self._warned_of_idle = False

    def _session_told(self, session: Mapping[str, object], now: float) -> Effects:
        self._transcribers = _and_transcriber(self._transcribers, session)
        if self._rules.session_drift == "ignore":
            return ()
        fields = self._drift.told(session)
        return self._drifted(fields, now) if fields else ()

    def _drifted(self, fields: tuple[str, ...], now: float) -> Effects:
        rule = self._rules.session_drift
        if rule == "ignore":
            return ()
        effects: Effects = ()
        if len(self._drifts) < MAX_DRIFTS:
            self._drifts = (*self._drifts, Drifted(at=int(now), fields=fields))
            effects = (Note(at=int(now), fields=fields), Changed())
        return (*effects, *self._hang_up("drift")) if rule == "hangup" else effects

    def _unread(self, event: Odd, now: float) -> Effects:
        """A frame that says nothing: whatever it can have told of is not known now."""
        drift = self._drifted((UNREADABLE,), now) if event.kind == "session.updated" else ()
        if event.kind in frames.OF_USAGE:
            self._ledger.missed()
            return (event, *drift, Changed())
        return (event, *drift)

    def _missed(self, since: float, until: float) -> Effects:
        self._ledger.missed()
        began_at, *before = math.floor(since), *self._gaps
        if len(before) == MAX_GAPS:
            began_at = before.pop().began_at
        # Each of the two may be by another's clock.
        ended_at = max(began_at, math.ceil(until))
        self._gaps = (*before, Gap(began_at=began_at, ended_at=ended_at))
        return (Missed(),)


def _and_transcriber(known: tuple[str, ...], session: Mapping[str, object]) -> tuple[str, ...]:
    model = transcription_model(session)
    return known if model is None or model in known else (*known, model)[:MAX_TRANSCRIBERS]
