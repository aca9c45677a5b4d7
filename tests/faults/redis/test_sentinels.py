"""Sentinels come and go: as long as one of them lives, the master is found."""

import asyncio
import time
from pathlib import Path

import pytest

from signaller.errors import StoreUnavailable
from signaller.secret import Secret
from signaller.stores import RedisStore
from tests.stores.servers import Server, asking, started, wait_until
from tests.support.redis import free_port, wait_for_port

STEPS = 32
"""At once, each on a connection of its own, because it waits for a replica: so many ask for the way
at the same time."""


async def test_a_sentinel_that_was_away_is_asked_again(tmp_path: Path) -> None:
    """However many steps found the way without it meanwhile."""
    ports = [free_port() for _ in range(3)]
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    store = RedisStore.from_url(
        Secret(f"redis+sentinel://{hosts}/voice?replicas=1"), timeout_seconds=5, clock=time.time
    )
    (tmp_path / "replica").mkdir()
    with (
        started(tmp_path, "--repl-diskless-sync-delay", "0") as master,
        started(tmp_path / "replica", "--replicaof", "127.0.0.1", str(master.port)),
    ):
        with asking(master.port) as redis:
            await asyncio.to_thread(wait_until, lambda: redis.wait(1, 1000) == 1)
        for alone in (*ports, *ports):
            with started(tmp_path, _configuration(tmp_path, master), "--sentinel", port=alone):
                await asyncio.gather(*(store.ping() for _ in range(STEPS)))
                with asking(master.port) as redis:
                    redis.client_kill_filter(_type="normal", skipme=True)
                await asyncio.to_thread(wait_for_port, master.port)  # the loop hears of that
    await store.aclose()


async def test_sentinels_that_name_no_master_are_told_in_one_line(tmp_path: Path) -> None:
    """Which ones, and what they were asked for: nothing of the clients that ask them."""
    gone = free_port()
    with (
        started(tmp_path) as master,
        started(tmp_path, _configuration(tmp_path, master), "--sentinel") as sentinel,
    ):
        hosts = f"127.0.0.1:{gone},127.0.0.1:{sentinel.port}"
        url = Secret(f"redis+sentinel://me:hunter2@{hosts}/other")
        store = RedisStore.from_url(url, timeout_seconds=5, clock=time.time)
        with pytest.raises(StoreUnavailable) as failed:
            await store.ping()
        await store.aclose()
    assert str(failed.value) == (
        "redis ping: MasterNotFoundError: no master 'other' at the Sentinels "
        f"127.0.0.1:{gone}, 127.0.0.1:{sentinel.port}"
    )


def _configuration(folder: Path, master: Server) -> str:
    path = folder / "sentinel.conf"
    path.write_text(f"sentinel monitor voice 127.0.0.1 {master.port} 1\n")
    return str(path)
