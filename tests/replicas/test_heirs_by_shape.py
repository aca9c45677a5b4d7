"""A watch has an heir on a Redis of any shape, and though that loses its master meanwhile."""

import asyncio
import time
from pathlib import Path

import httpx

from tests.faults.redis.servers import Failover, cluster_of_three, kill, sentinel_trio
from tests.replicas.fleet import fleet_of
from tests.replicas.watching import begun, ended, settled, until

HEIR_SECONDS, SLACK_SECONDS = 15.0, 1.5
FAILOVER_SECONDS = 10
"""For a Sentinel to find another master, on a machine that is busy; 3 as a rule."""


async def test_a_killed_owner_has_an_heir_on_sentinel_and_on_cluster(tmp_path: Path) -> None:
    """15 s after there is a master the heir listens, and the call ends at its moment (±1.5 s)."""
    for name in ("sentinel", "cluster"):
        (tmp_path / name / "replicas").mkdir(parents=True)
    with (
        sentinel_trio(tmp_path / "sentinel") as trio,
        cluster_of_three(tmp_path / "cluster") as cluster,
    ):
        # At the same time: most of it is waiting, for a lease to run out and for the call's moment.
        async with asyncio.TaskGroup() as both:
            for redis, name in ((trio, "sentinel"), (cluster, "cluster")):
                folder, fails_over = tmp_path / name / "replicas", redis is trio
                both.create_task(_inherited(redis, folder, fails_over=fails_over))


async def _inherited(redis: Failover, folder: Path, *, fails_over: bool) -> None:
    async with fleet_of(2, folder, redis.url) as fleet:
        owner, heir = fleet.replicas
        bands = fleet.provider.sidebands
        # Longer than it may take until somebody else watches.
        seconds = int(HEIR_SECONDS) + (FAILOVER_SECONDS if fails_over else 0) + 3
        ((call_id, theirs),) = await begun(fleet, owner, max_call_seconds=seconds)
        answered_at = time.monotonic()
        bands.responds(theirs)
        await settled(heir, call_id, 1)
        await owner.kill()
        there_at = time.monotonic()
        await bands.attached(theirs, 0)
        if fails_over:
            kill(redis.master)
            await _ready(heir.client)
            there_at = time.monotonic()
        await bands.attached(theirs, seconds=HEIR_SECONDS + there_at - time.monotonic())
        bands.responds(theirs)
        await fleet.provider.hangup.arrived()
        assert abs(time.monotonic() - answered_at - seconds) <= SLACK_SECONDS
        await until(heir, call_id, ended)
        # What the heir has not written yet is a second gap until it has.
        call = await until(heir, call_id, lambda call: len(call["gaps"]) == 1)
        assert (call["ended_by"], call["usage"]["responses"]) == ("length", 2)
        assert call["usage"]["label"] == "partial"
        assert len(fleet.provider.hangup.requests) == 1
        assert fleet.provider.live_calls == set()


async def _ready(client: httpx.AsyncClient) -> None:
    """Return once there is a master again, and the replica has found it."""
    async with asyncio.timeout(60):
        while (await client.get("/readyz")).status_code != 503:
            pass  # asking takes its time
        while (await client.get("/readyz")).status_code != 200:
            pass
