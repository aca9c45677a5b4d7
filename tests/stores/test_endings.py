"""Who may ask a provider for the end of a call, in every store."""

import asyncio
import math

import pytest

from signaller.model import Spent
from signaller.ports import Store
from tests.stores.making import SetClock, make_call, make_grant


async def test_one_of_many_gets_the_turn(replicas: tuple[Store, Store], clock: SetClock) -> None:
    """Over all replicas; the others are told how long it may take."""
    call = make_call(clock)
    turns = await asyncio.gather(
        *(replicas[number % 2].begin_ending(call, seconds=30, at_most=3) for number in range(40))
    )
    assert sorted(turn.attempt for turn in turns) == [0] * 39 + [1]
    assert all(20 < turn.wait_seconds <= 30 for turn in turns if not turn.attempt)


async def test_after_a_pause_it_is_the_next_ones_turn(store: Store, clock: SetClock) -> None:
    """A pause may be shorter than the turn was allowed to be."""
    call = make_call(clock)
    assert (await store.begin_ending(call, seconds=30, at_most=3)).attempt == 1
    await store.pause_ending(call, seconds=30)
    assert (await store.begin_ending(call, seconds=30, at_most=3)).attempt == 0
    await store.pause_ending(call, seconds=0)
    assert (await store.begin_ending(call, seconds=30, at_most=3)).attempt == 2


async def test_there_is_a_last_turn(store: Store, clock: SetClock) -> None:
    """After it nobody waits for another."""
    call = make_call(clock)
    for attempt in (1, 2):
        assert (await store.begin_ending(call, seconds=30, at_most=2)).attempt == attempt
        await store.pause_ending(call, seconds=0)
    over = await store.begin_ending(call, seconds=30, at_most=2)
    assert (over.attempt, over.wait_seconds) == (0, math.inf)


async def test_a_pause_for_an_unknown_call_is_nothing(store: Store, clock: SetClock) -> None:
    """It has been forgotten with the call."""
    call = make_call(clock)
    await store.pause_ending(call, seconds=30)
    assert (await store.begin_ending(call, seconds=30, at_most=1)).attempt == 1


@pytest.mark.parametrize("withheld", [1, 2])
async def test_withheld_uses_are_not_redeemed(store: Store, clock: SetClock, withheld: int) -> None:
    """They count as spent, and without the policy they are there again."""
    grant = make_grant(clock, uses=3)
    await store.put_grant(grant)
    for _ in range(3 - withheld):
        assert await store.redeem(grant.id, withheld=withheld) == grant
    assert await store.redeem(grant.id, withheld=withheld) == Spent()
    assert await store.uses_left(grant.id) == withheld
    assert await store.redeem(grant.id) == grant


async def test_a_counted_return_has_an_end(store: Store, clock: SetClock) -> None:
    """Others are not counted with them, and do not count them."""
    grant = make_grant(clock)
    await store.put_grant(grant)
    for back in (True, True, False):
        assert await store.redeem(grant.id) == grant
        returned = await store.give_back(grant, at_most=2)
        assert (returned.given_back, returned.uses_left) == (back, int(back))
    assert await store.uses_left(grant.id) == 0


async def test_an_uncounted_return_has_none(store: Store, clock: SetClock) -> None:
    """A caller may wait for its rate as long as the token lives."""
    grant = make_grant(clock)
    await store.put_grant(grant)
    for _ in range(5):
        assert await store.redeem(grant.id) == grant
        assert (await store.give_back(grant)).given_back
    assert await store.redeem(grant.id) == grant
    assert (await store.give_back(grant, at_most=1)).given_back


async def test_what_is_gone_is_not_given_back(store: Store, clock: SetClock) -> None:
    """Revoked meanwhile: its client learns that the token is spent."""
    grant = make_grant(clock)
    await store.put_grant(grant)
    await store.redeem(grant.id)
    await store.revoke(grant.id)
    returned = await store.give_back(grant, at_most=3)
    assert (returned.given_back, returned.uses_left) == (False, 0)


async def test_a_pause_may_be_longer_than_a_turn(store: Store, clock: SetClock) -> None:
    """It is no other clock's doing."""
    call = make_call(clock)
    assert (await store.begin_ending(call, seconds=2, at_most=9)).attempt == 1
    await store.pause_ending(call, seconds=30)
    turn = await store.begin_ending(call, seconds=2, at_most=9)
    assert turn.attempt == 0
    assert 20 < turn.wait_seconds <= 30
