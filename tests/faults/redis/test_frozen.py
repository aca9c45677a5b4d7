"""Redis stops under load as if its machine had, and goes on later as if nothing had been."""

import asyncio
import time
from pathlib import Path

from tests.faults import LONG
from tests.faults.redis.load import refused, under_load
from tests.faults.redis.scene import staged
from tests.faults.redis.servers import frozen, keys_without_ttl
from tests.stores.servers import started

FROZEN_SECONDS = 5 if LONG else 1.5


async def test_a_redis_that_freezes(tmp_path: Path) -> None:
    """No request waits for it longer than its time-outs; what Redis does late harms nobody."""
    with started(tmp_path) as server:
        url = f"redis://127.0.0.1:{server.port}/0"
        async with staged(url) as scene, under_load(scene) as load:
            with frozen(server):
                thaws_at = time.monotonic() + FROZEN_SECONDS
                while time.monotonic() < thaws_at:
                    await load.sees(refused)
                    for replica in scene.replicas:
                        await replica.ready(503)
            for replica in scene.replicas:
                await replica.ready()
            await load.heals()
            assert await asyncio.to_thread(keys_without_ttl, [server.port]) == 0
