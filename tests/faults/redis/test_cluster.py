"""Concurrent steps on a Cluster whose connections break and whose keys move."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis.crc import key_slot

from signaller.errors import StoreUnavailable
from signaller.model import Grant, Spent
from signaller.secret import Secret
from signaller.stores import RedisStore
from tests.faults import LONG
from tests.faults.redis.servers import cluster_of_three, frozen
from tests.stores.making import SetClock, looked_at, make_grant
from tests.stores.servers import (
    Server,
    asking,
    clients_of,
    cluster_url,
    port_of,
    started,
    wait_until,
)
from tests.support.redis import free_port
from tests.support.timing import own_time

CLIENTS = 16
KILLS = 50 if LONG else 5


@pytest.fixture
def clock() -> SetClock:
    """The time."""
    return SetClock()


@pytest.fixture
async def cluster(tmp_path: Path, clock: SetClock) -> AsyncIterator[tuple[RedisStore, list[int]]]:
    """A store, and the ports of the nodes that its URL names."""
    with cluster_url(tmp_path) as url:
        store = RedisStore.from_url(Secret(url), timeout_seconds=2, clock=clock)
        yield store, [port_of(part) for part in url.split(",")]
        await store.aclose()


async def test_connections_that_are_killed_cost_no_step_that_may_run_twice(
    cluster: tuple[RedisStore, list[int]], clock: SetClock
) -> None:
    """A redemption may fail, as nobody can tell whether it ran, and is never done twice."""
    store, (port, *_) = cluster
    over = False
    redeemed: list[Grant | Spent | StoreUnavailable | None] = []

    async def client() -> None:
        while not over:
            grant = make_grant(clock)
            await store.put_grant(grant)
            assert await looked_at(store, grant.id) == grant
            for _ in range(2):
                try:
                    redeemed.append(await store.redeem(grant.id))
                except StoreUnavailable as failed:
                    redeemed.append(failed)
            assert redeemed.count(grant) <= 1

    with asking(port) as redis:
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(client())
            for _ in range(KILLS):
                before = len(redeemed)
                while len(redeemed) < before + 10 * CLIENTS:  # noqa: ASYNC110 - no notice of it
                    await asyncio.sleep(0.01)
                await asyncio.to_thread(redis.client_kill_filter, _type="normal", skipme=True)
            over = True
    await asyncio.gather(*(store.ping() for _ in range(CLIENTS)))
    failed = [each for each in redeemed if isinstance(each, StoreUnavailable)]
    assert len(failed) <= CLIENTS * KILLS  # each had one step in flight at most


async def _kept_at(
    store: RedisStore, port: int, clock: SetClock
) -> tuple[Server, list[Grant], list[Grant]]:
    """A node, grants that it keeps now, and grants that others keep."""
    grants = [make_grant(clock, lives_seconds=3600) for _ in range(60)]
    for grant in grants:
        await store.put_grant(grant)
    with asking(port) as redis:
        nodes, pid = redis.cluster("NODES"), redis.info("server")["process_id"]
    its_slots = nodes[f"127.0.0.1:{port}"]
    theirs = [each for each in grants if _owns(its_slots, _slot_of(each))]
    return Server(port, pid), theirs, [each for each in grants if each not in theirs]


async def test_a_node_that_is_silent_holds_up_no_other(
    cluster: tuple[RedisStore, list[int]], clock: SetClock
) -> None:
    """Its own keys fail in time, those of the others are served; when it is back, all are."""
    store, (port, *_) = cluster
    node, theirs, others = await _kept_at(store, port, clock)
    with frozen(node):
        failing = [asyncio.create_task(looked_at(store, each.id)) for each in theirs[:8]]
        while not all(each.done() for each in failing):
            assert [await looked_at(store, each.id) for each in others] == others
        for each in failing:
            assert isinstance(each.exception(), StoreUnavailable)
        assert [await looked_at(store, each.id) for each in others] == others
    await asyncio.to_thread(wait_until, partial(_is_ok, port))
    grants = theirs + others
    assert [await looked_at(store, each.id) for each in grants] == grants


async def test_a_node_that_is_silent_under_load_holds_up_no_other(
    cluster: tuple[RedisStore, list[int]], clock: SetClock
) -> None:
    """Of 150 steps a second, a third of them for the silent one, all others are served in time."""
    store, (*_, port) = cluster
    node, theirs, others = await _kept_at(store, port, clock)
    took: list[float] = []

    async def look(grant: Grant) -> None:
        began = own_time()
        assert await looked_at(store, grant.id) == grant
        took.append(own_time() - began)

    with frozen(node):
        failing: list[asyncio.Task[Grant | None]] = []
        async with asyncio.TaskGroup() as group:
            for number in range(200):
                failing.append(
                    asyncio.create_task(looked_at(store, theirs[number % len(theirs)].id))
                )
                for more in (0, 1):
                    group.create_task(look(others[(2 * number + more) % len(others)]))
                await asyncio.sleep(0.02)
        ended = await asyncio.gather(*failing, return_exceptions=True)
        assert {type(each) for each in ended} == {StoreUnavailable}
        assert len(took) == 400
        assert max(took) < 1
        assert sorted(took)[len(took) // 2] < 0.1
    await asyncio.to_thread(wait_until, partial(_is_ok, port))


async def test_a_slot_that_moves_under_load_fails_closed(
    cluster: tuple[RedisStore, list[int]], clock: SetClock
) -> None:
    """What is in flight is answered or refused, never twice; when it has moved, all is well."""
    store, (port, *_) = cluster
    name = secrets.token_hex(8)
    grants = [replace(make_grant(clock, lives_seconds=3600), id=f"{name}}}{n}") for n in range(200)]
    slot = key_slot(f"signaller:{{{name}}}".encode())
    for grant in grants:
        await store.put_grant(grant)

    async def look(grant: Grant) -> bool:
        try:
            assert await looked_at(store, grant.id) == grant
        except StoreUnavailable:
            return False
        return True

    with asking(port) as redis:
        nodes = redis.cluster("NODES")
    owner = next(at for at, node in nodes.items() if _owns(node, slot))
    target = next(at for at in nodes if at != owner)
    with asking(port_of(owner)) as source, asking(port_of(target)) as sink:
        sink.cluster("SETSLOT", slot, "IMPORTING", nodes[owner]["node_id"])
        source.cluster("SETSLOT", slot, "MIGRATING", nodes[target]["node_id"])
        for keys in (source.cluster("GETKEYSINSLOT", slot, 50) for _ in range(4)):
            for key in keys:
                source.migrate("127.0.0.1", port_of(target), key, 0, 5000)
            await asyncio.gather(*(look(grant) for grant in grants))
        for node in (sink, source):
            node.cluster("SETSLOT", slot, "NODE", nodes[target]["node_id"])
    assert await asyncio.gather(*(look(grant) for grant in grants)) == [True] * len(grants)


async def test_a_slot_that_moves_to_a_node_nobody_knows_fails_closed(
    cluster: tuple[RedisStore, list[int]], clock: SetClock, tmp_path: Path
) -> None:
    """A node that was just added owns nothing yet: its clients have never heard of it."""
    store, (port, *_) = cluster
    grant = make_grant(clock)
    key = f"signaller:{{{grant.id}}}:grant"
    await store.put_grant(grant)
    with asking(port) as redis:
        nodes = redis.cluster("NODES")
    owner = next(at for at, node in nodes.items() if _owns(node, key_slot(key.encode())))
    (tmp_path / "new").mkdir()
    bus_port = free_port()
    options = ("--cluster-enabled", "yes", "--cluster-port", str(bus_port))
    with (
        started(tmp_path / "new", *options) as added,
        asking(port_of(owner)) as source,
        asking(added.port) as sink,
    ):
        source.execute_command("CLUSTER", "MEET", "127.0.0.1", added.port, bus_port)
        for node in (source, sink):
            await asyncio.to_thread(wait_until, partial(_is_ready, node))
        slot, new = key_slot(key.encode()), sink.execute_command("CLUSTER", "MYID")
        sink.cluster("SETSLOT", slot, "IMPORTING", nodes[owner]["node_id"])
        source.cluster("SETSLOT", slot, "MIGRATING", new)
        source.migrate("127.0.0.1", added.port, key, 0, 5000)
        with pytest.raises(StoreUnavailable):
            await store.redeem(grant.id)
        for node in (sink, source):
            node.cluster("SETSLOT", slot, "NODE", new)
        assert await store.redeem(grant.id) == grant
        assert await store.redeem(grant.id) == Spent()


async def test_a_slot_that_no_node_has_stops_its_own_keys_only(
    cluster: tuple[RedisStore, list[int]], clock: SetClock
) -> None:
    """Where the Cluster itself goes on; so does a replica that starts then, until all are back."""
    store, ports = cluster
    lost, others = (
        make_grant(clock, lives_seconds=3600),
        [make_grant(clock, lives_seconds=3600) for _ in range(60)],
    )
    others = [each for each in others if _slot_of(each) != _slot_of(lost)]
    for grant in (lost, *others):
        await store.put_grant(grant)
    with asking(ports[0]) as redis:
        nodes = redis.cluster("NODES")
    (owner,) = (port_of(at) for at in nodes if _owns(nodes[at], _slot_of(lost)))
    for at in nodes:
        with asking(port_of(at)) as node:
            node.config_set("cluster-require-full-coverage", "no")
            node.execute_command("CLUSTER", "DELSLOTS", _slot_of(lost))
    url = f"redis+cluster://127.0.0.1:{ports[0]}"
    starting = RedisStore.from_url(Secret(url), timeout_seconds=2, clock=clock)
    for each in (store, starting):
        for _ in range(2):
            failing = [asyncio.create_task(looked_at(each, lost.id)) for _ in range(3)]
            assert [await looked_at(each, grant.id) for grant in others] == others
            ended = await asyncio.gather(*failing, return_exceptions=True)
            assert {type(one) for one in ended} == {StoreUnavailable}
            assert [await looked_at(each, grant.id) for grant in others] == others
    with asking(owner) as node:
        node.execute_command("CLUSTER", "ADDSLOTS", _slot_of(lost))
    for each in (store, starting):
        assert await looked_at(each, lost.id) == lost
    await starting.aclose()


async def test_a_node_that_has_left_keeps_no_connection(tmp_path: Path, clock: SetClock) -> None:
    """One that lives on by itself, after its replica took its place under load."""
    with cluster_of_three(tmp_path) as servers:
        old, new = servers.master, servers.servers[3]
        others = clients_of(old.port)
        store = RedisStore.from_url(Secret(servers.url), timeout_seconds=2, clock=clock)
        over = False

        async def client() -> None:
            while not over:
                with contextlib.suppress(StoreUnavailable):
                    await store.put_grant(make_grant(clock, lives_seconds=3600))

        clients = [asyncio.create_task(client()) for _ in range(CLIENTS)]
        try:
            await asyncio.to_thread(wait_until, lambda: not clients_of(old.port) <= others)
            await asyncio.to_thread(_replace, old, new, servers.servers)
            await asyncio.to_thread(wait_until, lambda: clients_of(old.port) <= others)
        finally:
            over = True
            await asyncio.gather(*clients)
        await store.ping()
        assert clients_of(old.port) <= others
        await store.aclose()


def _replace(old: Server, new: Server, servers: tuple[Server, ...]) -> None:
    """Let a master leave its Cluster."""
    with asking(old.port) as leaving, asking(new.port) as taking:
        name = leaving.execute_command("CLUSTER", "MYID")
        taking.execute_command("CLUSTER", "FAILOVER", "TAKEOVER")
        wait_until(lambda: leaving.execute_command("ROLE")[0] == "slave")
        leaving.execute_command("CLUSTER", "RESET", "HARD")
    for each in servers:
        if each is not old:
            with asking(each.port) as redis:
                redis.execute_command("CLUSTER", "FORGET", name)
                redis.client_kill_filter(_type="normal", skipme=True)


def _owns(node: dict[str, list[list[str]]], slot: int) -> bool:
    return any(int(first) <= slot <= int(last) for first, last in node["slots"])


def _slot_of(grant: Grant) -> int:
    return key_slot(f"signaller:{{{grant.id}}}:grant".encode())


def _is_ok(port: int) -> bool:
    with asking(port) as node:
        return "cluster_state:ok" in str(node.execute_command("CLUSTER", "INFO"))


def _is_ready(node: Any) -> bool:
    info = str(node.execute_command("CLUSTER", "INFO"))
    return "cluster_state:ok" in info and "cluster_known_nodes:4" in info
