"""Books of calls for tests, and time as their stores see it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from signaller.model import CallEntry
from signaller.ports import CallBook
from signaller.secret import Secret
from signaller.stores import RedisStore
from signaller.stores.call_book import RedisCallBook
from signaller.stores.memory_calls import MemoryCallBook
from tests.stores.making import SetClock
from tests.stores.servers import asking, port_of, ports_of_cluster

ENTRY = CallEntry(
    id="rtc_1", caller="web", model="voice", began_at=1_800_000_000, ends_by=4_000_000_000
)
KEPT_SECONDS = 3600

Step = Callable[[CallBook], Coroutine[Any, Any, object]]
STEPS: dict[str, Step] = {
    "begin": lambda book: book.begin(ENTRY, "facts", at_most=5),
    "answered": lambda book: book.answered(ENTRY, "facts", "event"),
    "find": lambda book: book.find(ENTRY.id),
    "list": lambda book: book.list(caller=None, live=None, after=None, limit=10),
    "begin_ending": lambda book: book.begin_ending(ENTRY.id, "state", seconds=1),
    "pause_ending": lambda book: book.pause_ending(ENTRY.id, seconds=1),
    "due": lambda book: book.due(seconds=1, at_most=5),
    "lease": lambda book: book.lease(ENTRY.id, "me", seconds=1),
    "release": lambda book: book.release(ENTRY.id, "me"),
    "orphans": lambda book: book.orphans(at_most=5),
    "saw": lambda book: book.saw(ENTRY.id, "seen", fence=1, event="event"),
    "events": lambda book: book.events("", at_most=5, wait_seconds=60),
    "first_event": lambda book: book.first_event(),
    "last_event": lambda book: book.last_event(),
    "live": lambda book: book.live(),
    "end": lambda book: book.end(ENTRY, "state", kept_seconds=KEPT_SECONDS, event="event"),
    "withdraw": lambda book: book.withdraw(ENTRY),
}
"""Each step of a book, in an order in which each has something to do."""


@dataclass(frozen=True, slots=True)
class Books:
    """Three replicas' views of one book (in memory there is but one), and its clock."""

    views: Sequence[CallBook]
    now: Callable[[], Awaitable[float]]
    """The store's own time: Unix seconds."""
    wait_until: Callable[[float], Awaitable[None]]
    """Return when that moment is past in the store's own time."""
    size: Callable[[], Awaitable[int]]
    """How many calls it keeps in memory, how many keys in Redis."""

    @property
    def one(self) -> CallBook:
        """One of the views."""
        return self.views[0]

    async def pass_by(self, seconds: float) -> None:
        """Let so much time go by."""
        await self.wait_until(await self.now() + seconds)

    async def entry(
        self, *, caller: str = "web", model: str = "gpt-realtime", lives_seconds: int = 3600
    ) -> CallEntry:
        """A call of its own id that begins now."""
        now = int(await self.now())
        return CallEntry(
            id=f"rtc_{uuid4().hex[:24]}",
            caller=caller,
            model=model,
            began_at=now,
            ends_by=now + lives_seconds,
        )

    async def begun(
        self, *, caller: str = "web", model: str = "gpt-realtime", lives_seconds: int = 3600
    ) -> CallEntry:
        """One that has been written down."""
        entry = await self.entry(caller=caller, model=model, lives_seconds=lives_seconds)
        assert await self.one.begin(entry, "intent", at_most=None) is None
        return entry

    async def ended(self, *, caller: str = "web", kept_seconds: int = 3600) -> CallEntry:
        """One that has ended."""
        entry = await self.begun(caller=caller)
        assert await self.one.end(entry, "over", kept_seconds=kept_seconds, event="ended")
        return entry


def in_memory(view: MemoryCallBook, clock: SetClock) -> Books:
    """The only view; its time goes by in no time."""

    async def now() -> float:
        return clock()

    async def wait_until(moment: float) -> None:
        clock.now = max(clock.now, moment + 0.001)

    async def size() -> int:
        return len(view)

    return Books([view] * 3, now, wait_until, size)


@contextlib.asynccontextmanager
async def in_redis(url: str) -> AsyncIterator[Books]:
    """Views over connections of their own; Redis runs on this machine, so its time is ours."""

    async def now() -> float:
        return time.time()

    async def wait_until(moment: float) -> None:
        await asyncio.sleep(moment - time.time() + 0.01)  # time itself is what is waited for

    async def size() -> int:
        return len([key for port in ports for key in keys_of(port)])

    stores = [RedisStore.from_url(Secret(url), timeout_seconds=5, clock=time.time) for _ in "abc"]
    await stores[0].ping()
    ports = await asyncio.to_thread(servers_of, url)
    empty(ports)
    try:
        views = [RedisCallBook(store.steps) for store in stores]
        yield Books(views, now, wait_until, size)
    finally:
        for store in stores:
            await store.aclose()
        empty(ports)


def servers_of(url: str) -> list[int]:
    """The ports of those that have keys."""
    if url.startswith("redis+cluster"):
        return ports_of_cluster(url)
    if url.startswith("redis+sentinel"):
        with asking(port_of(url.partition("/voice")[0])) as sentinel:
            return [int(sentinel.sentinel_masters()["voice"]["port"])]
    return [port_of(url)]


def keys_of(port: int) -> Sequence[str]:
    """The book's at one server."""
    with asking(port) as redis:
        return list(redis.scan_iter("signaller:{calls}:*", count=1000))


def empty(ports: Iterable[int]) -> None:
    """Leave no book at any of these servers."""
    for port in ports:
        with asking(port) as redis:
            for key in keys_of(port):
                redis.delete(key)
