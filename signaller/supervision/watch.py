"""The watch over one call: a sideband that is kept open, and what the machine makes of it.

Knows sockets, the book and the time through what it is given; decides nothing itself.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from typing import Protocol

from signaller.errors import SignallerError, StoreUnavailable, UpstreamError
from signaller.model import CallFacts, EndedBy
from signaller.ports import Clock, Sideband
from signaller.realtime.call_records import CallRecord, SealedBook
from signaller.realtime.hangups import LAST_SECONDS, Hangups
from signaller.supervision.early import Early
from signaller.supervision.frames import Odd
from signaller.supervision.machine import (
    Changed,
    CreditLow,
    Effects,
    HangUp,
    Machine,
    Missed,
    Note,
    Warn,
)
from signaller.supervision.seen import FENCE, Seen, Supervision, written

log = logging.getLogger("signaller")

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 10.0
"""Before a sideband is dialled again: soon, because nobody listens meanwhile; then less often,
because a provider that is down has a thousand of them to take."""
ASK_SECONDS = 1.0
"""Before the end of a call is asked for again, as the clock does; then less often."""
DOUBT_SECONDS = 12.0
"""After which a sideband that is mute owes an answer to a ping: of 10 s, or 11 as aiohttp rounds,
and its way. Whoever lets go of it before that answer is overdue cannot know what it missed."""
QUIET_SECONDS = 4.0
"""Between two records of a call that changes: what another replica reads is at most 5 s old, with
the time until the next look whether one is due (`owner.TICK_SECONDS`) and the way to the store."""
LIFE_SECONDS = 10.0
"""Between two records of one that does not: an heir knows from it until when somebody listened."""


class Gone(Exception):
    """The provider knows no such call, and would know."""


class Home(Protocol):
    """What a watch needs of the process that keeps it."""

    clock: Clock
    """Unix seconds, by a clock that does not step."""

    @property
    def book(self) -> SealedBook:
        """Where its record is."""

    @property
    def hangups(self) -> Hangups:
        """How calls are ended."""

    async def dial(self, facts: CallFacts) -> Sideband | None:
        """Open a call's sideband. None: the provider knows no such call, but might not.

        Raises Gone, and UpstreamError.
        """

    def credit_low(self, facts: CallFacts) -> None:
        """The deployment's project has no money left."""

    def unread(self, facts: CallFacts, kind: str | None) -> None:
        """A frame could not be read that may have mattered; `kind` as in `frames.Odd`."""

    def missed(self, facts: CallFacts) -> None:
        """For a while nobody listened: its record has a gap more."""

    def done(self, call_id: str) -> None:
        """There is nothing left to do for a call."""


class Watch:
    """One call that this process watches."""

    def __init__(self, facts: CallFacts, machine: Machine | None, *, home: Home) -> None:
        """`machine` None: what is heard waits until `take_up`."""
        self.facts = facts
        self.fence: int | None = None
        """The number of its lease; None: it has none yet."""
        self.renew_at = 0.0
        self.offered = False
        """Whether others may take it over: its lease is renewed no more."""
        self.over = False
        self.opened = asyncio.Event()
        """Set once a sideband has been open."""
        self._silent = asyncio.Event()
        """Set while none is open, and what was heard of the last one is written down."""
        self._silent.set()
        self._seems_over = False
        """Whether what is written is the last record, unless the call turns out to go on."""
        self._writing = asyncio.Lock()
        self._machine = machine
        self._early = Early()
        self._home = home
        self._sideband: Sideband | None = None
        self._unsaid: str | None = None
        """What the model is told about the end as soon as a sideband is open."""
        self._changed = self._urgent = self._settling = False
        self._written_at = home.clock()
        self._shown: Mapping[str, object] = {}
        self._why_not: str | None = None
        """Why no sideband could be had when it was last tried: a provider that is down would
        otherwise fill the log, with a line for each call every few seconds."""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def supervision(self) -> Supervision:
        """As its record has it at this moment."""
        if self._machine is not None:
            return self._machine.supervision
        return "lost" if self._sideband is None else "watched"  # an heir of one that was watched

    @property
    def seconds_left(self) -> float | None:
        """Until the call's time is over; None: nobody has told this one yet."""
        machine = self._machine
        return None if machine is None else machine.ends_by - self._home.clock()

    def lost_its_record(self) -> None:
        """It has a new one, without a lease, and with nothing in it of what was seen."""
        self.fence, self.renew_at, self._urgent = None, 0.0, True

    def begin(self, sideband: Sideband | None = None) -> None:
        """Keep a sideband open from now on, this one if it is there already."""
        self.spawn(self._run(sideband))

    def take_up(self, machine: Machine) -> None:
        """Decide, beginning with what has been heard already."""
        self._machine, early, self._early = machine, self._early, Early()
        for effects in early.tell(machine, self._home.clock()):
            self._do(effects)
        self._changed = self._urgent = True

    def stood_still(self, now: float) -> None:
        """The process did, and reads only now what was told meanwhile."""
        if self._machine is not None:
            self._machine.stood_still(now)

    def tick(self, now: float) -> None:
        """Time has passed."""
        if self._machine is not None and (effects := self._machine.tick(now)):
            self._do(effects)

    def must_write(self, now: float) -> bool:
        """Whether its record is to be written now."""
        if self.over or self._machine is None:
            return False
        quiet = QUIET_SECONDS if self._changed else LIFE_SECONDS
        return self._urgent or now >= self._written_at + quiet

    async def write(
        self, more: Mapping[str, object] | None = None, *, fence: int | None = None
    ) -> bool:
        """Write down what was seen. Raises StoreUnavailable.

        False: the call is another's now, or has ended.
        """
        machine, now = self._machine, self._home.clock()
        if machine is None:
            return True
        self._written_at, self._changed, self._urgent = now, False, False
        seen = machine.seen_if_over(now) if self._seems_over else machine.seen(now)
        try:
            return await self._put(seen, more=more, fence=fence)
        except StoreUnavailable:
            self._changed = True
            raise

    async def hear_out(self) -> None:
        """Write down all that was told of a call which is over, as its provider has said.

        The sideband is closed about now; one that stays open is heard for as long as whoever ends
        the call waits. Raises StoreUnavailable.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                await self._silent.wait()
        if not self._seems_over and not self.over:
            self._doubt()
            self._seems_over = True
            await self.write()

    async def hand_to(self, heir: str, fence: int) -> None:
        """Write what is known for an heir who listens by now, and stop. Raises StoreUnavailable."""
        if self._machine is not None:
            self._doubt()
            seen = self._machine.handed_over(self._home.clock(), to=heir)
            await self._put(seen, fence=fence)
        await self.stop()

    async def settle(self, by: EndedBy) -> None:
        """The call is over: write down all of it, and then that it is. Raises StoreUnavailable."""
        if self._settling or self.over:
            return  # it was noticed by the socket and by the lease
        self._settling = True
        try:
            await self._write_all(by)
        finally:
            self._settling = False
        await self.stop()

    async def stop(self) -> None:
        """Let go of the sideband; the call goes on."""
        self.over = True
        self._home.done(self.facts.id)
        mine = asyncio.current_task()
        others = [task for task in self._tasks if task is not mine]
        for task in others:
            task.cancel()
        sideband, self._sideband = self._sideband, None
        self._silent.set()
        if others:
            await asyncio.wait(others)
        if sideband is not None:
            await sideband.close()

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Do something that ends with the watch."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def _told(self) -> Machine | Early:
        """Who is told what is heard."""
        return self._early if self._machine is None else self._machine

    async def _run(self, sideband: Sideband | None) -> None:
        pause = 0.0
        while not self.over:
            if sideband is None:
                sideband = await self._dialled()
            if sideband is not None:
                began_at = self._home.clock()
                await self._listen(sideband)
                # One that is closed as soon as it is open is no better than one that is refused.
                if self._home.clock() - began_at > LONGEST_PAUSE_SECONDS:
                    pause = 0.0
                sideband = None
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads a crowd
            pause = min(max(FIRST_PAUSE_SECONDS, 2 * pause), LONGEST_PAUSE_SECONDS)

    async def _write_all(self, by: EndedBy) -> None:
        home, machine = self._home, self._machine
        record = await home.book.find(self.facts.id)
        if record is None or machine is None:
            return
        if record.is_final:
            # All of it is written, here or by whoever was to leave it to this one.
            self._seems_over = True
            await home.hangups.over(self.facts.id, by)
            return
        self._doubt()
        self._do(machine.ended(home.clock()))
        seen, self._seems_over = machine.seen(home.clock()), True
        fence = _last_fence(record, self.fence)
        if record.status != "ended" and await self._put(seen, fence=fence):
            await home.hangups.over(self.facts.id, by)
            return
        # It is another's now, or that one has ended it without waiting for what is known here.
        told = await home.book.find(self.facts.id)
        if told is None or told.status != "ended":
            return
        is_more = not told.is_final and told.as_json()["usage"] != seen.as_json()["usage"]
        if is_more and await self._put(seen, ended=told, fence=fence):
            home.hangups.recount(told, replace(told, seen=written(seen)))

    async def _listen(self, sideband: Sideband) -> None:
        """Hand on what is told until it is closed."""
        clock = self._home.clock
        self._sideband, self._seems_over = sideband, False
        self._silent.clear()
        self._do(self._told.attached(clock()))
        self._urgent = True
        self.opened.set()
        if self._unsaid is not None:
            self.spawn(self._say(sideband, self._unsaid))
            self._unsaid = None
        while (text := await sideband.receive()) is not None:
            if effects := self._told.frame(text, clock()):
                self._do(effects)
        self._sideband, clean = None, sideband.closed_cleanly
        # A connection that broke may have told nobody for a while, without anybody knowing.
        since = clock() if clean else clock() - sideband.mute_seconds
        self._do(self._told.lost(since, clean=clean))
        await self._fell_silent(clean=clean)
        await sideband.close()

    def _doubt(self) -> None:
        """Take a sideband that may be half open for one that is lost, at the end of its watch."""
        sideband, machine = self._sideband, self._machine
        if sideband is None or machine is None or sideband.mute_seconds < DOUBT_SECONDS:
            return
        self._do(machine.lost(self._home.clock() - sideband.mute_seconds))

    async def _fell_silent(self, *, clean: bool) -> None:
        """Write down what was heard at once: whoever ends the call waits for it, here or elsewhere.

        A provider that closes the sideband of a call which somebody is ending has ended it. Should
        the call go on, the next sideband shows it, or the time (`machine.CLOSING_SECONDS`).
        """
        try:
            has_lease = self.fence is not None
            record = await self._home.book.find(self.facts.id) if has_lease else None
            if record is not None and record.status == "ended":
                await self.settle("client")
            elif record is not None:
                self._seems_over = clean and record.state.ending is not None
                await self.write(
                    fence=_last_fence(record, self.fence) if self._seems_over else None
                )
        except StoreUnavailable as error:
            # It has changed, so it is written as soon as the store is there.
            log.debug("record of a call not kept", extra={"fields": {"detail": str(error)}})
        finally:
            self._silent.set()

    async def _dialled(self) -> Sideband | None:
        """A new sideband; None: try again later, unless the call is over."""
        try:
            sideband = await self._home.dial(self.facts)
        except Gone:
            machine = self._machine
            # Directly after a call began, a provider may not know it yet.
            if machine is not None and machine.ever_attached:
                await self._ended(machine)
        except UpstreamError as error:
            why = str(error)
            if why != self._why_not:
                facts = self.facts
                fields = {"call": facts.id, "deployment": facts.deployment_id, "detail": why}
                log.warning("no sideband", extra={"fields": fields})
            self._why_not = why
        else:
            self._why_not = None
            return sideband
        return None

    async def _ended(self, machine: Machine) -> None:
        try:
            await self.settle("provider" if machine.told_over else "client")
        except StoreUnavailable as error:
            # The next dial finds the same, and tries again.
            fields = {"call": self.facts.id, "detail": str(error)}
            log.warning("end not remembered", extra={"fields": fields})

    def _do(self, effects: Effects) -> None:
        for effect in effects:
            match effect:
                case Changed():
                    self._changed = True
                case Warn():
                    self._urgent = True
                    if effect.text is not None and self._sideband is not None:
                        self.spawn(self._say(self._sideband, effect.text))
                    elif effect.reason == "length":
                        self._unsaid = effect.text
                case Note():
                    self._urgent = True
                case HangUp():
                    self.spawn(self._hang_up(effect.by))
                case CreditLow():
                    self._home.credit_low(self.facts)
                case Odd():
                    self._home.unread(self.facts, effect.kind)
                case Missed():
                    self._home.missed(self.facts)

    async def _say(self, sideband: Sideband, text: str) -> None:
        if not await sideband.send(text):
            log.warning("warning not sent", extra={"fields": {"call": self.facts.id}})

    async def _hang_up(self, by: EndedBy) -> None:
        """Ask for the end until it has come, or stands in the book: the clock goes on from there.

        The machine says it once, so nobody else would ask.
        """
        call_id, pause, asked, told = self.facts.id, ASK_SECONDS, False, ""
        while not self.over:
            try:
                record = await self._home.book.find(call_id)
                if record is not None:  # the store may have lost it, and gets it back
                    if record.status == "ended" or (asked and record.state.ending is not None):
                        return
                    asked = True
                    await self._home.hangups.end(record, by)
            except SignallerError as error:
                if str(error) != told:
                    told = str(error)
                    fields = {"call": call_id, "by": by, "detail": told}
                    log.warning("end of a call not confirmed", extra={"fields": fields})
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _put(
        self,
        seen: Seen,
        *,
        ended: CallRecord | None = None,
        fence: int | None = None,
        more: Mapping[str, object] | None = None,
    ) -> bool:
        """`ended`: what was told of a call that has ended already."""
        fence = self.fence if fence is None else fence
        if fence is None:
            return True  # there is no lease to write under yet
        shown = seen.as_json()
        whole = {**written(seen), **(more or {})}
        new = replace(ended or CallRecord(facts=self.facts), seen=whole)
        async with self._writing:  # an earlier record must not overtake a later one on its way
            tell = ended is not None or shown != self._shown
            is_mine = await self._home.book.saw(new, fence=fence, tell=tell)
            if is_mine:
                self._shown = shown
        return is_mine


def _last_fence(record: CallRecord, own: int | None) -> int | None:
    """That of the heir, if there is one who waits for what is known here."""
    heirs = record.seen.get(FENCE)
    return max(heirs, own or 0) if isinstance(heirs, int) else own
