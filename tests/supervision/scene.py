"""Two processes that watch the calls of one book, at a provider whose sidebands a test speaks."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from signaller.app import steady
from signaller.errors import StoreUnavailable
from signaller.logs import Journal
from signaller.metrics import Metrics
from signaller.model import (
    Answer,
    CallEntry,
    CallFacts,
    CallState,
    Deployment,
    Kept,
    Trace,
    Watching,
)
from signaller.policy import Places
from signaller.realtime.call_records import (
    CallRecord,
    CallRecords,
    SealedBook,
    new_intent,
)
from signaller.realtime.deployments import Deployments
from signaller.realtime.hangups import Hangups
from signaller.stores.memory_calls import MemoryCallBook
from signaller.supervision.owner import Owner, Parts
from signaller.supervision.prices import our_prices
from tests.metrics.doubles import FakeUpstream
from tests.support.service import deployment, token_key

OVER = CallState(ending=None, ended_at=int(time.time()), ended_by="operator")
"""A call that somebody has ended elsewhere."""


async def until(holds: Callable[[], bool]) -> None:
    """Return once something is so."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


class Line:
    """A sideband (`ports.Sideband`) on which nothing is said, unless a test does."""

    closed_cleanly = False
    mute_seconds = 0.0

    def __init__(self, *says: str | None) -> None:
        self.says: asyncio.Queue[str | None] = asyncio.Queue()
        for text in says:
            self.says.put_nowait(text)

    async def receive(self) -> str | None:
        """What is said next; None: it is closed."""
        return await self.says.get()

    async def tells(self, *texts: str | None) -> None:
        """Say this, and return once whoever listens has made of it what there is to be made."""
        for text in texts:
            self.says.put_nowait(text)
        await until(self.says.empty)

    def closes(self, *, cleanly: bool) -> None:
        """With a word or without; what was said before is heard first."""
        self.closed_cleanly = cleanly
        self.says.put_nowait(None)

    async def send(self, text: str) -> bool:
        """Heard by nobody."""
        return bool(text)

    async def close(self) -> None:
        """Nothing."""


class Attaching(FakeUpstream):
    """Lets everybody attach, and counts them."""

    attached = 0

    def __init__(self) -> None:
        super().__init__()
        self.line = Line()
        """The last one."""
        self.lets = asyncio.Event()
        """Whether the next one has to wait."""
        self.lets.set()
        self.knows_call = True

    async def attach(
        self, deployment: Deployment, provider_call_id: str, trace: Trace
    ) -> Line | None:
        """A silent one."""
        self.attached += 1
        await self.lets.wait()
        if not self.knows_call:
            return None
        self.line = Line()
        return self.line


class Gate(MemoryCallBook):
    """A book that can be out of reach."""

    shut = False
    looks = 0
    look_takes: Callable[[], None] = staticmethod(lambda: None)
    """Called while it looks for orphans."""
    leases = 0
    """Those that were asked for."""
    lets_lease: asyncio.Event
    """Whether leases have to wait."""
    ends = loses_replies = 0
    """Ends that were asked for, and how many of their replies will be lost from now on."""

    async def lease(self, call_id: str, owner: str, *, seconds: float) -> int | None:
        """`MemoryCallBook.lease`."""
        self._pass()
        self.leases += 1
        await self.lets_lease.wait()
        return await super().lease(call_id, owner, seconds=seconds)

    async def find(self, call_id: str) -> Kept | None:
        """`MemoryCallBook.find`."""
        self._pass()
        return await super().find(call_id)

    async def orphans(self, *, at_most: int) -> Sequence[Kept]:
        """`MemoryCallBook.orphans`."""
        self._pass()
        self.looks += 1
        self.look_takes()
        return await super().orphans(at_most=at_most)

    async def saw(
        self, call_id: str, seen: str, *, fence: int, event: str | None, ended: bool = False
    ) -> bool:
        """`MemoryCallBook.saw`."""
        self._pass()
        return await super().saw(call_id, seen, fence=fence, event=event, ended=ended)

    async def end(self, entry: CallEntry, state: str, *, kept_seconds: int, event: str) -> bool:
        """`MemoryCallBook.end`."""
        self.ends += 1
        first = await super().end(entry, state, kept_seconds=kept_seconds, event=event)
        if self.loses_replies:
            self.loses_replies -= 1
            raise StoreUnavailable("the reply was lost")
        return first

    def _pass(self) -> None:
        if self.shut:
            raise StoreUnavailable("the gate is shut")


class Hands:
    """A clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        """Seconds since whenever."""
        return self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Two processes, one book, and an intent to call."""

    gate: Gate
    upstream: Attaching
    book: SealedBook
    replicas: Sequence[Owner]
    intent: CallFacts
    counted: list[str]
    """The calls whose usage was counted, as often as it was."""

    async def call(self) -> CallFacts:
        """It has been answered."""
        await self.book.begin(self.intent, Places())
        return await self.book.answered(self.intent, Answer(sdp=b"", provider_call_id="theirs"))

    async def until_it_shows(
        self, call: CallFacts, holds: Callable[[CallRecord], bool]
    ) -> CallRecord:
        """A call's record, once something holds of it."""
        async with asyncio.timeout(30):
            while not (record := await self.book.find(call.id)) or not holds(record):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return record


def scene(
    watching: Watching,
    *,
    handover_seconds: float = 0,
    max_watched: int = 100,
    monotonic: Callable[[], float] = time.monotonic,
) -> Scene:
    """As `app.py` puts them together."""
    counted: list[str] = []

    def count(event: str, fields: Mapping[str, object], _error: BaseException | None) -> None:
        if event in {"call_ended", "call_recounted"}:
            counted.append(str(fields["call"]))

    gate, upstream = Gate(time.time), Attaching()
    gate.lets_lease = asyncio.Event()
    gate.lets_lease.set()
    one = deployment("http://provider.invalid")
    deployments = Deployments((one,), time.time, lambda: 0.5)
    book = SealedBook(
        gate, CallRecords([token_key()]), time.time, kept_seconds=60, patience_seconds=20
    )
    replicas = [
        Owner(
            our_prices(),
            counts=Metrics(),
            handover_seconds=handover_seconds,
            clock=steady(time.time, monotonic),
        )
        for _ in range(2)
    ]
    hangups = Hangups(
        access=None,  # type: ignore[arg-type]  # no client asks for an end here
        deployments=deployments,
        upstreams={"openai": upstream},
        book=book,
        journal=Journal(count),
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
                max_watched=max_watched,
            )
        )
    intent = new_intent(
        one,
        credential_fingerprint=deployments.fingerprint_of(one),
        caller="web",
        model="voice",
        max_call_seconds=None,
        watching=watching,
        now=time.time(),
    )
    return Scene(
        gate=gate,
        upstream=upstream,
        book=book,
        replicas=replicas,
        intent=intent,
        counted=counted,
    )
