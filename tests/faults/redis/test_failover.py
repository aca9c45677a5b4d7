"""A master is lost under load, and one of its replicas takes its place."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.faults.redis.load import refused, under_load
from tests.faults.redis.scene import staged
from tests.faults.redis.servers import (
    Failover,
    cluster_of_three,
    keys_without_ttl,
    kill,
    sentinel_trio,
)

Shape = Callable[[Path], AbstractContextManager[Failover]]


shapes = pytest.mark.parametrize(
    "shape", [sentinel_trio, cluster_of_three], ids=["sentinel", "cluster"]
)


@shapes
async def test_a_master_that_is_killed(tmp_path: Path, shape: Shape) -> None:
    """503 until there is another one, then calls at the same replicas; no token twice."""
    with shape(tmp_path) as redis:
        async with staged(redis.url) as scene, under_load(scene) as load:
            kill(redis.master)
            await load.sees(refused)
            left = [each.port for each in redis.servers if each is not redis.master]
            for replica in scene.replicas:
                await replica.ready()
            await load.heals()
            assert await asyncio.to_thread(keys_without_ttl, left) == 0
