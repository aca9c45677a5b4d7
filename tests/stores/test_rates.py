"""Rates: what is taken, what is left, and what is refused."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest

from signaller.errors import RateLimitExceeded, StoreUnavailable
from signaller.model import (
    Allowance,
    Hit,
)
from signaller.policy import MAX_PER_MINUTE, Rate
from signaller.ports import Rates
from signaller.secret import Secret
from signaller.stores import MemoryStore, RedisStore
from signaller.stores.rates import Window, WindowRates, Windows
from tests.stores.making import SetClock
from tests.support.redis import free_port


@pytest.fixture
def clock() -> SetClock:
    """Time, as the memory store sees it."""
    return SetClock()


@pytest.fixture
def memory_rates(clock: SetClock) -> WindowRates:
    """Rates whose window moves with the clock."""
    return WindowRates(MemoryStore(clock))


@pytest.fixture(params=["memory", "redis"])
async def rates(request: pytest.FixtureRequest, clock: SetClock) -> AsyncIterator[Rates]:
    """Rates over either kind of store."""
    if request.param == "memory":
        yield WindowRates(MemoryStore(clock))
        return
    url = Secret(request.getfixturevalue("redis_url"))
    store = RedisStore.from_url(url, timeout_seconds=5, clock=clock)
    yield WindowRates(store)
    await store.aclose()


def rate(per_minute: int) -> Rate:
    """A rate with a bucket of its own."""
    return Rate(bucket=f"mints:{uuid4().hex}", per_minute=per_minute)


async def test_a_rate_is_taken_one_by_one(rates: Rates) -> None:
    """Each take says what is left and that all is back in a minute; then it is refused."""
    three = rate(3)
    for remaining in (2, 1, 0):
        expected = Allowance(limit=3, remaining=remaining, reset_seconds=60)
        assert await rates.take([three]) == expected
    with pytest.raises(RateLimitExceeded) as refused:
        await rates.take([three])
    assert refused.value.limit == 3
    assert 30 < refused.value.reset_seconds <= 60
    assert refused.value.retry_after == refused.value.reset_seconds


async def test_without_a_rate_nothing_is_limited(rates: Rates) -> None:
    """There is nothing to tell either."""
    assert await rates.take([]) is None


async def test_the_tightest_of_two_rates_is_told(rates: Rates) -> None:
    """Fewest remaining, whichever comes first."""
    wide, narrow = rate(100), rate(2)
    tightest = Allowance(limit=2, remaining=1, reset_seconds=60)
    assert await rates.take([wide, narrow]) == tightest
    assert await rates.take([wide]) == Allowance(limit=100, remaining=98, reset_seconds=60)
    assert await rates.take([narrow, wide]) == Allowance(limit=2, remaining=0, reset_seconds=60)


async def test_a_refused_take_counts_nowhere(rates: Rates) -> None:
    """Neither before the full bucket nor behind it."""
    before, full, behind = rate(10), rate(1), rate(10)
    await rates.take([full])
    with pytest.raises(RateLimitExceeded) as refused:
        await rates.take([before, full, behind])
    assert refused.value.limit == 1
    left = [await rates.take([each]) for each in (before, behind)]
    assert [allowance and allowance.remaining for allowance in left] == [9, 9]


async def test_whoever_waits_as_told_is_let_in(memory_rates: WindowRates, clock: SetClock) -> None:
    """One a minute of their own, and a shared bucket that others fill."""
    own, shared = rate(1), rate(2)
    for _ in range(2):
        await memory_rates.take([shared])
        clock.now += 20
    for wait_seconds in (20, 15, 5):
        with pytest.raises(RateLimitExceeded) as refused:
            await memory_rates.take([own, shared])
        assert (refused.value.limit, refused.value.reset_seconds) == (2, wait_seconds)
        clock.now += {20: 5, 15: 10, 5: 5}[wait_seconds]
    assert await memory_rates.take([own, shared]) == Allowance(
        limit=1, remaining=0, reset_seconds=60
    )


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)], ids=str)
async def test_the_longest_wait_of_those_that_refuse_is_told(
    memory_rates: WindowRates, clock: SetClock, order: tuple[int, ...]
) -> None:
    """Sooner, one of them would still refuse; what has room does not matter."""
    sooner, later, roomy = rates = (rate(1), rate(2), rate(10))
    await memory_rates.take([sooner])
    clock.now += 10
    for _ in range(2):
        await memory_rates.take([later, roomy])
    clock.now += 10
    with pytest.raises(RateLimitExceeded, match=later.bucket) as refused:
        await memory_rates.take([rates[place] for place in order])
    assert (refused.value.limit, refused.value.reset_seconds) == (2, 50)
    clock.now += 50
    assert await memory_rates.take(rates) == Allowance(limit=1, remaining=0, reset_seconds=60)


async def test_concurrent_takes_of_two_buckets_pass_no_more_than_either_allows(
    rates: Rates,
) -> None:
    """A race may count too much where there is room, never let too many through."""
    wide, narrow = rate(1000), rate(20)
    takes = await asyncio.gather(
        *(rates.take([wide, narrow]) for _ in range(50)), return_exceptions=True
    )
    passed = [each for each in takes if isinstance(each, Allowance)]
    refused = [each for each in takes if isinstance(each, RateLimitExceeded)]
    assert (len(passed), len(refused)) == (20, 30)
    assert {each.limit for each in refused} == {20}
    assert all(30 < each.reset_seconds <= 60 for each in refused)
    left = await rates.take([wide])
    assert left is not None
    assert 1000 - 51 <= left.remaining <= 1000 - 21


async def test_a_rate_of_ones_own_keeps_others_from_nothing(rates: Rates) -> None:
    """However often somebody asks who is over it: the bucket that others share stays theirs."""
    own, shared = rate(1), rate(3)
    await rates.take([own, shared])
    flood = [rates.take([own, shared]) for _ in range(50)]
    others = [rates.take([shared]) for _ in range(2)]
    ended = await asyncio.gather(*flood, *others, return_exceptions=True)
    assert [isinstance(each, RateLimitExceeded) for each in ended] == [True] * 50 + [False] * 2


async def test_a_full_bucket_that_is_shared_costs_nobody_a_rate_of_their_own(
    rates: Rates,
) -> None:
    """However many it refuses, each is told of it, and none takes what others have in theirs."""
    own, shared = rate(5), rate(1)
    await rates.take([shared])
    flood = [rates.take([own, shared]) for _ in range(20)]
    ended = await asyncio.gather(*flood, return_exceptions=True)
    assert [each.limit for each in ended if isinstance(each, RateLimitExceeded)] == [1] * 20
    flood = [rates.take([own, shared]) for _ in range(20)]
    others = [rates.take([own]) for _ in range(5)]
    ended = await asyncio.gather(*flood, *others, return_exceptions=True)
    assert all(isinstance(each, RateLimitExceeded) for each in ended[:20])
    assert all(isinstance(each, Allowance) for each in ended[20:])


@dataclass
class Spoilt:
    """Windows whose hits in one bucket fail or are taken by others, and that take none back."""

    inner: Windows
    bucket: str
    gone: bool = True
    keeps: bool = False

    async def take_hit(self, bucket: str, limit: int, *, count: bool = True) -> Window:
        """Fail, or let others be faster, in the one bucket."""
        if count and bucket == self.bucket:
            if self.gone:
                raise StoreUnavailable("the second is gone")
            await self.inner.take_hit(bucket, limit)
        return await self.inner.take_hit(bucket, limit, count=count)

    async def take_hit_back(self, hit: Hit) -> None:
        """Fail if told so."""
        if self.keeps:
            raise StoreUnavailable("nothing is taken back")
        await self.inner.take_hit_back(hit)


async def test_a_store_that_fails_at_the_second_bucket_has_counted_nothing_in_the_first(
    clock: SetClock,
) -> None:
    """The request gets its 503, and its retry the place that it had."""
    first, second, windows = rate(1), rate(1), MemoryStore(clock)
    with pytest.raises(StoreUnavailable, match="the second is gone"):
        await WindowRates(Spoilt(windows, second.bucket)).take([first, second])
    assert await WindowRates(windows).take([first, second])


@pytest.mark.parametrize(
    ("gone", "expected"), [(False, RateLimitExceeded), (True, StoreUnavailable)]
)
async def test_a_hit_that_cannot_be_taken_back_changes_no_answer(
    clock: SetClock, gone: bool, expected: type[Exception]
) -> None:
    """What the request is told is why it was not let in."""
    first, second = rate(1), rate(1)
    windows = Spoilt(MemoryStore(clock), second.bucket, gone=gone, keeps=True)
    with pytest.raises(expected, match=f"the second is gone|{second.bucket}"):
        await WindowRates(windows).take([first, second])


async def test_what_was_taken_is_given_back(rates: Rates) -> None:
    """One from each bucket, for a call that never began."""
    both = [rate(2), rate(1)]
    taken = await rates.take(both)
    assert taken is not None
    await rates.take_back(taken)
    left = await rates.take(both)
    assert left == Allowance(limit=1, remaining=0, reset_seconds=60)


async def test_concurrent_takes_pass_exactly_the_rate(rates: Rates) -> None:
    """Of 60 at once, 25 pass."""
    shared = rate(25)
    takes = await asyncio.gather(*(rates.take([shared]) for _ in range(60)), return_exceptions=True)
    assert sum(isinstance(each, Allowance) for each in takes) == 25
    assert sum(isinstance(each, RateLimitExceeded) for each in takes) == 35


async def test_a_bucket_goes_on_when_its_rate_changes(rates: Rates) -> None:
    """A configuration with another number, or a JWT with one, does not start anew."""
    bucket = rate(5)
    for _ in range(5):
        await rates.take([bucket])
    with pytest.raises(RateLimitExceeded):
        await rates.take([Rate(bucket=bucket.bucket, per_minute=4)])
    more = await rates.take([Rate(bucket=bucket.bucket, per_minute=7)])
    assert more == Allowance(limit=7, remaining=1, reset_seconds=60)


async def test_no_rate_is_too_high(rates: Rates) -> None:
    """A number out of all proportion is held to the most that is counted."""
    expected = Allowance(limit=MAX_PER_MINUTE, remaining=MAX_PER_MINUTE - 1, reset_seconds=60)
    assert await rates.take([rate(10**30)]) == expected


async def test_the_window_moves(memory_rates: WindowRates, clock: SetClock) -> None:
    """One more is allowed when the oldest take is a minute old, and not a moment before."""
    two = rate(2)
    await memory_rates.take([two])
    clock.now += 20
    await memory_rates.take([two])
    clock.now += 10
    with pytest.raises(RateLimitExceeded) as refused:
        await memory_rates.take([two])
    assert refused.value.reset_seconds == 30
    clock.now += 29.5
    with pytest.raises(RateLimitExceeded):
        await memory_rates.take([two])
    clock.now += 0.5
    assert await memory_rates.take([two]) == Allowance(limit=2, remaining=0, reset_seconds=60)
    with pytest.raises(RateLimitExceeded) as refused:
        await memory_rates.take([two])
    assert refused.value.reset_seconds == 20


async def test_a_smaller_rate_waits_for_as_many_as_are_too_many(
    memory_rates: WindowRates, clock: SetClock
) -> None:
    """Five in the window and a rate of two: until the fourth has left, not the first."""
    five = rate(5)
    for _ in range(5):
        await memory_rates.take([five])
        clock.now += 1
    with pytest.raises(RateLimitExceeded) as refused:
        await memory_rates.take([Rate(bucket=five.bucket, per_minute=2)])
    assert refused.value.reset_seconds == 58


async def test_a_store_that_is_gone_lets_nobody_pass(clock: SetClock) -> None:
    """Without a count there is no allowance, and no take."""
    store = RedisStore.from_url(
        Secret(f"redis://127.0.0.1:{free_port()}"), timeout_seconds=1, clock=clock
    )
    with pytest.raises(StoreUnavailable):
        await WindowRates(store).take([rate(5)])
    await store.aclose()
