"""A store that is closed leaves no connection behind, whatever happened before."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

from signaller.errors import StoreUnavailable
from signaller.secret import Secret
from signaller.stores import RedisStore
from signaller.stores.clients import Word
from signaller.stores.redis import Steps
from tests.faults.redis.servers import frozen
from tests.stores.making import SetClock, make_grant
from tests.stores.servers import (
    Server,
    asking,
    clients_of,
    port_of,
    ports_of_cluster,
    wait_until,
)

GRANTS = 60
"""Enough that every node of a Cluster has some."""


@contextlib.asynccontextmanager
async def leaving_nothing(ports: list[int]) -> AsyncIterator[None]:
    """Servers that have no connection after the block that they had not before."""
    before = [clients_of(port) for port in ports]
    yield
    for port, ids in zip(ports, before, strict=True):
        await asyncio.to_thread(wait_until, partial(_no_others, port, ids), seconds=5)


def _server(port: int) -> Server:
    with asking(port) as redis:
        return Server(port, redis.info("server")["process_id"])


def _no_others(port: int, ids: set[str]) -> bool:
    return clients_of(port) <= ids


async def test_a_cluster_whose_last_step_failed(redis_cluster_url: str, clock: SetClock) -> None:
    """A node that did not answer leaves the connections to the others to be closed."""
    ports = ports_of_cluster(redis_cluster_url)
    async with leaving_nothing(ports):
        store = RedisStore.from_url(Secret(redis_cluster_url), timeout_seconds=0.5, clock=clock)
        await asyncio.gather(*(store.put_grant(make_grant(clock)) for _ in range(GRANTS)))
        with frozen(_server(ports[0])):
            with contextlib.suppress(StoreUnavailable):
                while True:  # until one was for that node
                    await store.redeem(make_grant(clock).id)
            await store.aclose()


@pytest.mark.parametrize("name", ["redis_url", "redis_sentinel_url", "redis_cluster_url"])
async def test_steps_that_are_under_way_or_begin_later(
    name: str, request: pytest.FixtureRequest, clock: SetClock
) -> None:
    """They are served or StoreUnavailable, and what they connect is closed when they end."""
    url = request.getfixturevalue(name)
    ports = ports_of_cluster(url) if "cluster" in name else [port_of(url.partition("/voice")[0])]
    for pause in (0, 0, 0.001, 0.002, 0.004, 0.008, 0.016):
        async with leaving_nothing(ports):
            store = RedisStore.from_url(Secret(url), timeout_seconds=2, clock=clock)
            steps = [asyncio.create_task(store.put_grant(make_grant(clock))) for _ in range(GRANTS)]
            await asyncio.sleep(pause)
            await store.aclose()
            steps.append(asyncio.create_task(store.put_grant(make_grant(clock))))
            for ended in await asyncio.gather(*steps, return_exceptions=True):
                assert ended is None or isinstance(ended, StoreUnavailable)


class HalfClosed:
    """A client whose connections cannot be closed."""

    patience_ms = 1000

    def __init__(self) -> None:
        self.asked, self.goes_on = asyncio.Event(), asyncio.Event()

    def node_of(self, _: str) -> str:
        """There is one."""
        return ""

    async def execute(self, _: str, __: tuple[Word, ...]) -> bytes:
        """Answer when it may."""
        self.asked.set()
        await self.goes_on.wait()
        return b"7"

    async def execute_and_wait(
        self, key: str, command: tuple[Word, ...], _: int
    ) -> tuple[Any, Any]:
        """The same."""
        return await self.execute(key, command), 0

    async def drop_idle(self) -> None:
        """There are none."""

    async def aclose(self) -> None:
        """Fail."""
        raise ConnectionError("timed out closing")


async def test_what_a_step_came_to_stands_though_closing_fails() -> None:
    """Its reply is a reply, and one that is cancelled is cancelled."""
    client = HalfClosed()
    steps = Steps(client, timeout_seconds=2, replicas=0)
    step = asyncio.create_task(steps.command("redeem", "key", "GET", "key"))
    await client.asked.wait()
    with pytest.raises(StoreUnavailable, match="aclose"):
        await steps.aclose()
    client.goes_on.set()
    assert await step == b"7"
    client.goes_on.clear()
    client.asked.clear()
    late = asyncio.create_task(steps.command("redeem", "key", "GET", "key"))
    await client.asked.wait()
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
