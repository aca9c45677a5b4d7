"""Very many short calls under the watch: nothing of them is left behind."""

import asyncio
import os

import pytest
from redis.asyncio import Redis

from signaller.secret import Secret
from signaller.settings import CallSettings, TokenSettings
from tests.faults import LONG
from tests.faults.clients.attacked import until
from tests.faults.soak.footprint import footprint, running_tasks
from tests.support.redis import redis_server
from tests.support.service import MASTER_KEY, Service, bearer, running

CALLS = 10_000 if LONG else 200
AT_ONCE = 20
KEPT_SECONDS, TTL_SECONDS = 2, 10
PATIENCE_SECONDS = 60
LISTS = {b"feed", b"moment"}
"""Of the book: what is there however many calls there were."""


@pytest.mark.timeout(3600 if LONG else 120)
async def test_short_calls_leave_nothing() -> None:
    """No task, no socket and no key, whether their client, their caller or nobody hung up."""
    with redis_server() as port:
        url = Secret(f"redis://127.0.0.1:{port}/0")
        async with (
            Redis(port=port) as redis,
            running(
                redis_url=url,
                supervision="best_effort",
                calls=CallSettings(kept_seconds=KEPT_SECONDS),
                token=TokenSettings(ttl_seconds=TTL_SECONDS),
            ) as service,
        ):
            await some_calls(service)  # what stays has begun now
            await all_ended(service)
            tasks, sockets = running_tasks(), footprint(os.getpid()).sockets
            for _ in range(CALLS // AT_ONCE):
                await some_calls(service)
            await all_ended(service)
            await until(lambda: running_tasks() <= tasks, seconds=PATIENCE_SECONDS)
            # The pools, here and at the provider, have grown to what was needed at once.
            assert footprint(os.getpid()).sockets <= sockets + 4 * AT_ONCE
            await no_key_is_left(redis)


async def some_calls(service: Service) -> None:
    """A batch: a third ends by its token, a third by its caller, the rest is simply gone."""
    provider, before = service.provider, set(service.provider.live_calls)
    tokens = [await service.token() for _ in range(AT_ONCE)]
    begun = await asyncio.gather(*(service.call(token) for token in tokens))
    assert [response.status_code for response in begun] == [201] * AT_ONCE
    theirs = provider.live_calls - before
    for call_id in theirs:
        await provider.sidebands.attached(call_id, seconds=PATIENCE_SECONDS)
        provider.sidebands.responds(call_id)
    for number, (token, response) in enumerate(zip(tokens, begun, strict=True)):
        if number % 3 < 2:
            key = token if number % 3 else MASTER_KEY
            assert await service.ended(response.headers["location"], key) == 200
    for call_id in theirs & provider.live_calls:
        provider.ends(call_id)
    service.seen.clear()


async def all_ended(service: Service) -> None:
    """Return once the service knows of no call that goes on."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        live = True
        while live:
            listed = await service.client.get(
                "/v1/realtime/calls?status=live&limit=1", headers=bearer(MASTER_KEY)
            )
            live = bool(listed.json()["data"])


async def no_key_is_left(redis: Redis) -> None:
    """Return once there are only keys that are no call's and no token's."""
    found: list[bytes] = []
    async with asyncio.timeout(PATIENCE_SECONDS + TTL_SECONDS):
        while True:
            found = [key async for key in redis.scan_iter()]
            assert -1 not in [await redis.pttl(key) for key in found], "a key that never ends"
            if {key.rpartition(b":")[2] for key in found} <= LISTS:
                return
            await asyncio.sleep(0.2)  # it sends no notice
