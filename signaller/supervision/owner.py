"""All calls that one process watches: whose they are, who takes over, and who lets go.

A call is leased by one process, which renews its lease. One that dies lets it run out, and another
takes over. One that is told to end hands over (`handover`).
"""

import asyncio
import contextlib
import logging
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from signaller.errors import (
    StoreUnavailable,
    SupervisionUnavailable,
    UpstreamError,
    UpstreamUnreachable,
)
from signaller.model import CallFacts, Provider, Trace
from signaller.ports import Clock, Sideband, Upstream
from signaller.realtime.call_records import CallRecord, SealedBook
from signaller.realtime.deployments import Deployments
from signaller.realtime.hangups import Hangups
from signaller.supervision import handover
from signaller.supervision.clock import TASK
from signaller.supervision.handover import HANDOVER_SECONDS, POLL_SECONDS
from signaller.supervision.machine import Machine, Rules
from signaller.supervision.prices import PriceList, Prices
from signaller.supervision.seen import last_seen
from signaller.supervision.watch import Gone, Watch

log = logging.getLogger("signaller")

LEASE_SECONDS, RENEW_SECONDS = 10.0, 4.0
"""A process that dies is noticed in 10 s, a look of 1 s and a dial later: 15 s at the most. One
renewal may fail and another one follows in time."""
LOOK_SECONDS = 1.0
"""Between two looks for calls that nobody watches."""
SOON_SECONDS = 0.1
"""The same where the last one has found as many as it may: a process with hundreds of calls ends
within `handover.HANDOVER_SECONDS`. Those that are not leased yet are found again, so that a store
that is slow has no more than so many to lease."""
TICK_SECONDS = 0.5
STALL_SECONDS = 2.0
"""Between two ticks: then this process, or its machine, stood still meanwhile."""
ATTACH_SECONDS, ATTEMPTS = 12.0, 2
"""In which a call that has to be watched is attached to: a provider's 404 takes 5.5 s, and may be
wrong directly after the call began."""
AT_ONCE = 32
"""Steps of the store under way for all watches together: its connections are others' as well."""
WARN_SECONDS = 60.0
"""Between two warnings about one deployment's credit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the configuration in force has made."""

    book: SealedBook
    deployments: Deployments
    upstreams: Mapping[Provider, Upstream]
    hangups: Hangups
    max_watched: int
    """Calls at the same time in this process."""


class Counts(Protocol):
    """Where what an operator sees of the watches is counted (`metrics.Metrics`)."""

    def frame_unread(self, call: CallFacts, kind: str | None) -> None:
        """A frame could not be read: the name of its event, or None."""

    def watch_missed(self, call: CallFacts) -> None:
        """A record has a gap more."""

    def out_of_credit(self, call: CallFacts) -> None:
        """The provider said that a deployment's project has no money left."""

    def watches(self, states: Mapping[str, int]) -> None:
        """How many calls this process watches, by their supervision."""


class Owner:
    """Watches calls for one process (`ports.Watchers`); reloads leave its watches as they are."""

    def __init__(
        self,
        prices: PriceList,
        *,
        counts: Counts,
        clock: Clock,
        handover_seconds: float = HANDOVER_SECONDS,
    ) -> None:
        """`clock`: Unix seconds by one that is not set while it runs.

        `handover_seconds`: 0 where no other process could take over.
        """
        self.name = secrets.token_hex(8)
        """Of this process, in leases."""
        self._counts = counts
        self.clock = clock
        self._prices = prices
        self._handover_seconds = handover_seconds
        self._watches: dict[str, Watch] = {}
        self._parts: Parts | None = None
        self._leaving = False
        self._adopting: set[str] = set()
        """Calls that are about to be taken over: the store may be slow."""
        self._renewing = asyncio.Lock()
        self._patient_until = 0.0
        self._warned: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def renew(self, parts: Parts) -> None:
        """Work with what another configuration has made."""
        self._parts = parts

    @property
    def parts(self) -> Parts:
        """Those in force."""
        if self._parts is None:
            raise RuntimeError("there is no configuration yet")
        return self._parts

    @property
    def book(self) -> SealedBook:
        """Where records are."""
        return self.parts.book

    @property
    def hangups(self) -> Hangups:
        """How calls are ended."""
        return self.parts.hangups

    def watches(self, call_id: str) -> bool:
        """Whether a call is watched here."""
        return call_id in self._watches

    async def hear_out(self, call_id: str) -> None:
        """Return once all that was told of a call which is over stands in its record.

        At once where it is not watched here. Raises StoreUnavailable.
        """
        watch = self._watches.get(call_id)
        if watch is not None:
            await watch.hear_out()

    def check_room(self) -> None:
        """Raise SupervisionUnavailable where there is no room for another call."""
        if not self._has_room:
            raise SupervisionUnavailable(
                f"{len(self._watches)} calls are watched",
                public="This service watches as many calls as it can, and this one would have to "
                "be. Try again in a moment.",
            )

    async def begin(self, call: CallFacts) -> None:
        """Watch a call as its terms say; raises SupervisionUnavailable if it has to be and is not.

        `check_room` was asked before the provider was; others may have taken the room since.
        """
        required = call.watching.mode == "required"
        if required:
            self.check_room()
        elif not self._has_room:
            log.warning("call not watched: no room", extra={"fields": {"call": call.id}})
            return
        machine = self._new(call, now=self.clock(), released=not required)
        watch = Watch(call, machine, home=self)
        self._watches[call.id] = watch
        # While a sideband is dialled, which takes longer: nobody waits for the lease.
        watch.spawn(self._lease(watch))
        if not required:
            watch.begin()
            return
        sideband = None
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ATTACH_SECONDS):
                    sideband = await self._attached(call)
        finally:
            if sideband is None:
                await watch.stop()
        if sideband is None:
            raise SupervisionUnavailable(f"call {call.id}: no sideband")
        if watch.over:
            await sideband.close()
            raise SupervisionUnavailable(f"call {call.id}: it has ended meanwhile")
        watch.begin(sideband)

    @asynccontextmanager
    async def running(self, leaving: asyncio.Event | None = None) -> AsyncIterator[None]:
        """Watch while the block lasts, then hand over what is still watched.

        Once `leaving` is set, what is watched by then is handed over, though the block lasts on.
        """
        ticking, keeping, inheriting = (
            asyncio.create_task(each(), name=TASK)
            for each in (self._ticking, self._keeping, self._inheriting)
        )
        early = asyncio.create_task(self._leave_early(leaving, inheriting), name=TASK)
        try:
            yield
        finally:
            self._leaving = True
            if leaving is None or not leaving.is_set():
                early.cancel()
            await self._end((keeping, inheriting))
            await asyncio.gather(self._hand_over(), asyncio.wait((early,)))
            await _in_turns(self._drop(watch) for watch in list(self._watches.values()))
            await self._end((ticking,))
            self._counts.watches({})  # what workers have counted outlives them

    async def dial(self, facts: CallFacts) -> Sideband | None:
        """Open a call's sideband; raises Gone where the provider would know the call."""
        deployments = self.parts.deployments
        deployment = deployments.named(facts.deployment_id, facts.credential_fingerprint)
        if deployment is None or facts.provider_call_id is None:
            raise UpstreamUnreachable(
                f"call {facts.id}: no way to attach to it: deployment {facts.deployment_id} has "
                "left the configuration, or the provider has given it no id"
            )
        upstream = self.parts.upstreams[deployment.provider]
        trace = Trace(request_id=facts.id)
        sideband = await upstream.attach(deployment, facts.provider_call_id, trace)
        knows = facts.credential_fingerprint == deployments.fingerprint_of(deployment)
        if sideband is None and knows:
            raise Gone
        return sideband

    def credit_low(self, facts: CallFacts) -> None:
        """Say in words, once a minute, why calls at a deployment fail in silence."""
        self._counts.out_of_credit(facts)
        now = self.clock()
        if now < self._warned.get(facts.deployment_id, 0.0):
            return
        self._warned = {name: until for name, until in self._warned.items() if until > now}
        self._warned[facts.deployment_id] = now + WARN_SECONDS
        log.warning(
            "the provider's project has no credit left (insufficient_quota): the model says "
            "nothing until its operator pays",
            extra={"fields": {"deployment": facts.deployment_id, "call": facts.id}},
        )

    def unread(self, facts: CallFacts, kind: str | None) -> None:
        """Count a frame that could not be read."""
        self._counts.frame_unread(facts, kind)

    def missed(self, facts: CallFacts) -> None:
        """Count a gap."""
        self._counts.watch_missed(facts)

    def done(self, call_id: str) -> None:
        """Forget a call."""
        self._watches.pop(call_id, None)

    @property
    def _has_room(self) -> bool:
        return len(self._watches) < self.parts.max_watched and not self._leaving

    def _new(self, call: CallFacts, *, now: float, released: bool = True) -> Machine:
        """One that has been answered just `now`, by our own clock."""
        return Machine.begin(
            rules_of(call, now + call.ends_by - call.started_at),
            now=now,
            released=released,
            prints=call.watching.session,
            transcriber=call.watching.transcriber,
            prices=self._prices_of(call),
            price_list=self._prices,
        )

    def _resumed(self, call: CallFacts, ends_by: float, seen: Mapping[str, object]) -> Machine:
        """As whoever watched it before has left it; `ends_by` is by our own clock."""
        left = last_seen(seen)
        if left is None:
            return self._new(call, now=ends_by - (call.ends_by - call.started_at))
        return Machine.resume(
            rules_of(call, ends_by),
            left,
            heir=self.name,
            prices=self._prices_of(call),
            price_list=self._prices,
        )

    def _prices_of(self, call: CallFacts) -> Prices | None:
        deployment = self.parts.deployments.named(call.deployment_id, call.credential_fingerprint)
        own = Prices() if deployment is None else Prices.read(deployment.prices)
        return self._prices.of(call.upstream_model, own)

    async def _attached(self, call: CallFacts) -> Sideband | None:
        for _ in range(ATTEMPTS):
            try:
                sideband = await self.dial(call)
            except (Gone, UpstreamError) as error:
                fields = {"call": call.id, "detail": str(error) or "404"}
                log.warning("not attached", extra={"fields": fields})
                continue
            if sideband is not None:
                return sideband
        return None

    async def _lease(self, watch: Watch) -> None:
        """A lease that cannot be had now is tried again soon (`_keep`)."""
        with contextlib.suppress(StoreUnavailable):
            call_id = watch.facts.id
            watch.fence = await self.book.lease(call_id, self.name, seconds=LEASE_SECONDS)
            watch.renew_at = self.clock() + RENEW_SECONDS

    async def _ticking(self) -> None:
        ticked_at = self.clock()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            stalled, ticked_at = self.clock() - ticked_at > STALL_SECONDS, self.clock()
            self._tick(stalled=stalled)

    def _tick(self, *, stalled: bool) -> None:
        """A step of its own, so that the loop holds on to no watch while it sleeps."""
        now = self.clock()
        for watch in list(self._watches.values()):
            if stalled:
                watch.stood_still(now)
            watch.tick(now)
        self._counts.watches(Counter(each.supervision for each in self._watches.values()))

    async def _keeping(self) -> None:
        """Renew leases, and write what has changed."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            async with self._renewing:
                now = self.clock()
                await _in_turns(
                    self._keep(watch)
                    for watch in list(self._watches.values())
                    if not watch.offered and (now >= watch.renew_at or watch.must_write(now))
                )

    async def _keep(self, watch: Watch) -> None:
        now, call_id = self.clock(), watch.facts.id
        try:
            if now >= watch.renew_at:
                watch.renew_at = now + TICK_SECONDS  # should it fail
                fence = await self.book.lease(call_id, self.name, seconds=LEASE_SECONDS)
                if fence is None:
                    # If the call has ended, its last record is written under the lease it had.
                    await self._dispossessed(watch)
                    return
                watch.fence = fence
                watch.renew_at = now + RENEW_SECONDS
            if watch.must_write(now) and not await watch.write():
                await self._dispossessed(watch)
        except StoreUnavailable as error:
            # It is still watched; should nobody else have taken over, all is as before.
            log.debug("record of a call not kept", extra={"fields": {"detail": str(error)}})

    async def _dispossessed(self, watch: Watch) -> None:
        """It has ended, or is another's, or the store has lost it."""
        record = await self.book.find(watch.facts.id)
        if record is None and watch.seconds_left is not None:
            # Nobody else knows of it any more, nor when it has to end.
            fields = {"call": watch.facts.id, "caller": watch.facts.caller}
            log.warning("the store has lost a call: written down again", extra={"fields": fields})
            await self.book.restore(watch.facts, seconds_left=watch.seconds_left)
            watch.lost_its_record()
        elif record is not None and record.status == "ended":
            await watch.settle("client")
        else:
            await watch.stop()

    async def _inheriting(self) -> None:
        """Take over what nobody watches any more."""
        pause = LOOK_SECONDS
        while True:
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 - spreads
            pause = LOOK_SECONDS
            room = min(self.parts.max_watched - len(self._watches), AT_ONCE)
            if room <= 0:
                continue
            asked_at = self.clock()
            try:
                orphans = await self.book.orphans(at_most=room)
                is_outage = self.clock() - asked_at > RENEW_SECONDS
            except StoreUnavailable:
                orphans, is_outage = (), True
            if is_outage:
                # Nobody could renew a lease meanwhile: those who live come first.
                self._patient_until = self.clock() + LEASE_SECONDS
            if self.clock() < self._patient_until:
                continue
            if len(orphans) == AT_ONCE:
                pause = SOON_SECONDS
            for record in orphans:
                call_id = record.facts.id
                if call_id not in self._watches and call_id not in self._adopting:
                    self._adopting.add(call_id)
                    self._spawn(self._adopt(record))

    async def _adopt(self, record: CallRecord) -> None:
        facts, now = record.facts, self.clock()
        ends_by = now + record.seconds_left(now)  # its own `ends_by` is by another's clock
        with contextlib.suppress(StoreUnavailable):  # then it is an orphan still
            try:
                fence = await self.book.lease(facts.id, self.name, seconds=LEASE_SECONDS)
                latest = None if fence is None else await self.book.find(facts.id)
                if fence is None or latest is None or not self._has_room:
                    return
                watch = Watch(facts, None, home=self)
                watch.fence, watch.renew_at = fence, self.clock() + RENEW_SECONDS
                self._watches[facts.id] = watch
            finally:
                self._adopting.discard(facts.id)
            seen = latest.seen
            if not handover.is_offered(latest):
                watch.take_up(self._resumed(facts, ends_by, seen))
                watch.begin()
                return
            watch.begin()
            try:
                seen = await handover.relieve(watch, latest, self.book, self.name)
            finally:
                watch.take_up(self._resumed(facts, ends_by, seen))
                watch.renew_at = 0.0  # asked before it writes: the call may have ended meanwhile

    async def _end(self, loops: tuple[asyncio.Task[None], ...]) -> None:
        tasks = {*loops, *self._tasks}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def _leave_early(
        self, leaving: asyncio.Event | None, inheriting: asyncio.Task[None]
    ) -> None:
        """A server that is told to end may have answers to wait for: calls need not."""
        if leaving is None or not self._handover_seconds:
            return
        await leaving.wait()
        await self._end((inheriting,))
        await self._hand_over()

    async def _hand_over(self) -> None:
        """Let others listen first to what is watched now, for as long as there is time."""
        if not self._handover_seconds:
            return
        until = self.clock() + self._handover_seconds
        async with self._renewing:
            watches = [each for each in self._watches.values() if not each.offered]
            for watch in watches:
                watch.offered = True
            await _in_turns(handover.offer(watch, self.book, self.name) for watch in watches)
        while watches and (not self._leaving or self.clock() < until):
            await asyncio.sleep(POLL_SECONDS)
            await _in_turns(handover.let_go(watch, self.book) for watch in watches)
            watches = [each for each in watches if not each.over]

    async def _drop(self, watch: Watch) -> None:
        """Nobody has come: what is known is written, and whoever finds it goes on from there."""
        with contextlib.suppress(StoreUnavailable):
            await watch.write()
            await self.book.release(watch.facts.id, self.name)
        await watch.stop()

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def rules_of(call: CallFacts, ends_by: float) -> Rules:
    """What the terms of a call ask of its watch, by whose clock it ends at `ends_by`."""
    asked = call.watching
    return Rules(
        ends_by=ends_by,
        limited=call.limited,
        max_idle_seconds=asked.max_idle_seconds,
        warn_seconds=asked.warn_seconds,
        warn_with=asked.warn_with,
        session_drift=asked.session_drift,
        fields=tuple(asked.session),
    )


async def _in_turns(steps: Iterable[Awaitable[None]]) -> None:
    """So many at once, until all are done."""
    turns = iter(steps)
    while some := [*islice(turns, AT_ONCE)]:
        await asyncio.gather(*some)
