"""`?replicas=1`: what a token has been used for is known to more than one Redis, or refused."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from signaller.errors import ConfigError
from signaller.secret import Secret
from signaller.stores.urls import parse_redis_url
from tests.faults import LONG
from tests.faults.redis.load import refused, under_load
from tests.faults.redis.replica import is_store_refusal
from tests.faults.redis.scene import Scene, staged
from tests.faults.redis.servers import Failover, cluster_of_three, frozen, kill, sentinel_trio
from tests.stores.servers import started

ROUNDS = 3 if LONG else 1
LONG_LIFE = {"expires_after": {"anchor": "created_at", "seconds": 600}}


async def tokens_of(scene: Scene) -> list[str]:
    """So many that every part of a Cluster has some."""
    return [await scene.replicas[0].token(**LONG_LIFE) for _ in range(20)]


async def test_a_master_that_thaws_after_it_was_given_up(tmp_path: Path) -> None:
    """It believes that it is the master still; nothing that is redeemed there counts."""
    for number in range(ROUNDS):
        (folder := tmp_path / str(number)).mkdir()
        with sentinel_trio(folder) as redis:
            async with staged(f"{redis.url}?replicas=1") as scene:
                first, second = scene.replicas
                tokens = await tokens_of(scene)
                await second.ready()  # it has a connection to the master, and keeps it
                with frozen(redis.master):
                    await first.ready(503)
                    await first.ready()
                    assert {(await first.call(token)).status for token in tokens} == {201}
                assert {(await second.call(token)).status for token in tokens} <= {401, 503}
                await second.ready()
                assert {(await second.call(token)).status for token in tokens} == {401}
                scene.holds()


async def test_a_master_that_is_killed(tmp_path: Path) -> None:
    """As without it: 503 until there is another one that has a replica, no token twice."""
    with sentinel_trio(tmp_path) as redis:
        async with staged(f"{redis.url}?replicas=1") as scene, under_load(scene) as load:
            kill(redis.master)
            await load.sees(refused)
            await load.heals()


async def test_each_part_of_a_cluster_has_a_replica(tmp_path: Path) -> None:
    """A token begins one call, is revoked for good, and is taken while all of them are there."""
    with cluster_of_three(tmp_path) as redis:
        async with staged(f"{redis.url}?replicas=1") as scene:
            first, second = scene.replicas
            async with asyncio.timeout(60):  # a replica is `online` before it acknowledges
                while {(await first.mint()).status for _ in range(20)} != {200}:
                    pass
            outcomes = [
                [(await each.call(token)).status for each in (first, second)]
                for token in await tokens_of(scene)
            ]
            # A replica that a busy machine holds up is a 503, never a second call.
            assert all(outcome.count(201) <= 1 for outcome in outcomes)
            assert [201, 401] in outcomes
            revoked = await first.token()
            assert (await second.revoke(revoked)).status == 200
            assert (await first.call(revoked)).status == 401
            with contextlib.ExitStack() as stack:
                for replica in redis.servers[3:]:
                    stack.enter_context(frozen(replica))
                assert is_store_refusal(await first.mint())
            await first.ready()
            scene.holds()


async def test_without_a_replica_nothing_is_minted_and_nothing_redeemed(tmp_path: Path) -> None:
    """Both of them frozen: readiness is red, tokens begin no call, liveness is green."""
    with sentinel_trio(tmp_path) as redis:
        async with staged(f"{redis.url}?replicas=1") as scene:
            await no_replica(scene, redis)


async def no_replica(scene: Scene, redis: Failover) -> None:
    """What happens while there is none."""
    first, second = scene.replicas
    token, other = await first.token(**LONG_LIFE), await first.token(**LONG_LIFE)
    _, *replicas = redis.servers
    with frozen(replicas[0]):
        assert (await second.call(other)).status == 201  # one of two is enough
        with frozen(replicas[1]):
            assert is_store_refusal(await first.mint())
            assert is_store_refusal(await second.call(token))
            assert is_store_refusal(await second.revoke(token))
            assert [await first.probe(name) for name in ("readyz", "healthz")] == [503, 200]
    await first.ready()
    assert scene.attempts_with(token) == 0
    scene.holds()


async def test_a_redis_that_never_had_a_replica_is_not_ready(tmp_path: Path) -> None:
    """The operator asked for one: it shows before the first token, not at the first failover."""
    with started(tmp_path) as server:
        url = f"redis://127.0.0.1:{server.port}"
        async with staged(f"{url}?replicas=1") as strict, staged(url) as plain:
            assert await strict.replicas[0].probe("readyz") == 503
            assert is_store_refusal(await strict.replicas[0].mint())
            assert strict.provider.requests == []
            assert await plain.replicas[0].probe("readyz") == 200


@pytest.mark.parametrize("scheme", ["redis://h", "redis+sentinel://h/voice", "redis+cluster://h"])
def test_how_many_must_know_is_a_digit(scheme: str) -> None:
    """None unless it is said, and no text of the URL in a message."""
    assert parse_redis_url(Secret(scheme)).replicas == 0
    assert parse_redis_url(Secret(f"{scheme}?replicas=2")).replicas == 2
    for wrong in ("", "x", "10", "-1", "\u0662"):
        with pytest.raises(ConfigError, match="replicas=<how many must know, 0 to 9>"):
            parse_redis_url(Secret(f"{scheme}?replicas={wrong}"))
