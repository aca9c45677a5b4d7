"""A store that is gone for a while takes no call from whoever watches it."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from signaller.errors import StoreUnavailable
from signaller.logs import Journal
from signaller.model import (
    Answer,
    CallFacts,
    Deployment,
    Kept,
    Trace,
    Watching,
)
from signaller.policy import Places
from signaller.realtime.call_records import HEIR_SECONDS, CallRecords, SealedBook, new_call_id
from signaller.realtime.deployments import Deployments
from signaller.realtime.hangups import Hangups
from signaller.stores.memory_calls import MemoryCallBook
from signaller.supervision.machine import Watched
from signaller.supervision.owner import LEASE_SECONDS, Parts, Watches, rules_of
from signaller.supervision.prices import our_prices
from signaller.supervision.watch import Watch
from tests.metrics.doubles import FakeUpstream
from tests.support.service import deployment, token_key


class Line:
    """A sideband on which nothing is said (`ports.Sideband`)."""

    closed_cleanly = False

    async def receive(self) -> str | None:
        """Nothing, ever."""
        await asyncio.Event().wait()
        return None

    async def send(self, text: str) -> bool:
        """Heard by nobody."""
        return bool(text)

    async def close(self) -> None:
        """Nothing."""


class Attaching(FakeUpstream):
    """Lets everybody attach, and counts them."""

    attached = 0

    async def attach(
        self, deployment: Deployment, provider_call_id: str, trace: Trace
    ) -> Line | None:
        """A silent one."""
        self.attached += 1
        return Line()


class Gate(MemoryCallBook):
    """A book that can be out of reach."""

    shut = False

    async def lease(self, call_id: str, owner: str, *, seconds: float) -> int | None:
        """`MemoryCallBook.lease`."""
        self._pass()
        return await super().lease(call_id, owner, seconds=seconds)

    async def find(self, call_id: str) -> Kept | None:
        """`MemoryCallBook.find`."""
        self._pass()
        return await super().find(call_id)

    async def orphans(self, *, at_most: int) -> Sequence[Kept]:
        """`MemoryCallBook.orphans`."""
        self._pass()
        return await super().orphans(at_most=at_most)

    async def saw(self, call_id: str, seen: str, *, fence: int, event: str | None) -> bool:
        """`MemoryCallBook.saw`."""
        self._pass()
        return await super().saw(call_id, seen, fence=fence, event=event)

    def _pass(self) -> None:
        if self.shut:
            raise StoreUnavailable("the gate is shut")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Two processes, one book, and an intent to call."""

    gate: Gate
    upstream: Attaching
    book: SealedBook
    replicas: Sequence[Watches]
    intent: CallFacts
    counted: list[str]
    """The calls whose usage was counted, as often as it was."""

    async def call(self) -> CallFacts:
        """It has been answered."""
        await self.book.begin(self.intent, Places())
        return await self.book.answered(self.intent, Answer(sdp=b"", provider_call_id="theirs"))


def nobody(*_told: object) -> None:
    """Whoever counts what is of no interest here."""


def scene(watching: Watching) -> Scene:
    """As `app.py` puts them together."""
    counted: list[str] = []

    def count(call: CallFacts, _tokens: Mapping[str, int], _usd: Decimal | None) -> None:
        counted.append(call.id)

    gate, upstream = Gate(time.time), Attaching()
    one = deployment("http://provider.invalid")
    deployments = Deployments((one,), time.time, lambda: 0.5)
    book = SealedBook(
        gate, CallRecords([token_key()]), time.time, kept_seconds=60, patience_seconds=20
    )
    replicas = [
        Watches(our_prices(), settled=count, unread=nobody, handover_seconds=0) for _ in range(2)
    ]
    hangups = Hangups(
        access=None,  # type: ignore[arg-type]  # no client asks for an end here
        deployments=deployments,
        upstreams={"openai": upstream},
        book=book,
        journal=Journal(lambda *_: None),
        clock=time.time,
        call_seconds=1,
    )
    for replica in replicas:
        replica.renew(
            Parts(
                book=book,
                deployments=deployments,
                upstreams={"openai": upstream},
                hangups=hangups,
                max_watched=100,
            )
        )
    now = int(time.time())
    intent = CallFacts(
        id=new_call_id(),
        caller="web",
        model="voice",
        deployment_id=one.id,
        upstream_model=one.upstream_model,
        credential_fingerprint=deployments.fingerprint_of(one),
        grant_id=None,
        metadata={},
        started_at=now,
        ends_by=now + 3600,
        limited=False,
        answered=False,
        provider_call_id=None,
        watching=watching,
    )
    return Scene(
        gate=gate,
        upstream=upstream,
        book=book,
        replicas=replicas,
        intent=intent,
        counted=counted,
    )


async def test_whoever_watched_before_an_outage_watches_after_it() -> None:
    """All leases have run out meanwhile; nobody attaches anew, and no gap is made."""
    this = scene(Watching(mode="best_effort"))
    book, gate, (owner, other) = this.book, this.gate, this.replicas
    async with owner.running(), other.running():
        call = await this.call()
        await owner.begin(call)
        async with asyncio.timeout(5):
            while not (record := await book.find(call.id)) or not record.seen:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        gate.shut = True
        await asyncio.sleep(LEASE_SECONDS + 2)
        gate.shut = False
        await asyncio.sleep(4)
        assert this.upstream.attached == 1
        assert owner.seen_here(call.id) is not None
        assert other.seen_here(call.id) is None
        found = await book.find(call.id)
    assert found is not None
    shown = found.as_json()
    assert (shown["supervision"], shown["gaps"]) == ("watched", [])


async def test_a_call_that_ends_twice_is_counted_once() -> None:
    """By the socket, by the lease, and by whoever takes it up again since its end was not kept."""
    this = scene(Watching(mode="best_effort"))
    owner = this.replicas[0]
    call = await this.call()
    for _ in range(2):
        decides = Watched.begin(
            rules_of(call), now=time.time(), prices=None, price_list=our_prices()
        )
        watch = Watch(call, decides, home=owner)
        await watch.settle("client")
        await watch.settle("client")
    assert this.counted == [call.id]


async def test_an_end_that_falls_into_an_outage_is_asked_for_after_it() -> None:
    """Only this watch knows that the call is idle: it goes on asking until somebody else does."""
    this = scene(Watching(mode="best_effort", max_idle_seconds=2))
    owner = this.replicas[0]
    async with owner.running():
        call = await this.call()
        await owner.begin(call)
        async with asyncio.timeout(5):
            while not (record := await this.book.find(call.id)) or not record.seen:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        this.gate.shut = True
        await asyncio.sleep(4)
        this.gate.shut = False
        async with asyncio.timeout(12):
            while (record := await this.book.find(call.id)) and record.status != "ended":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            while not this.counted:  # noqa: ASYNC110 - with the next look at the lease
                await asyncio.sleep(0.05)
    assert record is not None
    assert record.state.ended_by == "idle"


async def test_a_call_whose_process_died_before_its_first_lease_has_an_heir() -> None:
    """Nobody has ever watched it, and it wants to be."""
    this = scene(Watching(mode="best_effort"))
    _, heir = this.replicas
    async with heir.running():
        call = await this.call()
        async with asyncio.timeout(HEIR_SECONDS + 5):
            while heir.seen_here(call.id) is None:  # noqa: ASYNC110 - others have no way to hear
                await asyncio.sleep(0.05)
