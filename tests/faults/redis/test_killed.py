"""Redis is killed and comes back under load, without anything of what it held."""

import asyncio
from pathlib import Path

from tests.faults import LONG
from tests.faults.redis.load import refused, under_load
from tests.faults.redis.scene import staged
from tests.faults.redis.servers import keys_without_ttl, kill
from tests.stores.servers import started
from tests.support.redis import free_port

DEATHS = 8 if LONG else 2


async def test_a_redis_that_is_killed_and_started_again(tmp_path: Path) -> None:
    """503 while it is gone and calls soon after, no token twice; nobody restarts a replica."""
    port = free_port()
    async with staged(f"redis://127.0.0.1:{port}/0") as scene:
        for replica in scene.replicas:
            assert await replica.probe("readyz") == 503
        for _ in range(DEATHS):
            with started(tmp_path, port=port) as server:
                await asyncio.gather(*(each.ready() for each in scene.replicas))
                async with under_load(scene) as load:
                    kill(server)
                    await load.sees(refused)
                    for replica in scene.replicas:
                        await replica.ready(503)
                    with started(tmp_path, port=port):
                        await load.heals()
                        assert await asyncio.to_thread(keys_without_ttl, [port]) == 0
                        for replica in scene.replicas:
                            await replica.ready()


async def test_a_redis_that_keeps_its_keys_on_disk(tmp_path: Path) -> None:
    """What was redeemed before it was killed is redeemed when it is back; the rest is good."""
    port, log = free_port(), ("--appendonly", "yes", "--appendfsync", "everysec")
    async with staged(f"redis://127.0.0.1:{port}/0") as scene:
        first, second = scene.replicas
        with started(tmp_path, *log, port=port) as server:
            await first.ready()
            unused = [await first.token() for _ in range(5)]
            async with under_load(scene) as load:
                await load.heals()
                kill(server)
                await load.sees(refused)
                with started(tmp_path, *log, port=port):
                    await load.heals()
                    assert [(await second.call(token)).status for token in unused] == [201] * 5
                    assert await asyncio.to_thread(keys_without_ttl, [port]) == 0
