"""What only a shared store has to promise: lifetimes, secrecy, scripts, moved keys."""

import asyncio
import base64
import os
from dataclasses import replace
from pathlib import Path

import pytest
from redis.crc import key_slot

from signaller.errors import StoreUnavailable
from signaller.model import (
    Spent,
)
from signaller.policy import Rate
from signaller.secret import Secret
from signaller.stores import RedisStore
from signaller.stores.rates import WindowRates
from signaller.tokens.jwe import ContentKey, encrypt
from tests.stores.making import SetClock, looked_at, make_grant
from tests.stores.servers import asking, cluster_url, port_of, started


async def test_every_key_expires(redis_store: RedisStore, redis_url: str, clock: SetClock) -> None:
    """After each step, every key has the lifetime of its grant and not a second more."""
    grant = make_grant(clock, uses=2)
    await redis_store.put_grant(grant)
    keys = [f"signaller:{{{grant.id}}}:grant"]
    expected = [grant.terms.start_by]
    with asking(port_of(redis_url)) as redis:

        def expiries() -> list[int]:
            return [redis.expiretime(key) for key in keys]

        assert expiries() == expected
        await redis_store.redeem(grant.id)
        assert expiries() == expected
        await redis_store.redeem(grant.id)
        await redis_store.give_back(grant)
        assert expiries() == expected
        await redis_store.give_back(grant)
        assert expiries() == expected
        await redis_store.redeem(grant.id)
        await redis_store.redeem(grant.id)
        assert expiries() == expected
        assert await redis_store.link(grant, "rtc_1")
        assert expiries() == expected
        assert await redis_store.redeem(grant.id) == Spent(call_ids=("rtc_1",))
        assert expiries() == expected
        assert not await redis_store.link(grant, "rtc_1")
        assert await redis_store.uses_left(grant.id) == 0
        await redis_store.give_back(grant)
        assert expiries() == expected
        await redis_store.revoke(grant.id)
        assert not redis.exists(keys[0])
        await redis_store.give_back(grant)
        assert await redis_store.link(grant, "rtc_2")
        assert not redis.exists(keys[0])
        rate = Rate(bucket=f"mints:{grant.id}", per_minute=2)
        for remaining in (1, 0):
            allowance = await WindowRates(redis_store).take([rate])
            assert allowance is not None
            assert allowance.remaining == remaining
            assert 59_000 < redis.pttl(f"signaller:{{{rate.bucket}}}:window") <= 60_000
        assert [key for key in redis.scan_iter("signaller:*") if redis.pttl(key) < 0] == []


async def test_a_dump_holds_neither_secret_nor_key(
    redis_store: RedisStore, redis_url: str, clock: SetClock
) -> None:
    """All that Redis holds is searched for a sealed secret and for the key it was sealed under."""
    key = ContentKey(os.urandom(32))
    sealed = encrypt(b"ek_canary_of_the_provider", key)
    grant = replace(make_grant(clock), sealed_secret=sealed)
    await redis_store.put_grant(grant)
    with asking(port_of(redis_url)) as redis:
        texts = redis.scan_iter("*", _type="string")
        dump = "".join(f"{name}={redis.get(name)}\n" for name in texts)
        lists = redis.scan_iter("*", _type="list")
        dump += "".join(f"{name}={redis.lrange(name, 0, -1)}\n" for name in lists)
        indexes = redis.scan_iter("*", _type="zset")
        dump += "".join(f"{name}={redis.zrange(name, 0, -1)}\n" for name in indexes)
        assert dump.count("=") >= redis.dbsize()
    assert sealed in dump
    for canary in (
        "ek_canary",
        key.key.hex(),
        base64.b64encode(key.key).decode().rstrip("="),
        base64.urlsafe_b64encode(key.key).decode().rstrip("="),
    ):
        assert canary not in dump


async def test_a_tombstone_holds_nothing_but_its_calls(
    redis_store: RedisStore, redis_url: str, clock: SetClock
) -> None:
    """The sealed secret leaves Redis with the last use."""
    grant = make_grant(clock)
    key = f"signaller:{{{grant.id}}}:grant"
    await redis_store.put_grant(grant)
    with asking(port_of(redis_url)) as redis:
        await redis_store.redeem(grant.id)
        assert redis.get(key) == "0:"
        await redis_store.link(grant, "rtc_1")
        assert redis.get(key) == "0:\nrtc_1"
        for _ in range(3):
            await redis_store.redeem(grant.id)
        assert redis.get(key) == "0:\nrtc_1\n!"


async def test_a_full_redis_redeems_nothing(clock: SetClock, tmp_path: Path) -> None:
    """At its maxmemory, a last use is as safe as any other; a replay and a link fail as well."""
    with started(tmp_path, "--maxmemory-policy", "noeviction") as server:
        store = RedisStore.from_url(
            Secret(f"redis://127.0.0.1:{server.port}"), timeout_seconds=5, clock=clock
        )
        last, first, spent = make_grant(clock), make_grant(clock, uses=2), make_grant(clock)
        for grant in (last, first, spent):
            await store.put_grant(grant)
        await store.redeem(spent.id)
        with asking(server.port) as redis:
            redis.config_set("maxmemory", 1)
            for step in (
                *(store.redeem(grant.id) for grant in (last, first, spent)),
                store.link(spent, "rtc_1"),
                store.give_back(spent),
            ):
                with pytest.raises(StoreUnavailable, match=r"OOM|OutOfMemory|maxmemory"):
                    await step
            assert [await store.uses_left(each.id) for each in (last, first, spent)] == [1, 2, 0]
            await store.revoke(first.id)
            redis.config_set("maxmemory", 0)
        assert await store.redeem(last.id) == last
        assert await store.redeem(first.id) is None
        assert await store.link(spent, "rtc_2")
        assert await store.redeem(spent.id) == Spent(call_ids=("rtc_2",))
        await store.aclose()


async def test_scripts_survive_a_flush(
    redis_store: RedisStore, redis_url: str, clock: SetClock
) -> None:
    """A Redis that lost its scripts is given them again, within the same step."""
    grant = make_grant(clock)
    await redis_store.put_grant(grant)
    with asking(port_of(redis_url)) as redis:
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
    with asking(port_of(redis_url)) as redis:
        redis.set("signaller:{bad}:grant", value.encode("utf-8", "surrogateescape"), ex=60)
    with pytest.raises(StoreUnavailable):
        await redis_store.redeem("bad")


@pytest.mark.parametrize("value", ["x:{}", "{}", "0"])
async def test_a_corrupt_count_is_a_store_failure(
    redis_store: RedisStore, redis_url: str, clock: SetClock, value: str
) -> None:
    """Nothing is read into a record without a count, nor written to it."""
    grant = make_grant(clock)
    key = f"signaller:{{{grant.id}}}:grant"
    with asking(port_of(redis_url)) as redis:
        redis.set(key, value, ex=60)
        for step in (
            redis_store.give_back(grant),
            redis_store.link(grant, "rtc_1"),
            redis_store.uses_left(grant.id),
            redis_store.peek(grant.id),
        ):
            with pytest.raises(StoreUnavailable):
                await step
        assert redis.get(key) == value


async def test_bursts_wait_for_a_connection(redis_store: RedisStore, clock: SetClock) -> None:
    """However many steps there are at once, all succeed over the one there is."""
    grants = [make_grant(clock, lives_seconds=3600) for _ in range(640)]
    await asyncio.gather(*(redis_store.put_grant(grant) for grant in grants))
    assert await asyncio.gather(*(looked_at(redis_store, grant.id) for grant in grants)) == grants


async def test_a_unix_socket_serves_as_well(tmp_path: Path, clock: SetClock) -> None:
    """unix:// reaches Redis, in the database named."""
    socket = tmp_path / "redis.sock"
    with started(tmp_path, "--unixsocket", str(socket)) as server:
        with asking(server.port) as redis:
            redis.ping()  # its port is open before its socket is there; it answers after both
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
        with asking(port_of(url.split(",")[0])) as redis:
            nodes = redis.cluster("NODES")
        owner = next(at for at, node in nodes.items() if _owns(node, slot))
        target = next(at for at in nodes if at != owner)
        with asking(port_of(owner)) as source, asking(port_of(target)) as sink:
            sink.cluster("SETSLOT", slot, "IMPORTING", nodes[owner]["node_id"])
            source.cluster("SETSLOT", slot, "MIGRATING", nodes[target]["node_id"])
            source.migrate("127.0.0.1", port_of(target), key, 0, 5000)
            assert await store.redeem(grant.id) == grant
            assert await store.link(grant, "rtc_1")
            assert await store.redeem(grant.id) == Spent(call_ids=("rtc_1",))
            await store.give_back(grant)
            for node in (sink, source):
                node.cluster("SETSLOT", slot, "NODE", nodes[target]["node_id"])
            assert await store.redeem(grant.id) == grant
            assert await store.redeem(grant.id) == Spent(call_ids=("rtc_1",))
        await store.aclose()


def _owns(node: dict[str, list[list[str]]], slot: int) -> bool:
    return any(int(first) <= slot <= int(last) for first, last in node["slots"])
