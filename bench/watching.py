"""One process with many sidebands: watched calls, or a bare client of `websockets` beside them.

python -m bench.watching bare|watched URL CALLS SECONDS [REDIS_URL]     # prints JSON

Events are counted as they arrive, by both in the same way; so is the CPU that they took.
"""

import asyncio
import base64
import gc
import json
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop
from websockets.asyncio.client import connect

from signaller.logs import Journal
from signaller.metrics import Metrics
from signaller.model import Answer, Deployment, Trace, Watching
from signaller.policy import Places
from signaller.ports import Sideband
from signaller.providers import OpenAI, Sockets, http_client
from signaller.realtime.call_records import CallRecords, SealedBook, new_intent
from signaller.realtime.deployments import Deployments
from signaller.realtime.hangups import Hangups
from signaller.secret import Secret
from signaller.settings import Timeouts
from signaller.stores import RedisStore
from signaller.stores.call_book import RedisCallBook
from signaller.stores.memory_calls import MemoryCallBook
from signaller.supervision.owner import Owner, Parts
from signaller.supervision.prices import our_prices

OPEN_SECONDS = 60.0
"""Until somebody listens to all of them, on a busy machine."""
SETTLE_SECONDS = 5.0
PER_SECOND = 200
"""Calls begun: a storm of handshakes is another matter."""


def main(kind: str, url: str, calls: int, seconds: float, redis_url: str | None = None) -> None:
    """Measure one kind; without a Redis, calls are remembered in memory."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65_536), most))
    measuring = Measuring(calls=calls, seconds=seconds)
    if kind == "watched":
        uvloop.run(_watched(url, measuring, redis_url))
    else:
        uvloop.run(_bare(url, measuring))
    sys.stdout.write(json.dumps(measuring.found))


async def _watched(url: str, measuring: "Measuring", redis_url: str | None) -> None:
    one = Deployment(
        id="d1",
        model_name="voice",
        provider="openai",
        upstream_model="gpt-realtime-2",
        base_url=url,
        api_key=Secret("sk-bench"),
    )
    sockets, client = Sockets(), http_client()
    openai = CountedOpenAI(client, Timeouts(), sockets=sockets)
    openai.measuring = measuring
    upstreams = {one.provider: openai}
    deployments = Deployments((one,), time.time, lambda: 0.5)
    ring = [Secret(base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode())]
    store = None
    if redis_url is not None:
        store = RedisStore.from_url(Secret(redis_url), timeout_seconds=60, clock=time.time)
    book = SealedBook(
        MemoryCallBook(time.time) if store is None else RedisCallBook(store.steps),
        CallRecords(ring),
        time.time,
        kept_seconds=60,
        patience_seconds=20,
    )
    hangups = Hangups(
        access=None,  # type: ignore[arg-type]  # nobody asks for an end here
        deployments=deployments,
        upstreams=upstreams,
        book=book,
        journal=Journal(lambda *_: None),
        clock=time.time,
        call_seconds=5,
    )
    owner = Owner(our_prices(), counts=Metrics(), clock=time.time, handover_seconds=0)
    owner.renew(
        Parts(
            book=book,
            deployments=deployments,
            upstreams=upstreams,
            hangups=hangups,
            max_watched=measuring.calls,
        )
    )

    async def begin() -> None:
        intent = new_intent(
            one,
            credential_fingerprint=deployments.fingerprint_of(one),
            caller="bench",
            model=one.model_name,
            max_call_seconds=None,
            watching=Watching(mode="best_effort", max_idle_seconds=3600),
            now=time.time(),
        )
        await book.begin(intent, Places())
        await owner.begin(await book.answered(intent, Answer(sdp=b"", provider_call_id="x")))

    async with owner.running():
        await measuring.measure(begin)
    if store is not None:
        await store.aclose()
    await sockets.aclose()
    await client.aclose()


async def _bare(url: str, measuring: "Measuring") -> None:
    tasks: set[asyncio.Task[None]] = set()

    async def listen() -> None:
        socket_url = url.replace("http", "ws")
        async with connect(socket_url, compression=None, proxy=None) as connection:
            measuring.opened()
            async for text in connection:
                measuring.count(text)

    async def begin() -> None:
        tasks.add(asyncio.create_task(listen()))

    await measuring.measure(begin)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


class CountedOpenAI(OpenAI):
    """OpenAI, whose sidebands are counted."""

    measuring: "Measuring"

    async def attach(
        self, deployment: Deployment, provider_call_id: str, trace: Trace
    ) -> Sideband | None:
        """Open a call's control connection."""
        sideband = await super().attach(deployment, provider_call_id, trace)
        if sideband is None:
            return None
        self.measuring.opened()
        return Counted(sideband, self.measuring.count)


class Counted:
    """A sideband that tells of each text that arrives (`ports.Sideband`)."""

    def __init__(self, sideband: Sideband, count: Callable[[str], None]) -> None:
        self._sideband, self._count = sideband, count
        self.send, self.close = sideband.send, sideband.close

    @property
    def closed_cleanly(self) -> bool:
        """As the sideband says."""
        return self._sideband.closed_cleanly

    @property
    def mute_seconds(self) -> float:
        """As the sideband says."""
        return self._sideband.mute_seconds

    async def receive(self) -> str | None:
        """The next text."""
        text = await self._sideband.receive()
        if text is not None:
            self._count(text)
        return text


class Measuring:
    """The memory that so many calls take, what arrives within a time, and the CPU that it takes."""

    def __init__(self, *, calls: int, seconds: float) -> None:
        self.calls, self._seconds = calls, seconds
        self._to_open = calls
        self._all_open = asyncio.Event()
        self._events = self._chars = 0
        self.found: dict[str, float] = {}

    def opened(self) -> None:
        """Somebody listens to one more."""
        self._to_open -= 1
        if self._to_open == 0:
            self._all_open.set()

    def count(self, text: str | bytes) -> None:
        """An event has arrived."""
        self._events += 1
        self._chars += len(text)

    async def measure(self, begin: Callable[[], Awaitable[None]]) -> None:
        """Begin the calls, and find out."""
        gc.collect()
        before = _rss_kib()
        for _ in range(self.calls):
            await begin()
            await asyncio.sleep(1 / PER_SECOND)
        async with asyncio.timeout(OPEN_SECONDS):
            await self._all_open.wait()
        await asyncio.sleep(SETTLE_SECONDS)
        self._events = self._chars = 0
        cpu, began_at = time.process_time(), time.monotonic()
        await asyncio.sleep(self._seconds)
        cpu, took_seconds = time.process_time() - cpu, time.monotonic() - began_at
        self.found = {
            "us": cpu / self._events * 1e6,
            "kib": (_rss_kib() - before) / self.calls,
            "events a second": self._events / took_seconds,
            "characters an event": self._chars / self._events,
        }


def _rss_kib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), *sys.argv[5:])
