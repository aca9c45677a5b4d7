"""What only a shared store has to promise: lifetimes, secrecy, scripts, moved keys."""

import asyncio
import base64
import os
from dataclasses import replace
from pathlib import Path

import pytest
from redis.crc import key_slot

from signaller.errors import StoreUnavailable
from signaller.jwe import ContentKey, encrypt
from signaller.secret import Secret
from signaller.stores import RedisStore
from tests.stores.making import SetClock, make_call, make_grant
from tests.stores.servers import asking, cluster_url, started


def _port(url: str) -> int:
    return int(url.rsplit(":", 1)[1].split("/", maxsplit=1)[0])


async def test_every_key_expires(redis_store: RedisStore, redis_url: str, clock: SetClock) -> None:
    """After each step, every key has the lifetime of its grant or call and not a second more."""
    grant, call = make_grant(clock, uses=2), make_call(clock)
    await redis_store.put_grant(grant)
    await redis_store.put_call(call)
    keys = [f"signaller:{{{grant.id}}}:grant", f"signaller:{{{call.id}}}:call"]
    expected = [grant.terms.start_by, call.deadline]
    with asking(_port(redis_url)) as redis:

        def expiries() -> list[int]:
            return [redis.expiretime(key) for key in keys]

        assert expiries() == expected
        await redis_store.redeem(grant.id)
        assert expiries() == expected
        await redis_store.redeem(grant.id)
        await redis_store.give_back(grant)
        assert expiries() == expected
        await redis_store.give_back(grant)
        await redis_store.put_call(replace(call, ended=True))
        assert expiries() == expected
        assert [key for key in redis.scan_iter("signaller:*") if redis.pttl(key) < 0] == []


async def test_a_dump_holds_neither_secret_nor_key(
    redis_store: RedisStore, redis_url: str, clock: SetClock
) -> None:
    """All that Redis holds is searched for a sealed secret and for the key it was sealed under."""
    key = ContentKey(os.urandom(32))
    sealed = encrypt(b"ek_canary_of_the_provider", key)
    grant = replace(make_grant(clock), sealed_secret=sealed)
    await redis_store.put_grant(grant)
    with asking(_port(redis_url)) as redis:
        dump = "".join(f"{name}={redis.get(name)}\n" for name in redis.scan_iter("*"))
    assert sealed in dump
    for canary in (
        "ek_canary",
        key.key.hex(),
        base64.b64encode(key.key).decode().rstrip("="),
        base64.urlsafe_b64encode(key.key).decode().rstrip("="),
    ):
        assert canary not in dump


async def test_scripts_survive_a_flush(
    redis_store: RedisStore, redis_url: str, clock: SetClock
) -> None:
    """A Redis that lost its scripts is given them again, within the same step."""
    grant = make_grant(clock)
    await redis_store.put_grant(grant)
    with asking(_port(redis_url)) as redis:
        redis.script_flush()
        assert await redis_store.redeem(grant.id) == grant
        redis.script_flush()
    await redis_store.give_back(grant)
    assert await redis_store.redeem(grant.id) == grant


@pytest.mark.parametrize("value", ["", "1", "x:{}", "1:", "1:[]", "1:{}", '1:{"id":', "1:\udcff"])
async def test_a_corrupt_grant_is_a_store_failure(
    redis_store: RedisStore, redis_url: str, value: str
) -> None:
    """What is not a grant never crashes a handler."""
    with asking(_port(redis_url)) as redis:
        redis.set("signaller:{bad}:grant", value.encode("utf-8", "surrogateescape"), ex=60)
    with pytest.raises(StoreUnavailable):
        await redis_store.redeem("bad")


async def test_a_corrupt_call_is_a_store_failure(redis_store: RedisStore, redis_url: str) -> None:
    """What is not a call never crashes a handler."""
    with asking(_port(redis_url)) as redis:
        redis.set("signaller:{bad}:call", "{}", ex=60)
    with pytest.raises(StoreUnavailable, match="without a usable 'id'"):
        await redis_store.get_call("bad")


async def test_bursts_wait_for_a_connection(redis_store: RedisStore, clock: SetClock) -> None:
    """Ten times more concurrent steps than connections all succeed."""
    calls = [make_call(clock) for _ in range(640)]
    await asyncio.gather(*(redis_store.put_call(call) for call in calls))
    assert await asyncio.gather(*(redis_store.get_call(call.id) for call in calls)) == calls


async def test_a_unix_socket_serves_as_well(tmp_path: Path, clock: SetClock) -> None:
    """unix:// reaches Redis, in the database named."""
    socket = tmp_path / "redis.sock"
    with started(tmp_path, "--unixsocket", str(socket)) as server:
        store = RedisStore.from_url(Secret(f"unix://{socket}?db=3"), timeout_seconds=5, clock=clock)
        grant = make_grant(clock)
        await store.put_grant(grant)
        with asking(server.port) as redis:
            assert redis.info("keyspace")["db3"]["keys"] == 1
        assert await store.redeem(grant.id) == grant
        await store.aclose()


async def test_keys_are_followed_when_a_cluster_moves_them(tmp_path: Path, clock: SetClock) -> None:
    """While a slot migrates (ASK) and after it has (MOVED), grants are redeemed once."""
    with cluster_url(tmp_path) as url:
        store = RedisStore.from_url(Secret(url), timeout_seconds=5, clock=clock)
        grant = make_grant(clock)
        await store.put_grant(grant)
        key = f"signaller:{{{grant.id}}}:grant"
        slot = key_slot(key.encode())
        with asking(_port(url.split(",")[0])) as redis:
            nodes = redis.cluster("NODES")
        owner = next(at for at, node in nodes.items() if _owns(node, slot))
        target = next(at for at in nodes if at != owner)
        with asking(_port(owner)) as source, asking(_port(target)) as sink:
            sink.cluster("SETSLOT", slot, "IMPORTING", nodes[owner]["node_id"])
            source.cluster("SETSLOT", slot, "MIGRATING", nodes[target]["node_id"])
            source.migrate("127.0.0.1", _port(target), key, 0, 5000)
            assert await store.redeem(grant.id) == grant
            assert await store.redeem(grant.id) is None
            await store.give_back(grant)
            for node in (sink, source):
                node.cluster("SETSLOT", slot, "NODE", nodes[target]["node_id"])
            assert await store.redeem(grant.id) == grant
            assert await store.redeem(grant.id) is None
        await store.aclose()


def _owns(node: dict[str, list[list[str]]], slot: int) -> bool:
    return any(int(first) <= slot <= int(last) for first, last in node["slots"])
