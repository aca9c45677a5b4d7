"""Rates: what is taken, what is left, and what is refused."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from signaller.errors import RateLimitExceeded, StoreUnavailable
from signaller.limits import Limits
from signaller.model import Allowance, Rate
from signaller.policy import MAX_PER_MINUTE
from signaller.ports import Rates
from signaller.secret import Secret
from signaller.stores import MemoryStore, RedisStore
from signaller.stores.windows import MemoryWindows
from tests.stores.making import SetClock
from tests.support.limits import counting
from tests.support.redis import free_port


@pytest.fixture
def clock() -> SetClock:
    """Time, as the memory store sees it."""
    return SetClock()


@pytest.fixture
def memory_limits(clock: SetClock) -> Limits:
    """Limits whose window moves with the clock."""
    return counting(MemoryStore(clock))


@pytest.fixture(params=["memory", "redis"])
async def limits(request: pytest.FixtureRequest, clock: SetClock) -> AsyncIterator[Rates]:
    """Limits over either kind of store."""
    if request.param == "memory":
        yield counting(MemoryStore(clock))
        return
    url = Secret(request.getfixturevalue("redis_url"))
    store = RedisStore.from_url(url, timeout_seconds=5, clock=clock)
    yield counting(store)
    await store.aclose()


def rate(per_minute: int) -> Rate:
    """A rate with a bucket of its own."""
    return Rate(bucket=f"mints:{uuid4().hex}", per_minute=per_minute)


async def test_a_rate_is_taken_one_by_one(limits: Rates) -> None:
    """Each take says what is left and that all is back in a minute; then it is refused."""
    three = rate(3)
    for remaining in (2, 1, 0):
        expected = Allowance(limit=3, remaining=remaining, reset_seconds=60)
        assert await limits.take([three]) == expected
    with pytest.raises(RateLimitExceeded) as refused:
        await limits.take([three])
    assert refused.value.limit == 3
    assert 30 < refused.value.reset_seconds <= 60
    assert refused.value.retry_after == refused.value.reset_seconds


async def test_without_a_rate_nothing_is_limited(limits: Rates) -> None:
    """There is nothing to tell either."""
    assert await limits.take([]) is None


async def test_the_tightest_of_two_rates_is_told(limits: Rates) -> None:
    """Fewest remaining, whichever comes first."""
    wide, narrow = rate(100), rate(2)
    tightest = Allowance(limit=2, remaining=1, reset_seconds=60)
    assert await limits.take([wide, narrow]) == tightest
    assert await limits.take([wide]) == Allowance(limit=100, remaining=98, reset_seconds=60)
    assert await limits.take([narrow, wide]) == Allowance(limit=2, remaining=0, reset_seconds=60)


async def test_a_refused_take_counts_nowhere(limits: Rates) -> None:
    """Neither before the full bucket nor behind it."""
    before, full, behind = rate(10), rate(1), rate(10)
    await limits.take([full])
    with pytest.raises(RateLimitExceeded) as refused:
        await limits.take([before, full, behind])
    assert refused.value.limit == 1
    left = [await limits.take([each]) for each in (before, behind)]
    assert [allowance and allowance.remaining for allowance in left] == [9, 9]


async def test_whoever_waits_as_told_is_let_in(memory_limits: Limits, clock: SetClock) -> None:
    """One a minute of their own, and a shared bucket that others fill."""
    own, shared = rate(1), rate(2)
    for _ in range(2):
        await memory_limits.take([shared])
        clock.now += 20
    for wait_seconds in (20, 15, 5):
        with pytest.raises(RateLimitExceeded) as refused:
            await memory_limits.take([own, shared])
        assert (refused.value.limit, refused.value.reset_seconds) == (2, wait_seconds)
        clock.now += {20: 5, 15: 10, 5: 5}[wait_seconds]
    assert await memory_limits.take([own, shared]) == Allowance(
        limit=1, remaining=0, reset_seconds=60
    )


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)], ids=str)
async def test_the_longest_wait_of_those_that_refuse_is_told(
    memory_limits: Limits, clock: SetClock, order: tuple[int, ...]
) -> None:
    """Sooner, one of them would still refuse; what has room does not matter."""
    sooner, later, roomy = rates = (rate(1), rate(2), rate(10))
    await memory_limits.take([sooner])
    clock.now += 10
    for _ in range(2):
        await memory_limits.take([later, roomy])
    clock.now += 10
    with pytest.raises(RateLimitExceeded, match=later.bucket) as refused:
        await memory_limits.take([rates[place] for place in order])
    assert (refused.value.limit, refused.value.reset_seconds) == (2, 50)
    clock.now += 50
    assert await memory_limits.take(rates) == Allowance(limit=1, remaining=0, reset_seconds=60)


async def test_concurrent_takes_of_two_buckets_pass_no_more_than_either_allows(
    limits: Rates,
) -> None:
    """A race may count too much where there is room, never let too many through."""
    wide, narrow = rate(1000), rate(20)
    takes = await asyncio.gather(
        *(limits.take([wide, narrow]) for _ in range(50)), return_exceptions=True
    )
    passed = [each for each in takes if isinstance(each, Allowance)]
    refused = [each for each in takes if isinstance(each, RateLimitExceeded)]
    assert (len(passed), len(refused)) == (20, 30)
    assert {each.limit for each in refused} == {20}
    assert all(30 < each.reset_seconds <= 60 for each in refused)
    left = await limits.take([wide])
    assert left is not None
    assert 1000 - 51 <= left.remaining <= 1000 - 21


@pytest.mark.parametrize("full", [True, False], ids=["still full", "room again"])
async def test_a_take_that_comes_too_late_is_refused(clock: SetClock, full: bool) -> None:
    """Another replica was quicker between the look and the hit; the wait is looked up anew."""
    one = rate(1)
    windows = Overtaken(clock, 60 if full else 0)
    with pytest.raises(RateLimitExceeded) as refused:
        await Limits(windows, windows.take_back).take([one])
    assert refused.value.reset_seconds == (60 if full else 0)
    assert refused.value.retry_after == (60 if full else 1)


class Overtaken(MemoryWindows):
    """Windows in which another one hits just before, with `stays_seconds` left of its minute."""

    def __init__(self, clock: SetClock, stays_seconds: float) -> None:
        super().__init__(clock, max_buckets=1)
        self._set_clock, self._stays_seconds = clock, stays_seconds

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Hit twice; the clock goes on until the first has only so long to stay."""
        assert await super().acquire_entry(key, limit, expiry, amount)
        allowed = await super().acquire_entry(key, limit, expiry, amount)
        self._set_clock.now += expiry - self._stays_seconds
        return allowed


async def test_concurrent_takes_pass_exactly_the_rate(limits: Rates) -> None:
    """Of 60 at once, 25 pass."""
    shared = rate(25)
    takes = await asyncio.gather(
        *(limits.take([shared]) for _ in range(60)), return_exceptions=True
    )
    assert sum(isinstance(each, Allowance) for each in takes) == 25
    assert sum(isinstance(each, RateLimitExceeded) for each in takes) == 35


async def test_a_bucket_goes_on_when_its_rate_changes(limits: Rates) -> None:
    """A configuration with another number, or a JWT with one, does not start anew."""
    bucket = rate(5)
    for _ in range(5):
        await limits.take([bucket])
    with pytest.raises(RateLimitExceeded):
        await limits.take([Rate(bucket=bucket.bucket, per_minute=4)])
    more = await limits.take([Rate(bucket=bucket.bucket, per_minute=7)])
    assert more == Allowance(limit=7, remaining=1, reset_seconds=60)


async def test_no_rate_is_too_high(limits: Rates) -> None:
    """A number out of all proportion is held to the most that is counted."""
    expected = Allowance(limit=MAX_PER_MINUTE, remaining=MAX_PER_MINUTE - 1, reset_seconds=60)
    assert await limits.take([rate(10**30)]) == expected


async def test_the_window_moves(memory_limits: Limits, clock: SetClock) -> None:
    """One more is allowed when the oldest take is a minute old, and not a moment before."""
    two = rate(2)
    await memory_limits.take([two])
    clock.now += 20
    await memory_limits.take([two])
    clock.now += 10
    with pytest.raises(RateLimitExceeded) as refused:
        await memory_limits.take([two])
    assert refused.value.reset_seconds == 30
    clock.now += 29.5
    with pytest.raises(RateLimitExceeded):
        await memory_limits.take([two])
    clock.now += 0.5
    assert await memory_limits.take([two]) == Allowance(limit=2, remaining=0, reset_seconds=60)
    with pytest.raises(RateLimitExceeded) as refused:
        await memory_limits.take([two])
    assert refused.value.reset_seconds == 20


async def test_a_smaller_rate_waits_for_as_many_as_are_too_many(
    memory_limits: Limits, clock: SetClock
) -> None:
    """Five in the window and a rate of two: until the fourth has left, not the first."""
    five = rate(5)
    for _ in range(5):
        await memory_limits.take([five])
        clock.now += 1
    with pytest.raises(RateLimitExceeded) as refused:
        await memory_limits.take([Rate(bucket=five.bucket, per_minute=2)])
    assert refused.value.reset_seconds == 58


async def test_a_store_that_is_gone_lets_nobody_pass(clock: SetClock) -> None:
    """Without a count there is no allowance, and no take."""
    store = RedisStore.from_url(
        Secret(f"redis://127.0.0.1:{free_port()}"), timeout_seconds=1, clock=clock
    )
    with pytest.raises(StoreUnavailable):
        await counting(store).take([rate(5)])
    await store.aclose()
