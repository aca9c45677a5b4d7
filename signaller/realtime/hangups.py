"""The end of calls: asked for, because their time is over, or because nobody may go on with them.

A call has ended once the provider has said so, to the credential that began it. Until then its
record stays live and tells who wants its end; the clock goes on asking (`supervision.clock`).
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from signaller.errors import (
    HangupUnconfirmed,
    SignallerError,
    StoreUnavailable,
    UpstreamError,
)
from signaller.logs import Journal, Line, ids_of
from signaller.model import (
    CallFacts,
    CallState,
    Deployment,
    EndedBy,
    Ending,
    Evidence,
    Provider,
    Trace,
)
from signaller.ports import Clock, Upstream
from signaller.realtime.call_access import CallAccess
from signaller.realtime.call_records import Billed, CallRecord, SealedBook
from signaller.realtime.deployments import Deployments

log = logging.getLogger("signaller")

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 10.0
"""Between two attempts: each costs the provider a request."""
NO_WAY_PAUSE_SECONDS = 60.0
"""Before the clock looks again at a call that there is no way to end."""
GIVE_UP_SECONDS = 3600
"""How long past a call's last moment the provider is asked: no session lives for longer."""
LAST_SECONDS = 2.0
"""For how long a call that is over waits for the last record of whoever watches it. Providers close
its sideband when they confirm the end; where nobody lives who would write, the end is told then."""
CLOSING_ATTEMPTS = 60
"""To write down an end that a provider has confirmed: some ten minutes without a store."""
POLL_SECONDS = 0.1
"""Between two looks whether it is there."""
MARGIN_SECONDS = 1.0 + LAST_SECONDS
"""By how much a turn outlasts the request to the provider."""
HearOut = Callable[[str], Awaitable[None]]
"""Returns once the watch of a call which is over has written its last record, at once where it is
not watched in this process. Raises StoreUnavailable."""
OF_THE_CLOCK: frozenset[EndedBy] = frozenset({"length", "provider"})


class Hangups:
    """Ends calls at the deployment that answered them."""

    def __init__(
        self,
        *,
        access: CallAccess,
        deployments: Deployments,
        upstreams: Mapping[Provider, Upstream],
        book: SealedBook,
        journal: Journal,
        clock: Clock,
        call_seconds: float,
        hear_out: HearOut | None = None,
    ) -> None:
        """`hear_out` None: no call is watched in this process."""
        self._hear_out = hear_out
        self._access = access
        self._deployments = deployments
        self._upstreams = upstreams
        self.book = book
        self._journal = journal
        self._clock = clock
        self._call_seconds = call_seconds
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._uncounted: dict[str, float] = {}
        """Until when each call that nobody could count an attempt for is left alone."""

    async def hang_up(self, evidence: Evidence, call_id: str, trace: Trace, line: Line) -> None:
        """End a call for whoever holds its token, the caller it belongs to, or the master key.

        Ending it again is no error. Raises InvalidApiKey, TokenRejected, CallNotFound,
        HangupUnconfirmed and StoreUnavailable.
        """
        record, asker = await self._access.find_for(evidence, call_id, line)
        await self.end(record, asker.ends_as, trace)

    async def abandon(self, record: CallRecord, trace: Trace, *, by: EndedBy, why: str) -> None:
        """Hang up a call that nobody may go on with: there is nobody to report a failure to.

        What is not confirmed, the clock goes on with.
        """
        facts = record.facts
        with (
            contextlib.suppress(SignallerError),
            self._journal.line(
                "abandoned",
                trace,
                call=facts.id,
                caller=facts.caller,
                deployment=facts.deployment_id,
                why=why,
            ),
        ):
            await self.end(record, by, trace)

    async def end(self, record: CallRecord, by: EndedBy, trace: Trace | None = None) -> None:
        """End a call once, however many ask for it at the same time.

        Raises HangupUnconfirmed, and StoreUnavailable.
        """
        if record.status == "ended":
            return
        call_id = record.facts.id
        ending = self._ending.get(call_id)
        if ending is None:
            ending = asyncio.create_task(self._end_once(record, by, trace))
            self._ending[call_id] = ending
            ending.add_done_callback(lambda _: self._ending.pop(call_id))
        # Shielded: whoever stops waiting does not stop it.
        await asyncio.shield(ending)

    async def over(self, call_id: str, by: EndedBy) -> None:
        """The provider has said, to the right credential, that a call is over.

        Whoever had asked for its end has ended it. Raises StoreUnavailable.
        """
        record = await self.book.find(call_id)
        if record is None or record.status == "ended":
            return
        ending = record.state.ending or Ending(by=by, since=int(self._clock()))
        await self._close(record, ending, ending.by)

    def recount(self, told: CallRecord, known: CallRecord) -> None:
        """Whoever watched a call that has ended knows more of it than was told then."""
        self._tell("call_recounted", known, known.billed.beyond(told.billed))

    async def settle(self, record: CallRecord) -> None:
        """What the clock does with a call whose moment has come.

        Raises HangupUnconfirmed, and StoreUnavailable.
        """
        facts, ending = record.facts, record.state.ending
        if not facts.answered:
            await self._close(record, None, None)
            return
        by: EndedBy = "length" if facts.limited else "provider"
        if ending is not None:
            by = ending.by
        if record.seconds_left(self._clock()) > -GIVE_UP_SECONDS:
            await self.end(record, by)
            return
        fields = {"call": facts.id, "caller": facts.caller, "deployment": facts.deployment_id}
        log.error("nobody has confirmed the end of a call", extra={"fields": fields})
        await self._close(record, ending or Ending(by=by, since=facts.ends_by), by)

    async def _end_once(self, record: CallRecord, by: EndedBy, trace: Trace | None) -> None:
        facts = record.facts
        ending = Ending(by=by, since=int(self._clock()))
        try:
            deployment = self._deployment(facts)
        except HangupUnconfirmed:
            if facts.answered:  # else there may be no call, and its time ends it
                await self._note(facts, ending)
            raise
        attempt = await self._take_turn(facts, ending, deployment)
        if not attempt:
            return  # it has ended meanwhile
        try:
            knew_it = await self._hang_up_upstream(facts, deployment, trace)
        except UpstreamError as error:
            seconds = await self._pause(facts, attempt)
            if isinstance(error, HangupUnconfirmed):
                raise
            raise HangupUnconfirmed(
                f"call {facts.id}: {error.code}: {error}",
                public="The provider has not confirmed the end of this call. It is asked again "
                f"until it has; ask for the outcome as Retry-After says. ({error.public})",
                retry_after=seconds,
            ) from error
        first = await self._who_asked_first(record, ending, attempt)
        ended_by = first.by
        if attempt == 1 and not knew_it and facts.limited and ended_by in OF_THE_CLOCK:
            ended_by = "client"  # it was gone before its time was over
        await self._close(record, first, ended_by, trace)

    async def _take_turn(self, facts: CallFacts, ending: Ending, deployment: Deployment) -> int:
        """Which attempt this is; 0: the call has ended. Raises HangupUnconfirmed if not now."""
        seconds = (deployment.timeout_seconds or self._call_seconds) + MARGIN_SECONDS
        try:
            turn = await self.book.begin_ending(facts, ending, seconds=seconds)
        except StoreUnavailable as error:
            fields = {"call": facts.id, "detail": str(error)}
            log.warning("attempt to end a call not counted", extra={"fields": fields})
            return self._uncounted_turn(facts)
        if turn.attempt:
            return turn.attempt
        if not math.isinf(turn.wait_seconds):
            raise _not_now(facts, turn.wait_seconds)
        if await self.book.find(facts.id) is None:
            # Not even its intent was kept: it must be ended all the more.
            return self._uncounted_turn(facts)
        return 0

    async def _note(self, facts: CallFacts, ending: Ending) -> None:
        """That there is no way to end it now changes nothing about who wants its end."""
        try:
            await self.book.begin_ending(facts, ending, seconds=NO_WAY_PAUSE_SECONDS)
        except StoreUnavailable as error:
            fields = {"call": facts.id, "detail": str(error)}
            log.warning("end not noted", extra={"fields": fields})

    def _uncounted_turn(self, facts: CallFacts) -> int:
        """Without a store that counts: a call must be ended all the more, but not in a flood."""
        now = self._clock()
        self._uncounted = {id_: until for id_, until in self._uncounted.items() if until > now}
        if facts.id in self._uncounted:
            raise _not_now(facts, self._uncounted[facts.id] - now)
        self._uncounted[facts.id] = now + LONGEST_PAUSE_SECONDS
        return 1

    async def _pause(self, facts: CallFacts, attempt: int) -> float:
        """For how long nobody asks the provider again."""
        seconds = min(math.ldexp(FIRST_PAUSE_SECONDS, min(attempt - 1, 9)), LONGEST_PAUSE_SECONDS)
        await self._look_again(facts, seconds)
        return seconds

    async def _look_again(self, facts: CallFacts, seconds: float) -> None:
        try:
            await self.book.pause_ending(facts.id, seconds=seconds)
        except StoreUnavailable as error:
            # The turn ends by itself, only later.
            fields = {"call": facts.id, "detail": str(error)}
            log.warning("pause not remembered", extra={"fields": fields})

    async def _who_asked_first(self, record: CallRecord, mine: Ending, attempt: int) -> Ending:
        if record.state.ending is not None:
            return record.state.ending
        if attempt == 1:
            return mine
        with contextlib.suppress(StoreUnavailable):
            found = await self.book.find(record.facts.id)
            if found is not None and found.state.ending is not None:
                return found.state.ending
        return mine

    async def _close(
        self,
        record: CallRecord,
        ending: Ending | None,
        by: EndedBy | None,
        trace: Trace | None = None,
    ) -> None:
        """Write down that a call has ended, and tell it once, with all that is known of it."""
        now = int(self._clock())
        state = CallState(ending=ending, ended_at=now, ended_by=by)
        facts = record.facts
        ended = replace(record, state=state, seen=await self._last_seen(record, by))
        end: Callable[[], Awaitable[bool]] | None = None
        try:
            end = self.book.ending(ended)
            first = await end()
        except StoreUnavailable as error:
            # The call is over all the same; the clock will merely ask the provider again.
            fields = {**ids_of(trace), "call": facts.id, "detail": str(error)}
            log.warning("end not remembered", extra={"fields": fields})
            if end is not None:
                task = asyncio.create_task(self._close_later(end, ended, trace))
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
            return
        if first:
            self._tell_end(ended, trace)

    async def _close_later(
        self, end: Callable[[], Awaitable[bool]], ended: CallRecord, trace: Trace | None
    ) -> None:
        """Write an end down once the store is there, or learn that it stands there already.

        It may have done the step and lost the reply: then nobody but this one would tell of it.
        """
        pause = FIRST_PAUSE_SECONDS
        for _ in range(CLOSING_ATTEMPTS):
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            with contextlib.suppress(StoreUnavailable):
                if await end():
                    self._tell_end(ended, trace)
                return

    def _tell_end(self, ended: CallRecord, trace: Trace | None) -> None:
        facts, state = ended.facts, ended.state
        self._tell(
            "call_ended",
            ended,
            ended.billed,
            trace,
            seconds=max(0, (state.ended_at or 0) - facts.started_at),
            ended_by=state.ended_by,
            answered=facts.answered,
            metadata=list(facts.metadata),  # its keys: the values are the caller's own
        )

    def _tell(
        self,
        event: str,
        record: CallRecord,
        billed: Billed,
        trace: Trace | None = None,
        **more: object,
    ) -> None:
        """A line about what a call has used. `billed`: what is counted with it (`metrics`)."""
        facts, shown = record.facts, record.as_json()
        with self._journal.line(
            event,
            trace,
            call=facts.id,
            caller=facts.caller,
            model=facts.model,
            deployment=facts.deployment_id,
            **more,
            usage=shown["usage"],
            cost=shown["cost"],
            billed=billed.as_json(),
        ):
            pass  # nothing is left to do

    async def _last_seen(self, record: CallRecord, by: EndedBy | None) -> Mapping[str, object]:
        """What the watch of a call that is over has written, once it has written its last.

        It is what the record shows from then on: nothing is told that does not stand there.
        """
        facts, latest = record.facts, record
        if not facts.answered or facts.watching.mode == "off" or by == "supervision":
            return record.seen  # nobody has listened
        if self._hear_out is not None:
            with contextlib.suppress(StoreUnavailable):
                await self._hear_out(facts.id)
        with contextlib.suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                while (found := await self.book.find(facts.id)) is not None:
                    latest = found
                    if latest.status == "ended" or not latest.awaits_more:
                        break
                    await asyncio.sleep(POLL_SECONDS)
        return latest.seen

    def _deployment(self, facts: CallFacts) -> Deployment:
        deployment = self._deployments.named(facts.deployment_id, facts.credential_fingerprint)
        if deployment is not None and facts.provider_call_id is not None:
            return deployment
        why = (
            f"its deployment {facts.deployment_id} has left the configuration"
            if deployment is None
            else "the provider has given it no id"
        )
        raise HangupUnconfirmed(
            f"call {facts.id}: no way to end it: {why}",
            public=f"This call cannot be ended from here: {why}. Close the peer connection.",
        )

    async def _hang_up_upstream(
        self, facts: CallFacts, deployment: Deployment, trace: Trace | None
    ) -> bool:
        """Whether the provider still knew the call."""
        upstream = self._upstreams[deployment.provider]
        trace = trace or Trace(request_id=facts.id)
        confirmed = await upstream.hang_up(deployment, facts.provider_call_id or "", trace)
        # Only the credential that made the call would know it: to any other, it is not there.
        if not confirmed and facts.credential_fingerprint != self._deployments.fingerprint_of(
            deployment
        ):
            raise HangupUnconfirmed(
                f"call {facts.id}: unknown to the deployment's credential of today",
                public="This call could not be ended: the deployment's credential has changed "
                "since it began, and the provider knows no such call under the new one. Close the "
                "peer connection.",
            )
        return confirmed


def _not_now(facts: CallFacts, seconds: float) -> HangupUnconfirmed:
    return HangupUnconfirmed(
        f"call {facts.id}: another attempt is under way, or was a moment ago",
        public="The provider has not confirmed the end of this call yet. Try again as "
        "Retry-After says.",
        retry_after=seconds,
    )
