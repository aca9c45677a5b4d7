"""Sealed secrets that tokens share, who makes them new, and how much room they take."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from hashlib import sha1
from pathlib import Path

import pytest

from signaller.ports import Store
from signaller.secret import Secret
from signaller.stores import RedisStore
from signaller.stores.redis import MAX_WARM_BYTES_OF_ONE, MAX_WARM_OF_ONE
from tests.stores.making import SetClock, make_grant
from tests.stores.servers import Server, asking, port_of, started

MIB = 1024 * 1024


def record(name: str, sealed: str) -> str:
    """As grants name it."""
    return f"{name}.{sha1(sealed.encode(), usedforsecurity=False).hexdigest()}"


async def test_a_warm_secret_is_there_for_every_replica(
    replicas: tuple[Store, Store], clock: SetClock
) -> None:
    """Until it is replaced or dropped."""
    here, there = replicas
    assert await there.get_warm("web.1") is None
    for sealed in ("first", "second"):
        assert await here.put_warm("web.1", sealed, int(clock.now) + 60)
        assert await there.get_warm("web.1") == sealed
    await there.drop_warm(record("web.1", "second"))
    assert await here.get_warm("web.1") is None
    await there.drop_warm(record("web.1", "second"))


async def test_only_what_was_refused_is_dropped(
    replicas: tuple[Store, Store], clock: SetClock
) -> None:
    """A record that has taken its place stays, and so does any other."""
    here, there = replicas
    for name, sealed in (("web.2", "first"), ("web.2", "second"), ("web.3", "first")):
        await here.put_warm(name, sealed, int(clock.now) + 60)
    await there.drop_warm(record("web.2", "first"))
    assert await here.get_warm("web.2") == "second"
    assert await here.get_warm("web.3") == "first"


async def test_a_warm_secret_goes_in_time(store: Store, clock: SetClock) -> None:
    """One second before and one after."""
    await store.put_warm("web.4", "sealed", int(clock.now) + 60)
    assert await store.get_warm("web.4") == "sealed"
    await store.put_warm("web.4", "sealed", int(clock.now) - 1)
    assert await store.get_warm("web.4") is None


async def test_of_many_leases_one_wins(replicas: tuple[Store, Store]) -> None:
    """Over all replicas; another name is another lease."""
    leases = [replicas[n % 2].lease_warm("web.5", 30) for n in range(64)]
    assert sorted(await asyncio.gather(*leases)) == [False] * 63 + [True]
    assert await replicas[0].lease_warm("web.6", 30)


async def test_a_lease_ends_with_the_secret(replicas: tuple[Store, Store], clock: SetClock) -> None:
    """Whoever has made it needs no lease any more; a short life is made new in time."""
    here, there = replicas
    assert await here.lease_warm("web.7", 30)
    await here.put_warm("web.7", "sealed", int(clock.now) + 60)
    assert await there.lease_warm("web.7", 30)


async def test_a_pause_bars_everybody_until_it_is_lifted(replicas: tuple[Store, Store]) -> None:
    """Whoever has the lease may hold it for longer, or give it up."""
    here, there = replicas
    assert await here.lease_warm("web.8", 1)
    await here.pause_warm("web.8", 30)
    assert not await there.lease_warm("web.8", 30)
    await here.pause_warm("web.8", 0)
    assert await there.lease_warm("web.8", 30)


@pytest.fixture(params=["redis", "cluster"])
async def shared(request: pytest.FixtureRequest, clock: SetClock) -> AsyncIterator[RedisStore]:
    """A store outside the process."""
    url = Secret(
        request.getfixturevalue({"redis": "redis_url"}.get(request.param, "redis_cluster_url"))
    )
    opened = RedisStore.from_url(url, timeout_seconds=5, clock=clock)
    yield opened
    await opened.aclose()


async def test_a_holder_has_a_share_in_bytes(shared: RedisStore, clock: SetClock) -> None:
    """The oldest of its own make room; another one's stays where it is."""
    sealed, until = "x" * (128 * 1024), int(clock.now) + 600
    fit = MAX_WARM_BYTES_OF_ONE // len(sealed)
    assert await shared.put_warm("bob.1", "sealed", until)
    for number in range(fit + 3):
        assert await shared.put_warm(f"ada.{number}", sealed, until + number)
    kept = [number for number in range(fit + 3) if await shared.get_warm(f"ada.{number}")]
    assert kept == list(range(3, fit + 3))
    assert await shared.get_warm("bob.1") == "sealed"
    assert not await shared.put_warm("ada.long", "x" * (MAX_WARM_BYTES_OF_ONE + 1), until)


async def test_a_holder_has_a_share_in_entries(shared: RedisStore, clock: SetClock) -> None:
    """One that is replaced counts once; those that have expired or were dropped count no more."""
    until = int(clock.now) + 600
    await shared.put_warm("cal.old", "sealed", until - 1)
    await shared.put_warm("cal.gone", "sealed", int(clock.now) - 1)
    await shared.put_warm("cal.dropped", "sealed", until)
    await shared.drop_warm(record("cal.dropped", "sealed"))
    for _ in range(2):
        for number in range(MAX_WARM_OF_ONE - 1):
            await shared.put_warm(f"cal.{number}", "sealed", until)
    assert await shared.get_warm("cal.old") == "sealed"
    await shared.put_warm("cal.new", "sealed", until)
    assert await shared.get_warm("cal.old") is None
    assert await shared.get_warm("cal.0") == "sealed"


async def test_every_key_of_a_warm_secret_expires(
    redis_store: RedisStore, redis_url: str, clock: SetClock
) -> None:
    """The list of a holder's with the last of them."""
    until = int(clock.now) + 600
    await redis_store.lease_warm("dan.2", 30)
    await redis_store.put_warm("dan.1", "sealed", until)
    await redis_store.put_warm("dan.2", "sealed", until - 300)
    await redis_store.lease_warm("dan.3", 30)
    await redis_store.pause_warm("dan.3", 60)
    with asking(port_of(redis_url)) as redis:
        ends = {key: redis.pexpiretime(key) for key in redis.scan_iter("signaller:{dan}:*")}
    last = until * 1000 - 1
    assert ends.pop("signaller:{dan}:warm:dan.3:lease") <= (clock.now + 70) * 1000
    assert ends == {
        "signaller:{dan}:warm": last,
        "signaller:{dan}:warm:bytes": last,
        "signaller:{dan}:warm:dan.1": last,
        "signaller:{dan}:warm:dan.2": last - 300_000,
    }


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Server]:
    """A Redis as docker-compose.yml starts it, a quarter of the size."""
    limits = ("--maxmemory", "16mb", "--maxmemory-policy", "noeviction")
    with started(tmp_path, "--appendonly", "no", *limits) as server:
        yield server


async def test_warm_secrets_of_many_leave_room_for_grants(small: Server, clock: SetClock) -> None:
    """However many holders there are: a last quarter of the memory is not for them."""
    store = RedisStore.from_url(
        Secret(f"redis://127.0.0.1:{small.port}"), timeout_seconds=5, clock=clock
    )
    until, sealed = int(clock.now) + 600, "x" * 128 * 1024
    kept = [
        await store.put_warm(f"holder-{holder}.{number}", sealed, until)
        for number in range(20)
        for holder in range(10)
    ]
    assert set(kept) == {True, False}
    await store.ping()
    for _ in range(2000):
        await store.put_grant(make_grant(clock))
    with asking(small.port) as redis:
        assert redis.info("memory")["used_memory"] < 16 * MIB
    await store.aclose()


async def test_a_share_that_is_full_costs_redis_little(
    redis_store: RedisStore, redis_url: str, clock: SetClock
) -> None:
    """As much as an empty one, by Redis's own count: the least of three, as others work too."""
    until, sealed = int(clock.now) + 600, "x" * 4096

    async def microseconds(of: str) -> float:
        spent: list[float] = []
        with asking(port_of(redis_url)) as redis:
            for turn in range(3):
                redis.config_resetstat()
                for number in range(100):
                    await redis_store.put_warm(of.format(number=f"{turn}-{number}"), sealed, until)
                spent.append(redis.info("commandstats")["cmdstat_evalsha"]["usec_per_call"])
        return min(spent)

    empty = await microseconds("holder-{number}.1")
    for number in range(MAX_WARM_OF_ONE):
        await redis_store.put_warm(f"eve.old-{number}", sealed, until)
    assert await microseconds("eve.{number}") < 5 * empty
