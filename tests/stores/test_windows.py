"""What the moving windows of every store promise, and what is Redis's alone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaller.errors import StoreUnavailable
from signaller.model import Hit
from signaller.secret import Secret
from signaller.stores import MemoryStore, RedisStore
from signaller.stores.rates import Window, Windows
from tests.stores.making import SetClock, memory_in_use
from tests.stores.servers import asking, port_of, started


@pytest.fixture(params=["memory", "redis", "sentinel", "cluster"])
async def windows(
    request: pytest.FixtureRequest, clock: SetClock
) -> AsyncIterator[tuple[Windows, Windows, Windows]]:
    """The windows of three replicas, whose clocks are an hour apart; in memory there is one."""
    if request.param == "memory":
        memory = MemoryStore(clock)
        yield memory, memory, memory
        return
    name = {"redis": "redis_url"}.get(request.param, f"redis_{request.param}_url")
    url = Secret(request.getfixturevalue(name))
    clocks = [SetClock(now=clock.now + hours * 3600) for hours in (-1, 0, 1)]
    stores = [RedisStore.from_url(url, timeout_seconds=5, clock=each) for each in clocks]
    yield stores[0], stores[1], stores[2]
    for store in stores:
        await store.aclose()


async def hit(windows: Windows, bucket: str, limit: int) -> bool:
    """Whether one more was allowed in a minute, and counted."""
    return (await windows.take_hit(bucket, limit)).allowed


async def look(windows: Windows, bucket: str, limit: int) -> Window:
    """What one more hit would be told."""
    return await windows.take_hit(bucket, limit, count=False)


async def counted(windows: Windows, bucket: str, at_most: int = 100) -> int:
    """How many hits there are."""
    return at_most - (await look(windows, bucket, at_most)).remaining - 1


def grow_older(redis_url: str, bucket: str, seconds: int) -> None:
    """Let so much time pass for the hits that Redis has of a bucket."""
    with asking(port_of(redis_url)) as redis:
        key = f"signaller:{{{bucket}}}:window"
        for place, at in enumerate(redis.lrange(key, 0, -1)):
            redis.lset(key, place, int(at) - seconds * 1_000_000)


@pytest.fixture
def bucket() -> str:
    """A bucket of the test's own."""
    return f"mints:{uuid4().hex}"


async def test_exactly_as_many_as_the_limit_pass(
    windows: tuple[Windows, Windows, Windows], bucket: str
) -> None:
    """Of 90 concurrent hits over three replicas, 20 are allowed; each of them sees 20."""
    hits = [hit(windows[number % 3], bucket, 20) for number in range(90)]
    assert sorted(await asyncio.gather(*hits)) == [False] * 70 + [True] * 20
    assert [await counted(each, bucket) for each in windows] == [20] * 3
    for each in windows:
        full = await look(each, bucket, 20)
        assert (full.allowed, full.remaining) == (False, 0)
        assert 30 < full.wait_seconds <= 60


async def test_buckets_do_not_meet(windows: tuple[Windows, Windows, Windows], bucket: str) -> None:
    """A full bucket leaves another one empty; any text names one, as a Cluster's key as well."""
    names = [bucket, f"{bucket}}}", f"{{{bucket}", f"}}{bucket}{{", f"{bucket} \u00fc/\n"]
    for name in names:
        assert await counted(windows[0], name) == 0
        assert await hit(windows[0], name, 1)
        assert not await hit(windows[1], name, 1)


async def test_a_look_counts_nothing(
    windows: tuple[Windows, Windows, Windows], bucket: str
) -> None:
    """Nor does a hit that is refused; what is left is told either way."""
    here, there, _ = windows
    for remaining in (2, 1, 0):
        expected = Window(allowed=True, remaining=remaining)
        assert await look(there, bucket, 3) == expected
        assert await here.take_hit(bucket, 3) == expected
    for _ in range(3):
        assert not await hit(there, bucket, 3)
    assert await counted(here, bucket) == 3


async def test_a_hit_is_taken_back(windows: tuple[Windows, Windows, Windows], bucket: str) -> None:
    """One at a time, by any replica; out of an empty bucket nothing."""
    here, there, _ = windows
    await there.take_hit_back(Hit(bucket=bucket, at=1.0))
    taken = [await here.take_hit(bucket, 2) for _ in range(2)]
    assert all(each.allowed for each in taken)
    await there.take_hit_back(Hit(bucket=bucket, at=taken[0].at))
    assert [await hit(here, bucket, 2) for _ in range(2)] == [True, False]
    await there.take_hit_back(Hit(bucket=bucket, at=1.0))
    assert await counted(here, bucket) == 2


async def test_in_memory_the_hit_that_is_given_back_is_the_one_that_goes(clock: SetClock) -> None:
    """One that came after it counts for as long as it would have."""
    windows = MemoryStore(clock)
    first = await windows.take_hit("mints:web", 2)
    clock.now += 20
    await windows.take_hit("mints:web", 2)
    await windows.take_hit_back(Hit(bucket="mints:web", at=first.at))
    clock.now += 50
    assert [await hit(windows, "mints:web", 2) for _ in range(2)] == [True, False]
    await windows.take_hit_back(Hit(bucket="mints:web", at=first.at))
    assert await counted(windows, "mints:web") == 2


async def test_in_redis_the_hit_that_is_given_back_is_the_one_that_goes(
    redis_store: RedisStore, redis_url: str, bucket: str
) -> None:
    """One that came after it stays where it is."""
    first, second = [await redis_store.take_hit(bucket, 2) for _ in range(2)]
    with asking(port_of(redis_url)) as redis:
        for _ in range(2):  # the second time it is gone
            await redis_store.take_hit_back(Hit(bucket=bucket, at=first.at))
            assert redis.lrange(f"signaller:{{{bucket}}}:window", 0, -1) == [str(second.at)]


async def test_hits_count_whatever_the_limit(
    windows: tuple[Windows, Windows, Windows], bucket: str
) -> None:
    """Two limits on one bucket: the smaller refuses first, and takes nothing from the larger."""
    here, there, _ = windows
    allowed = [await hit(here, bucket, 2) for _ in range(3)]
    assert allowed == [True, True, False]
    assert [await hit(there, bucket, 4) for _ in range(3)] == [True, True, False]
    assert await counted(here, bucket) == 4


async def test_nothing_is_allowed_by_a_limit_of_none(
    windows: tuple[Windows, Windows, Windows], bucket: str
) -> None:
    """A limit of 0 refuses, and finds an empty window."""
    assert not await hit(windows[0], bucket, 0)
    assert await counted(windows[0], bucket) == 0


async def test_a_window_in_redis_moves(
    redis_store: RedisStore, redis_url: str, bucket: str
) -> None:
    """One hit leaves it after the other, each a minute after it came."""
    assert await hit(redis_store, bucket, 2)
    grow_older(redis_url, bucket, 30)
    assert await hit(redis_store, bucket, 2)
    assert not await hit(redis_store, bucket, 2)
    assert 0 < (await look(redis_store, bucket, 2)).wait_seconds <= 30
    grow_older(redis_url, bucket, 30)
    assert await hit(redis_store, bucket, 2)
    assert not await hit(redis_store, bucket, 2)


async def test_a_replica_that_vanishes_loses_nothing(
    redis_url: str, clock: SetClock, bucket: str
) -> None:
    """What one has counted is counted when another takes over."""
    for allowed in ([True, True, True], [True, True, False]):
        store = RedisStore.from_url(Secret(redis_url), timeout_seconds=5, clock=clock)
        assert [await hit(store, bucket, 5) for _ in range(3)] == allowed
        await store.aclose()


async def test_a_window_in_redis_is_as_long_as_its_limit(
    redis_store: RedisStore, redis_url: str, bucket: str
) -> None:
    """Hits beyond it are refused without a trace; the key lives as long as the newest one."""
    for _ in range(20):
        await hit(redis_store, bucket, 7)
    with asking(port_of(redis_url)) as redis:
        key = f"signaller:{{{bucket}}}:window"
        assert redis.llen(key) == 7
        assert 30_000 < redis.pttl(key) <= 60_000


async def test_a_window_in_redis_counts_no_old_hits(
    redis_store: RedisStore, redis_url: str, bucket: str
) -> None:
    """Of hits between 10 and 70 seconds old those of the last 60 count; the next hit trims."""
    with asking(port_of(redis_url)) as redis:
        key = f"signaller:{{{bucket}}}:window"
        seconds, _ = redis.time()
        ages = (10, 20, 30, 65, 66, 67, 68, 69, 70)
        redis.rpush(key, *((seconds - age) * 1_000_000 for age in ages))
        redis.expire(key, 60)
        for limit, remaining in ((9, 5), (5, 1), (4, 0)):
            assert await look(redis_store, bucket, limit) == Window(
                allowed=True, remaining=remaining
            )
        for limit, age in ((3, 30), (2, 20), (1, 10)):
            full = await look(redis_store, bucket, limit)
            assert not full.allowed
            assert 60 - age - 20 < full.wait_seconds <= 60 - age
        assert redis.llen(key) == len(ages)
        assert await hit(redis_store, bucket, 5)
        assert redis.llen(key) == 4
    assert await counted(redis_store, bucket) == 4


@pytest.mark.parametrize("first", ["hit", "look"])
async def test_a_clock_of_redis_that_was_set_back_is_borne(
    redis_store: RedisStore, redis_url: str, bucket: str, first: str
) -> None:
    """Hits of an hour ahead (a failover) count as made just now, whoever asks first, and once."""
    with asking(port_of(redis_url)) as redis:
        key = f"signaller:{{{bucket}}}:window"
        seconds, _ = redis.time()
        past, ahead = (seconds - 20) * 1_000_000, (seconds + 3600) * 1_000_000
        redis.rpush(key, ahead, ahead, past)
        redis.expire(key, 3660)
        if first == "hit":
            assert not await hit(redis_store, bucket, 3)
        else:
            full = await look(redis_store, bucket, 2)
            assert (full.allowed, 50 < full.wait_seconds <= 60) == (False, True)
        clamped = redis.lrange(key, 0, -1)
        assert clamped[2] == str(past)
        assert clamped[0] == clamped[1]
        assert seconds * 1_000_000 <= int(clamped[0]) < (seconds + 30) * 1_000_000
        assert redis.ttl(key) <= 60
        assert await hit(redis_store, bucket, 4)
        assert redis.lrange(key, 1, -1) == clamped


async def test_a_bucket_in_redis_is_free_a_window_after_its_clock_was_set_back(
    redis_store: RedisStore, redis_url: str, bucket: str
) -> None:
    """Not when the clock has come to where it was, in an hour."""
    with asking(port_of(redis_url)) as redis:
        key = f"signaller:{{{bucket}}}:window"
        seconds, _ = redis.time()
        redis.rpush(key, *[(seconds + 3600) * 1_000_000] * 2)
        redis.expire(key, 3600)
    assert not await hit(redis_store, bucket, 2)
    grow_older(redis_url, bucket, 60)
    assert await redis_store.take_hit(bucket, 2) == Window(allowed=True, remaining=1)


async def test_a_full_redis_forgets_no_hits_of_a_clock_set_back(
    clock: SetClock, tmp_path: Path
) -> None:
    """What is set right is popped and pushed: no memory is asked for between."""
    with started(tmp_path, "--maxmemory-policy", "noeviction") as server:
        store = RedisStore.from_url(
            Secret(f"redis://127.0.0.1:{server.port}"), timeout_seconds=5, clock=clock
        )
        with asking(server.port) as redis:
            seconds, _ = redis.time()
            redis.lpush("signaller:{mints:web}:window", *[(seconds + 3600) * 1_000_000] * 2)
            redis.config_set("maxmemory", 1)
        assert await counted(store, "mints:web") == 2
        assert not await hit(store, "mints:web", 2)
        await store.aclose()


async def test_a_full_redis_counts_nothing(clock: SetClock, tmp_path: Path) -> None:
    """A hit fails rather than passes; a window can still be read."""
    with started(tmp_path, "--maxmemory-policy", "noeviction") as server:
        store = RedisStore.from_url(
            Secret(f"redis://127.0.0.1:{server.port}"), timeout_seconds=5, clock=clock
        )
        assert await hit(store, "mints:web", 5)
        with asking(server.port) as redis:
            redis.config_set("maxmemory", 1)
        with pytest.raises(StoreUnavailable, match=r"OOM|OutOfMemory|maxmemory"):
            await hit(store, "mints:web", 5)
        assert await counted(store, "mints:web") == 1
        await store.aclose()


async def test_a_bucket_of_another_kind_is_a_store_failure(
    redis_store: RedisStore, redis_url: str, bucket: str
) -> None:
    """What is not a window never crashes a handler."""
    with asking(port_of(redis_url)) as redis:
        redis.set(f"signaller:{{{bucket}}}:window", "1", ex=60)
    with pytest.raises(StoreUnavailable):
        await hit(redis_store, bucket, 5)


async def test_full_windows_in_memory_take_no_more_buckets(clock: SetClock) -> None:
    """Full of live buckets: known ones go on, a new one is refused until the old are over."""
    windows = MemoryStore(clock, max_buckets=2)
    for name in ("first", "second"):
        assert await hit(windows, name, 5)
    with pytest.raises(StoreUnavailable, match="full: 2 rate buckets"):
        await hit(windows, "third", 5)
    assert await hit(windows, "second", 5)
    clock.now += 60
    assert await hit(windows, "third", 1)
    assert await counted(windows, "first") == 0


async def test_windows_in_memory_forget_what_is_over(clock: SetClock) -> None:
    """Ten thousand buckets that came and went leave next to nothing; nor do old hits."""
    windows = MemoryStore(clock, max_buckets=100)
    with memory_in_use() as in_use:
        for number in range(10_000):
            assert await hit(windows, str(number), 5)
            assert await hit(windows, "busy", 1000)
            clock.now += 1
        assert in_use() < 128 * 1024
    assert await counted(windows, "busy", 1000) == 59


async def test_a_clock_set_back_does_not_empty_a_window(clock: SetClock) -> None:
    """Hits that lie ahead count as made when the clock was found so."""
    windows = MemoryStore(clock)
    assert await hit(windows, "bucket", 2)
    clock.now -= 30
    assert await hit(windows, "bucket", 2)
    assert not await hit(windows, "bucket", 2)
    clock.now += 59
    assert not await hit(windows, "bucket", 2)
    clock.now += 1
    assert await hit(windows, "bucket", 2)


async def test_a_clock_set_back_in_memory_bars_nobody_for_long(clock: SetClock) -> None:
    """A day back: a full bucket is free again after a window, though it is only looked at."""
    windows = MemoryStore(clock, max_buckets=1)
    for _ in range(2):
        assert await hit(windows, "bucket", 2)
    clock.now -= 86_400
    assert (await look(windows, "bucket", 2)).wait_seconds == 60
    clock.now += 59
    assert (await look(windows, "bucket", 2)).wait_seconds == 1
    assert not await hit(windows, "bucket", 2)
    clock.now += 1
    assert await counted(windows, "bucket") == 0
    assert await hit(windows, "another", 2)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 200))), st.integers(1, 6))
async def test_no_clock_set_back_lets_too_many_through_or_bars_for_long(
    steps: list[tuple[int, int]], limit: int
) -> None:
    """In no 60 seconds that really pass more than the limit; and after them all of it is back."""
    clock, real = SetClock(now=1_000_000.0), 0
    windows = MemoryStore(clock, max_buckets=1)
    really: list[int] = []
    for pause, back in steps:
        real += pause
        clock.now += pause - back
        if await hit(windows, "bucket", limit):
            really.append(real)
        assert sum(1 for at in really if at > real - 60) <= limit
        seen = await look(windows, "bucket", limit)
        assert (0 < seen.wait_seconds <= 60) is not seen.allowed
    clock.now += 60
    assert [await hit(windows, "bucket", limit) for _ in range(limit)] == [True] * limit


STEPS = st.lists(st.tuples(st.integers(0, 40), st.sampled_from("ab")))


@given(STEPS, st.integers(1, 6))
async def test_windows_in_memory_are_moving_windows(
    steps: list[tuple[int, str]], limit: int
) -> None:
    """At any moment, what the last 60 seconds hold is exactly what decides."""
    clock = SetClock(now=1_000_000.0)
    windows = MemoryStore(clock, max_buckets=2)
    all_hits: dict[str, list[float]] = {"a": [], "b": []}
    for pause, bucket in steps:
        clock.now += pause
        recent = [at for at in all_hits[bucket] if at + 60 > clock.now]
        fits = len(recent) < limit
        assert await hit(windows, bucket, limit) is fits
        if fits:
            all_hits[bucket].append(clock.now)
            recent.append(clock.now)
        left, wait = limit - len(recent), recent[0] + 60 - clock.now
        expected = (
            Window(allowed=True, remaining=left - 1)
            if left
            else Window(allowed=False, remaining=0, wait_seconds=wait)
        )
        assert await look(windows, bucket, limit) == expected
