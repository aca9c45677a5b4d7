"""One process with many sidebands: watched calls, or a bare client of `websockets` beside them.

python -m bench.watching watched|bare URL CALLS SECONDS     # prints JSON
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

from bench.sideband_provider import EVENTS_PER_SECOND
from signaller.logs import Journal
from signaller.model import Answer, CallFacts, Deployment, Watching
from signaller.policy import Places
from signaller.providers import OpenAI, Sockets, http_client
from signaller.realtime.call_records import CallRecords, SealedBook, new_call_id
from signaller.realtime.deployments import Deployments
from signaller.realtime.hangups import Hangups
from signaller.secret import Secret
from signaller.settings import Timeouts
from signaller.stores.memory_calls import MemoryCallBook
from signaller.supervision.owner import Parts, Watches
from signaller.supervision.prices import our_prices

SETTLE_SECONDS = 5.0
PER_SECOND = 200
"""Calls begun: a storm of handshakes is another matter."""


def main(kind: str, url: str, calls: int, seconds: float) -> None:
    """Measure one kind."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 65_536), most))
    uvloop.run({"watched": _watched, "bare": _bare}[kind](url, calls, seconds))


async def _watched(url: str, calls: int, seconds: float) -> None:
    one = Deployment(
        id="d1",
        model_name="voice",
        provider="openai",
        upstream_model="gpt-realtime-2",
        base_url=url,
        api_key=Secret("sk-bench"),
    )
    sockets, client = Sockets(), http_client()
    upstreams = {one.provider: OpenAI(client, Timeouts(), sockets=sockets)}
    deployments = Deployments((one,), time.time, lambda: 0.5)
    ring = [Secret(base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode())]
    book = SealedBook(
        MemoryCallBook(time.time),
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
    watches = Watches(our_prices(), settled=_nobody, unread=_nobody, handover_seconds=0)
    watches.renew(
        Parts(
            book=book,
            deployments=deployments,
            upstreams=upstreams,
            hangups=hangups,
            max_watched=calls,
        )
    )

    async def begin() -> None:
        intent = _intent(one, deployments.fingerprint_of(one))
        await book.begin(intent, Places())
        await watches.begin(await book.answered(intent, Answer(sdp=b"", provider_call_id="x")))

    async with watches.running():
        await _measured(begin, calls, seconds)
    await sockets.aclose()
    await client.aclose()


async def _bare(url: str, calls: int, seconds: float) -> None:
    tasks: set[asyncio.Task[None]] = set()

    async def listen() -> None:
        socket_url = url.replace("http", "ws")
        async with connect(socket_url, compression=None, proxy=None) as connection:
            async for _ in connection:
                pass

    async def begin() -> None:
        tasks.add(asyncio.create_task(listen()))

    await _measured(begin, calls, seconds)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def _measured(begin: Callable[[], Awaitable[None]], calls: int, seconds: float) -> None:
    gc.collect()
    before = _rss_kib()
    for _ in range(calls):
        await begin()
        await asyncio.sleep(1 / PER_SECOND)
    await asyncio.sleep(SETTLE_SECONDS)
    cpu, began_at = time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    cpu, took_seconds = time.process_time() - cpu, time.monotonic() - began_at
    events = calls * EVENTS_PER_SECOND * took_seconds
    found = {"us": cpu / events * 1e6, "kib": (_rss_kib() - before) / calls}
    sys.stdout.write(json.dumps(found))


def _intent(one: Deployment, fingerprint: str) -> CallFacts:
    now = int(time.time())
    return CallFacts(
        id=new_call_id(),
        caller="bench",
        model=one.model_name,
        deployment_id=one.id,
        upstream_model=one.upstream_model,
        credential_fingerprint=fingerprint,
        grant_id=None,
        metadata={},
        started_at=now,
        ends_by=now + 3600,
        limited=False,
        answered=False,
        provider_call_id=None,
        watching=Watching(mode="best_effort", max_idle_seconds=3600),
    )


def _nobody(*_told: object) -> None:
    pass


def _rss_kib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
