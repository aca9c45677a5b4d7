"""Very many requests with one fault in a hundred: afterwards everything is as it was before.

Tasks cannot be seen from outside. Each holds a connection, a descriptor or memory, and the process
waits for them at its end: what is counted here, and how it ends, shows them.
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis

from tests.faults.soak.clients import CLIENTS, Clients
from tests.faults.soak.footprint import Footprint, footprint
from tests.faults.soak.provider import FAILURE, SECRET_SECONDS, LightProvider, light_provider
from tests.support.process import MASTER, PATIENCE_SECONDS, Running, config, served
from tests.support.redis import redis_server
from tests.support.service import token_key

WARM_ROUNDS = 400
"""Every path has been taken, every pool has its size, every cache its first entries."""
SHORT_REQUESTS, LONG_REQUESTS = 3_000, 100_000
TTL_SECONDS = 10
BOOK, CALL = b"signaller:{calls}:", b"signaller:{calls}:call:"
BOOK_SECONDS = 24 * 3600 + 60
"""Calls that have ended are kept for a day."""
MAX_LISTS = 16
"""Of the book, beside a record for each call: none of them is one call's own."""
GROWN_KIB = 8 * 1024
"""Fragments of the allocator; 280 KiB for each fault of the short form, 84 bytes per request of
the long one."""
RESIDENT_KIB = 100 * 1024
"""After 100,000 requests."""
LATE_SECONDS = 20
"""For what should happen at once, on a busy machine; a request in flight may take 51."""
EXPECTED = {200, 201, 401, 502, 503, FAILURE}
"""Well; a token that is none; the provider, or Redis, is away; the provider's own words."""
COMPLAINTS = ("Traceback", "was never", "was destroyed", "Cancel ", "Unclosed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A process on a Redis of its own, before a provider."""

    process: Running
    provider: LightProvider
    redis: Redis
    url: str

    @contextlib.asynccontextmanager
    async def clients(self) -> AsyncIterator[Clients]:
        """Fresh ones, whose connections end with the block."""
        async with httpx.AsyncClient(
            base_url=f"{self.url}/v1/realtime/", timeout=PATIENCE_SECONDS, trust_env=False
        ) as http:
            yield Clients(http=http, key=MASTER, provider=self.provider, redis=self.redis)

    async def at_rest(self, *, descriptors: int | None = None) -> Footprint:
        """The footprint once no client and no provider holds a connection.

        If `descriptors` are given, it is the first footprint that has no more of them.
        """
        self.provider.drop_connections()
        found = footprint(self.process.process.pid)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                calm = 0
                while calm < 10 or (descriptors is not None and found.descriptors > descriptors):
                    await asyncio.sleep(0.1)  # the kernel sends no notice
                    latest = footprint(self.process.process.pid)
                    calm = calm + 1 if latest.descriptors == found.descriptors else 0
                    found = latest
        return found

    async def metrics(self) -> dict[str, float]:
        """Each counter's sum over all its labels."""
        async with httpx.AsyncClient(trust_env=False) as http:
            key = {"authorization": f"Bearer {MASTER}"}
            scraped = await http.get(f"{self.url}/metrics", headers=key)
        assert scraped.status_code == 200
        sums: dict[str, float] = {}
        for family in text_string_to_metric_families(scraped.text):
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0) + sample.value
        return sums


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Redis keeps nothing of other tests, so that every key can be counted."""
    with redis_server() as port:
        redis_url = f"redis://127.0.0.1:{port}/0"
        ours = f"""
signaller:
  redis_url: {redis_url}
  token_keys: [{token_key().reveal()}]
  token: {{ttl_seconds: {TTL_SECONDS}}}
"""
        async with light_provider() as (provider, provider_url), Redis.from_url(redis_url) as redis:
            path = config(tmp_path, provider_url, ours)
            with served("--config", path) as process:
                url = await asyncio.to_thread(process.url)
                yield Scene(process=process, provider=provider, redis=redis, url=url)


@pytest.mark.timeout(1800)
async def test_nothing_is_left_behind(scene: Scene, long: bool) -> None:
    """Threads, descriptors, sockets, memory and keys are back; metrics are what clients counted."""
    async with scene.clients() as warming:
        await warming.run(WARM_ROUNDS)
    before, counted = await scene.at_rest(), await scene.metrics()

    async with scene.clients() as clients:
        await clients.run((LONG_REQUESTS if long else SHORT_REQUESTS) // 2)
    # The pool for Redis may have grown to one connection for each client that asks at once.
    after = await scene.at_rest(descriptors=before.descriptors + CLIENTS)

    assert after.threads == before.threads
    assert after.descriptors <= before.descriptors + CLIENTS
    assert after.sockets <= before.sockets + CLIENTS
    assert after.resident_kib <= before.resident_kib + GROWN_KIB
    assert after.resident_kib <= RESIDENT_KIB
    await keys_expire(scene.redis)
    kept = [key async for key in scene.redis.scan_iter()]
    begun = warming.told["call", 201] + clients.told["call", 201]
    calls = [key for key in kept if key.startswith(CALL)]
    # One for each call, to hang it up by, and for each that may have begun.
    failed = sum((warming.told + clients.told)["call", status] for status in (FAILURE, 502, 504))
    aborted = warming.aborted["call"] + clients.aborted["call"]
    assert begun <= len(calls) <= scene.provider.calls + failed + aborted
    assert len(kept) - len(calls) <= MAX_LISTS
    counts = await scene.metrics()
    agrees(clients, {name: counts[name] - counted.get(name, 0) for name in counts})
    await ends_without_complaint(scene.process)


async def keys_expire(redis: Redis) -> None:
    """Every key has an end within what it stands for, and all but calls come to theirs."""
    left = {key: await redis.pttl(key) for key in [key async for key in redis.scan_iter()]}
    assert left
    for key, milliseconds in left.items():
        lifetime = TTL_SECONDS if key.endswith(b":grant") else SECRET_SECONDS
        lifetime = BOOK_SECONDS if key.startswith(BOOK) else lifetime
        # -2: it has expired since it was listed. -1: it never will.
        assert milliseconds == -2 or 0 <= milliseconds <= lifetime * 1000, key
    async with asyncio.timeout(TTL_SECONDS + LATE_SECONDS):
        while waiting := [key async for key in redis.scan_iter() if not key.startswith(BOOK)]:
            longest = max([await redis.pttl(key) for key in waiting])
            await asyncio.sleep(max(longest, 1) / 1000)  # it sends no notice


def agrees(clients: Clients, counts: dict[str, float]) -> None:
    """What was answered is counted; what was aborted may be."""
    minted, called = clients.told["mint", 200], clients.told["call", 201]
    assert minted <= counts["signaller_mints_total"] <= minted + clients.aborted["mint"]
    assert called <= counts["signaller_calls_total"] <= called + clients.aborted["call"]
    assert counts["signaller_replays_total"] == clients.told["replay", 401] > 0
    aborted = clients.aborted.total()
    assert clients.refused <= counts["signaller_refusals_total"] <= clients.refused + aborted
    assert {status for _, status in clients.told} <= EXPECTED


async def ends_without_complaint(process: Running) -> None:
    """Nothing is in flight, so the end is quick; nothing was dropped on the way."""
    process.send(signal.SIGTERM)
    async with asyncio.timeout(LATE_SECONDS):
        assert await asyncio.to_thread(process.ended) == -signal.SIGTERM
    assert [line for line in process.said if any(word in line for word in COMPLAINTS)] == []
