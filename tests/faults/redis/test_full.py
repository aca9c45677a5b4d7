"""Redis is at its maxmemory and refuses to forget anything for us."""

import asyncio
from pathlib import Path

from tests.faults.redis.load import refused, under_load
from tests.faults.redis.replica import is_store_refusal
from tests.faults.redis.scene import staged
from tests.faults.redis.servers import keys_without_ttl
from tests.stores.servers import asking, started
from tests.support.service import bearer

NOEVICTION = ("--maxmemory-policy", "noeviction")


async def test_a_redis_that_fills_up_and_is_emptied(tmp_path: Path) -> None:
    """Nothing is minted and no call begins while it is full; then all is as before."""
    with started(tmp_path, *NOEVICTION) as server, asking(server.port) as redis:
        url = f"redis://127.0.0.1:{server.port}/0"
        async with staged(url) as scene, under_load(scene) as load:
            await asyncio.to_thread(redis.config_set, "maxmemory", 1)
            await load.sees(refused)
            for replica in scene.replicas:
                await replica.ready(503)
            asked = len(scene.provider.mint.requests)
            await load.sees(refused)
            assert len(scene.provider.mint.requests) == asked
            await asyncio.to_thread(redis.config_set, "maxmemory", 0)
            for replica in scene.replicas:
                await replica.ready()
            await load.heals()
            assert await asyncio.to_thread(keys_without_ttl, [server.port]) == 0


async def test_a_token_outlasts_a_full_redis_and_can_be_revoked_in_it(tmp_path: Path) -> None:
    """A redemption that finds no room takes nothing away; a revocation needs no room."""
    with started(tmp_path, *NOEVICTION) as server, asking(server.port) as redis:
        async with staged(f"redis://127.0.0.1:{server.port}/0") as scene:
            first, second = scene.replicas
            good, leaked = await first.token(), await first.token()
            redis.config_set("maxmemory", 1)
            assert is_store_refusal(await second.call(good))
            assert (await second.introspect(good)).response.json()["uses_left"] == 1
            assert (await second.revoke(leaked)).status == 200
            redis.config_set("maxmemory", 0)
            assert [(await first.call(good)).status for _ in range(2)] == [201, 401]
            assert (await first.call(leaked)).status == 401
            scene.holds()


async def test_hangups_in_a_full_redis_are_no_flood(tmp_path: Path) -> None:
    """An attempt that cannot be counted is made all the same, once in a while at each replica."""
    with started(tmp_path, *NOEVICTION) as server, asking(server.port) as redis:
        async with staged(f"redis://127.0.0.1:{server.port}/0") as scene:
            replica = scene.replicas[0]
            token = await replica.token()
            location = (await replica.call(token)).response.headers["location"]
            scene.provider.hangup.answers(500, {})
            redis.config_set("maxmemory", 1)
            statuses = [
                (await replica.client.delete(location, headers=bearer(token))).status_code
                for _ in range(30)
            ]
            assert statuses == [502] * 30
            assert len(scene.provider.hangup.requests) == 1
