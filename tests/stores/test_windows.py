"""What the moving windows of every store promise, and what is Redis's alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits import RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.aio.strategies import MovingWindowRateLimiter

from signaller.errors import StoreUnavailable
from signaller.secret import Secret
from signaller.stores import MemoryStore, RedisStore
from signaller.stores.windows import MemoryWindows, RedisWindows, Windows
from tests.stores.making import SetClock
from tests.stores.servers import asking, port_of, started


@pytest.fixture(params=["memory", "redis", "sentinel", "cluster"])
async def windows(
    request: pytest.FixtureRequest, clock: SetClock
) -> AsyncIterator[tuple[Windows, Windows, Windows]]:
    """The windows of three replicas, whose clocks are an hour apart; in memory there is one."""
    if request.param == "memory":
        memory = MemoryStore(clock).windows()
        yield memory, memory, memory
        return
    name = {"redis": "redis_url"}.get(request.param, f"redis_{request.param}_url")
    url = Secret(request.getfixturevalue(name))
    clocks = [SetClock(now=clock.now + hours * 3600) for hours in (-1, 0, 1)]
    stores = [RedisStore.from_url(url, timeout_seconds=5, clock=each) for each in clocks]
    yield stores[0].windows(), stores[1].windows(), stores[2].windows()
    for store in stores:
        await store.aclose()


@pytest.fixture
def bucket() -> str:
    """A bucket of the test's own."""
    return f"mints:{uuid4().hex}"


async def test_exactly_as_many_as_the_limit_pass(
    windows: tuple[Windows, Windows, Windows], bucket: str
) -> None:
    """Of 90 concurrent hits over three replicas, 20 are allowed; each of them sees 20."""
    hits = [windows[number % 3].acquire_entry(bucket, 20, 60) for number in range(90)]
    assert sorted(await asyncio.gather(*hits)) == [False] * 70 + [True] * 20
    counted = [await each.get_moving_window(bucket, 20, 60) for each in windows]
    assert [count for _, count in counted] == [20] * 3
    assert all(-30 < start <= 0 for start, _ in counted)


async def test_buckets_do_not_meet(windows: tuple[Windows, Windows, Windows], bucket: str) -> None:
    """A full bucket leaves another one empty; any text names one, as a Cluster's key as well."""
    names = [bucket, f"{bucket}}}", f"{{{bucket}", f"}}{bucket}{{", f"{bucket} \u00fc/\n"]
    for name in names:
        assert await windows[0].get_moving_window(name, 1, 60) == (0, 0)
        assert await windows[0].acquire_entry(name, 1, 60)
        assert not await windows[1].acquire_entry(name, 1, 60)


async def test_a_refused_hit_counts_nothing(
    windows: tuple[Windows, Windows, Windows], bucket: str
) -> None:
    """Neither one too many nor a cost that does not fit."""
    here, there, _ = windows
    assert await here.acquire_entry(bucket, 5, 60, amount=3)
    assert not await there.acquire_entry(bucket, 5, 60, amount=3)
    assert not await there.acquire_entry(bucket, 5, 60, amount=6)
    assert (await there.get_moving_window(bucket, 5, 60))[1] == 3
    assert await there.acquire_entry(bucket, 5, 60, amount=2)
    assert not await here.acquire_entry(bucket, 5, 60)


async def test_hits_count_whatever_the_limit(
    windows: tuple[Windows, Windows, Windows], bucket: str
) -> None:
    """Two limits on one bucket: the smaller refuses first, and takes nothing from the larger."""
    here, there, _ = windows
    allowed = [await here.acquire_entry(bucket, 2, 60) for _ in range(3)]
    assert allowed == [True, True, False]
    assert [await there.acquire_entry(bucket, 4, 60) for _ in range(3)] == [True, True, False]
    assert (await here.get_moving_window(bucket, 2, 60))[1] == 2
    assert (await here.get_moving_window(bucket, 9, 60))[1] == 4


async def test_nothing_is_allowed_by_a_limit_of_none(
    windows: tuple[Windows, Windows, Windows], bucket: str
) -> None:
    """A limit of 0 refuses, and finds an empty window."""
    assert not await windows[0].acquire_entry(bucket, 0, 60)
    assert await windows[0].get_moving_window(bucket, 0, 60) == (0, 0)


async def test_the_library_sees_the_window(
    windows: tuple[Windows, Windows, Windows], bucket: str
) -> None:
    """Its strategy hits, tests and tells what is left, in seconds from now."""
    limiter, item = MovingWindowRateLimiter(windows[0]), RateLimitItemPerMinute(2)
    for remaining in (1, 0):
        assert await limiter.test(item, bucket)
        assert await limiter.hit(item, bucket)
        stats = await limiter.get_window_stats(item, bucket)
        assert stats.remaining == remaining
        assert 30 < stats.reset_time <= 60
    assert not await limiter.test(item, bucket)
    assert not await limiter.hit(item, bucket)


async def test_what_a_moving_window_is_not(windows: tuple[Windows, Windows, Windows]) -> None:
    """The library's other strategies are refused rather than answered wrongly."""
    for step in (
        windows[0].incr("any", 60),
        windows[0].get("any"),
        windows[0].get_expiry("any"),
        windows[0].check(),
        windows[0].reset(),
        windows[0].clear("any"),
    ):
        with pytest.raises(NotImplementedError, match=r"\w"):
            await step


async def test_a_window_in_redis_moves(redis_store: RedisStore, bucket: str) -> None:
    """One hit leaves it after the other, each two seconds after it came."""
    limiter = MovingWindowRateLimiter(redis_store.windows())
    item = RateLimitItemPerSecond(2, multiples=2)

    async def until(condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(10):
            while not await condition():  # noqa: ASYNC110 - a window sends no notice
                await asyncio.sleep(0.01)

    async def first_is_half_over() -> bool:
        return (await limiter.get_window_stats(item, bucket)).reset_time < 1

    assert await limiter.hit(item, bucket)
    await until(first_is_half_over)
    assert await limiter.hit(item, bucket)
    assert not await limiter.hit(item, bucket)
    assert (await limiter.get_window_stats(item, bucket)).reset_time < 1
    await until(lambda: limiter.hit(item, bucket))
    # The second hit has most of its second left to be seen in.
    assert not await limiter.hit(item, bucket)


async def test_a_replica_that_vanishes_loses_nothing(
    redis_url: str, clock: SetClock, bucket: str
) -> None:
    """What one has counted is counted when another takes over."""
    for allowed in ([True, True, True], [True, True, False]):
        store = RedisStore.from_url(Secret(redis_url), timeout_seconds=5, clock=clock)
        assert [await store.windows().acquire_entry(bucket, 5, 60) for _ in range(3)] == allowed
        await store.aclose()


async def test_a_window_in_redis_is_as_long_as_its_limit(
    redis_store: RedisStore, redis_url: str, bucket: str
) -> None:
    """Hits beyond it are refused without a trace; the key lives as long as the newest one."""
    windows = redis_store.windows()
    for _ in range(20):
        await windows.acquire_entry(bucket, 7, 60)
    with asking(port_of(redis_url)) as redis:
        key = f"signaller:{{{bucket}}}:window"
        assert redis.llen(key) == 7
        assert 30_000 < redis.pttl(key) <= 60_000


async def test_a_window_in_redis_counts_no_old_hits(
    redis_store: RedisStore, redis_url: str, bucket: str
) -> None:
    """Of hits between 10 and 70 seconds old those of the last 60 count; the next hit trims."""
    windows = redis_store.windows()
    with asking(port_of(redis_url)) as redis:
        key = f"signaller:{{{bucket}}}:window"
        seconds, _ = redis.time()
        ages = (10, 20, 30, 65, 66, 67, 68, 69, 70)
        redis.rpush(key, *((seconds - age) * 1_000_000 for age in ages))
        redis.expire(key, 60)
        for limit, count, age in ((9, 3, 30), (5, 3, 30), (3, 3, 30), (2, 2, 20), (1, 1, 10)):
            start, counted = await windows.get_moving_window(bucket, limit, 60)
            assert counted == count
            assert -age - 20 < start <= -age
        assert await windows.acquire_entry(bucket, 5, 60)
        assert redis.llen(key) == 5
    assert (await windows.get_moving_window(bucket, 5, 60))[1] == 4


@pytest.mark.parametrize("first", ["hit", "look"])
async def test_a_clock_of_redis_that_was_set_back_is_borne(
    redis_store: RedisStore, redis_url: str, bucket: str, first: str
) -> None:
    """Hits of an hour ahead (a failover) count as made just now, whoever asks first, and once."""
    windows = redis_store.windows()
    with asking(port_of(redis_url)) as redis:
        key = f"signaller:{{{bucket}}}:window"
        seconds, _ = redis.time()
        past, ahead = (seconds - 20) * 1_000_000, (seconds + 3600) * 1_000_000
        redis.rpush(key, ahead, ahead, past)
        redis.expire(key, 3660)
        if first == "hit":
            assert not await windows.acquire_entry(bucket, 3, 60)
        else:
            start, count = await windows.get_moving_window(bucket, 2, 60)
            assert (-10 < start <= 0, count) == (True, 2)
        clamped = redis.lrange(key, 0, -1)
        assert clamped[2] == str(past)
        assert clamped[0] == clamped[1]
        assert seconds * 1_000_000 <= int(clamped[0]) < (seconds + 30) * 1_000_000
        assert redis.ttl(key) <= 60
        assert await windows.acquire_entry(bucket, 4, 60)
        assert redis.lrange(key, 1, -1) == clamped


async def test_a_bucket_in_redis_is_free_a_window_after_its_clock_was_set_back(
    redis_store: RedisStore, redis_url: str, bucket: str
) -> None:
    """Not when the clock has come to where it was, in an hour."""
    limiter = MovingWindowRateLimiter(redis_store.windows())
    item = RateLimitItemPerSecond(2)
    with asking(port_of(redis_url)) as redis:
        key = f"signaller:{{{item.key_for(bucket)}}}:window"
        seconds, _ = redis.time()
        redis.rpush(key, *[(seconds + 3600) * 1_000_000] * 2)
        redis.expire(key, 3600)
        assert not await limiter.test(item, bucket)
        async with asyncio.timeout(10):
            while not await limiter.hit(item, bucket):  # noqa: ASYNC110 - a window sends no notice
                await asyncio.sleep(0.01)
        assert (await limiter.get_window_stats(item, bucket)).remaining == 1


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
        assert (await store.windows().get_moving_window("mints:web", 5, 60))[1] == 2
        assert not await store.windows().acquire_entry("mints:web", 2, 60)
        await store.aclose()


async def test_a_full_redis_counts_nothing(clock: SetClock, tmp_path: Path) -> None:
    """A hit fails rather than passes; a window can still be read."""
    with started(tmp_path, "--maxmemory-policy", "noeviction") as server:
        store = RedisStore.from_url(
            Secret(f"redis://127.0.0.1:{server.port}"), timeout_seconds=5, clock=clock
        )
        windows = store.windows()
        assert await windows.acquire_entry("mints:web", 5, 60)
        with asking(server.port) as redis:
            redis.config_set("maxmemory", 1)
        with pytest.raises(StoreUnavailable, match=r"OOM|OutOfMemory|maxmemory"):
            await windows.acquire_entry("mints:web", 5, 60)
        assert (await windows.get_moving_window("mints:web", 5, 60))[1] == 1
        await store.aclose()


async def test_a_bucket_of_another_kind_is_a_store_failure(
    redis_store: RedisStore, redis_url: str, bucket: str
) -> None:
    """What is not a window never crashes a handler."""
    with asking(port_of(redis_url)) as redis:
        redis.set(f"signaller:{{{bucket}}}:window", "1", ex=60)
    with pytest.raises(StoreUnavailable):
        await redis_store.windows().acquire_entry(bucket, 5, 60)


async def test_full_windows_in_memory_take_no_more_buckets(clock: SetClock) -> None:
    """Full of live buckets: known ones go on, a new one is refused until the old are over."""
    windows = MemoryWindows(clock, max_buckets=2)
    for name in ("first", "second"):
        assert await windows.acquire_entry(name, 5, 60)
    with pytest.raises(StoreUnavailable, match="full: 2 rate buckets"):
        await windows.acquire_entry("third", 5, 60)
    assert await windows.acquire_entry("second", 5, 60)
    clock.now += 60
    assert await windows.acquire_entry("third", 1, 60)
    assert await windows.get_moving_window("first", 5, 60) == (0, 0)


async def test_windows_in_memory_forget_what_is_over(clock: SetClock) -> None:
    """Ten thousand buckets that came and went leave next to nothing; nor do old hits."""
    windows = MemoryWindows(clock, max_buckets=100)
    for number in range(10_000):
        assert await windows.acquire_entry(str(number), 5, 60)
        assert await windows.acquire_entry("busy", 1000, 60)
        clock.now += 1
    assert len(windows._buckets) <= 62
    assert windows._buckets._noted < 200
    hits = windows._buckets.get("busy")
    assert hits is not None
    assert len(hits) <= 60


async def test_a_clock_set_back_does_not_empty_a_window(clock: SetClock) -> None:
    """Hits that lie ahead count as made when the clock was found so."""
    windows = MemoryWindows(clock, max_buckets=2)
    assert await windows.acquire_entry("bucket", 2, 60)
    clock.now -= 30
    assert await windows.acquire_entry("bucket", 2, 60)
    assert not await windows.acquire_entry("bucket", 2, 60)
    clock.now += 59
    assert not await windows.acquire_entry("bucket", 2, 60)
    clock.now += 1
    assert await windows.acquire_entry("bucket", 2, 60)


async def test_a_clock_set_back_in_memory_bars_nobody_for_long(clock: SetClock) -> None:
    """A day back: a full bucket is free again after a window, though it is only looked at."""
    windows = MemoryWindows(clock, max_buckets=1)
    for _ in range(2):
        assert await windows.acquire_entry("bucket", 2, 60)
    clock.now -= 86_400
    assert await windows.get_moving_window("bucket", 2, 60) == (0, 2)
    clock.now += 59
    assert await windows.get_moving_window("bucket", 2, 60) == (-59, 2)
    assert not await windows.acquire_entry("bucket", 2, 60)
    clock.now += 1
    assert await windows.get_moving_window("bucket", 2, 60) == (0, 0)
    assert await windows.acquire_entry("another", 2, 60)


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 200), st.integers(1, 3))),
    st.integers(1, 6),
)
async def test_no_clock_set_back_lets_too_many_through_or_bars_for_long(
    steps: list[tuple[int, int, int]], limit: int
) -> None:
    """In no 60 seconds that really pass more than the limit; and after them all of it is back."""
    clock, real = SetClock(now=1_000_000.0), 0
    windows = MemoryWindows(clock, max_buckets=1)
    really: list[int] = []
    for pause, back, amount in steps:
        real += pause
        clock.now += pause - back
        if await windows.acquire_entry("bucket", limit, 60, amount):
            really += [real] * amount
        assert sum(1 for at in really if at > real - 60) <= limit
        start, count = await windows.get_moving_window("bucket", limit, 60)
        assert -60 < start <= 0
        assert count <= limit
    clock.now += 60
    assert await windows.acquire_entry("bucket", limit, 60, limit)


STEPS = st.lists(st.tuples(st.integers(0, 40), st.sampled_from("ab"), st.integers(1, 3)))


@given(STEPS, st.integers(1, 6))
async def test_windows_in_memory_are_moving_windows(
    steps: list[tuple[int, str, int]], limit: int
) -> None:
    """At any moment, what the last 60 seconds hold is exactly what decides."""
    clock = SetClock(now=1_000_000.0)
    windows = MemoryWindows(clock, max_buckets=2)
    all_hits: dict[str, list[float]] = {"a": [], "b": []}
    for pause, bucket, amount in steps:
        clock.now += pause
        recent = [at for at in all_hits[bucket] if at + 60 > clock.now]
        fits = len(recent) + amount <= limit
        assert await windows.acquire_entry(bucket, limit, 60, amount) is fits
        if fits:
            all_hits[bucket] += [clock.now] * amount
            recent += [clock.now] * amount
        start = recent[0] - clock.now if recent else 0
        assert await windows.get_moving_window(bucket, limit, 60) == (start, len(recent))


def test_stores_give_windows_of_their_own_kind(redis_store: RedisStore, clock: SetClock) -> None:
    """In memory one for all who ask, so that they count together."""
    memory = MemoryStore(clock)
    assert memory.windows() is memory.windows()
    assert isinstance(redis_store.windows(), RedisWindows)
