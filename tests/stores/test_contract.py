"""What every store promises."""

import asyncio

import pytest

from signaller.model import Grant, Peeked, Spent
from signaller.ports import Store
from tests.stores.making import SetClock, make_grant


async def test_a_grant_is_redeemed_once(store: Store, clock: SetClock) -> None:
    """The first redemption gets the grant as it was put, the others learn that it is spent."""
    grant = make_grant(clock)
    await store.put_grant(grant)
    assert [await store.redeem(grant.id) for _ in range(3)] == [grant, Spent(), Spent()]


async def test_an_unknown_grant_is_none(store: Store) -> None:
    """An id that was never put redeems nothing."""
    assert await store.redeem("never-put") is None


async def test_a_grant_lives_until_start_by(store: Store, clock: SetClock) -> None:
    """Redeemable in the last moment before start_by."""
    grant = make_grant(clock)
    await store.put_grant(grant)
    clock.now = grant.terms.start_by - 0.001
    assert await store.redeem(grant.id) == grant


async def test_a_grant_is_gone_at_start_by(store: Store, clock: SetClock) -> None:
    """Not redeemable in the moment of start_by itself, whatever the store's own clock says."""
    grant = make_grant(clock)
    await store.put_grant(grant)
    clock.now = grant.terms.start_by
    assert await store.redeem(grant.id) is None


async def test_a_grant_with_three_uses_is_redeemed_three_times(
    store: Store, clock: SetClock
) -> None:
    """Each use gives the same grant; then it is spent."""
    grant = make_grant(clock, uses=3)
    await store.put_grant(grant)
    assert [await store.redeem(grant.id) for _ in range(4)] == [grant, grant, grant, Spent()]


@pytest.mark.parametrize("uses", [1, 3])
async def test_a_use_given_back_can_be_redeemed_again(
    store: Store, clock: SetClock, uses: int
) -> None:
    """Giving back undoes exactly one redemption, of the last use too."""
    grant = make_grant(clock, uses=uses)
    await store.put_grant(grant)
    for _ in range(uses):
        await store.redeem(grant.id)
    await store.give_back(grant)
    assert await store.redeem(grant.id) == grant
    assert await store.redeem(grant.id) == Spent()


async def test_giving_back_never_adds_uses(store: Store, clock: SetClock) -> None:
    """A grant has at most the uses it was minted with, however often it is given back."""
    grant = make_grant(clock, uses=2)
    await store.put_grant(grant)
    await store.redeem(grant.id)
    for _ in range(3):
        await store.give_back(grant)
    assert [await store.redeem(grant.id) for _ in range(3)] == [grant, grant, Spent()]


async def test_an_expired_grant_is_not_given_back(store: Store, clock: SetClock) -> None:
    """What has expired meanwhile stays spent, even if the clock were to step back."""
    grant = make_grant(clock)
    await store.put_grant(grant)
    await store.redeem(grant.id)
    clock.now = grant.terms.start_by
    await store.give_back(grant)
    clock.now = grant.terms.start_by - 30
    assert await store.uses_left(grant.id) == 0
    assert not isinstance(await store.redeem(grant.id), Grant)


async def test_a_grant_given_back_still_expires(store: Store, clock: SetClock) -> None:
    """Giving back does not prolong a grant."""
    grant = make_grant(clock)
    await store.put_grant(grant)
    await store.redeem(grant.id)
    await store.give_back(grant)
    clock.now = grant.terms.start_by
    assert await store.redeem(grant.id) is None


async def test_a_look_at_a_grant_uses_nothing_up(store: Store, clock: SetClock) -> None:
    """As often as one looks; of a spent one nothing is seen, and looking makes no replay."""
    grant = make_grant(clock, uses=2)
    assert await store.peek(grant.id) is None
    await store.put_grant(grant)
    assert [await store.peek(grant.id) for _ in range(3)] == [Peeked(grant=grant, uses_left=2)] * 3
    await store.redeem(grant.id)
    assert await store.link(grant, "rtc_1")
    assert await store.peek(grant.id) == Peeked(grant=grant, uses_left=1)
    await store.redeem(grant.id)
    assert await store.peek(grant.id) is None
    assert await store.link(grant, "rtc_2")


async def test_what_one_replica_puts_another_redeems(
    replicas: tuple[Store, Store], clock: SetClock
) -> None:
    """Replicas share grants."""
    here, there = replicas
    grant = make_grant(clock)
    await here.put_grant(grant)
    assert await there.redeem(grant.id) == grant
    assert await here.redeem(grant.id) == Spent()


async def test_of_64_concurrent_redemptions_one_wins(
    replicas: tuple[Store, Store], clock: SetClock
) -> None:
    """200 times over, 64 attempts spread over two replicas get one grant between them."""
    for _ in range(200):
        grant = make_grant(clock)
        await replicas[0].put_grant(grant)
        attempts = [replicas[number % 2].redeem(grant.id) for number in range(64)]
        won = [taken for taken in await asyncio.gather(*attempts) if taken != Spent()]
        assert won == [grant]


async def test_concurrent_redemptions_take_exactly_the_uses(
    replicas: tuple[Store, Store], clock: SetClock
) -> None:
    """Of 64 concurrent attempts at a grant of five uses, five win."""
    grant = make_grant(clock, uses=5)
    await replicas[0].put_grant(grant)
    attempts = [replicas[number % 2].redeem(grant.id) for number in range(64)]
    assert sorted(await asyncio.gather(*attempts), key=repr) == [grant] * 5 + [Spent()] * 59


async def test_a_store_that_answers_pings(store: Store) -> None:
    """A healthy store passes its readiness check."""
    assert await store.ping() is None  # type: ignore[func-returns-value]  # None is the promise
