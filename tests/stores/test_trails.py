"""What every store promises about spent grants: replays, the calls they began, revocation."""

import asyncio
from dataclasses import replace

import pytest

from signaller.model import Grant, Spent
from signaller.ports import Store
from tests.stores.making import SetClock, make_grant


@pytest.fixture
async def spent(store: Store, clock: SetClock) -> Grant:
    """A grant of one use that was redeemed."""
    grant = make_grant(clock)
    await store.put_grant(grant)
    await store.redeem(grant.id)
    return grant


async def gone(store: Store, grant: Grant, clock: SetClock) -> None:
    """Return once a grant has expired by everybody's clock; Redis's own cannot be set."""
    twin = replace(grant, id=f"{grant.id}-twin")
    await store.put_grant(twin)
    clock.now = grant.terms.start_by
    async with asyncio.timeout(10):
        while await store.uses_left(twin.id):  # noqa: ASYNC110 - an expiry sends no notice
            await asyncio.sleep(0.02)


async def test_a_replay_names_the_calls_of_a_grant(
    replicas: tuple[Store, Store], clock: SetClock
) -> None:
    """Whichever replica linked them, before the last use and after it."""
    here, there = replicas
    grant = make_grant(clock, uses=2)
    await here.put_grant(grant)
    await here.redeem(grant.id)
    assert await here.link(grant, "rtc_1")
    await there.redeem(grant.id)
    assert await there.link(grant, "rtc_2")
    assert await here.redeem(grant.id) == Spent(call_ids=("rtc_1", "rtc_2"))
    assert await there.redeem(grant.id) == Spent(call_ids=("rtc_1", "rtc_2"))


async def test_a_call_linked_twice_is_named_once(store: Store, spent: Grant) -> None:
    """A link may be repeated, and leaves nothing more behind."""
    assert [await store.link(spent, "rtc_1") for _ in range(2)] == [True, True]
    assert await store.redeem(spent.id) == Spent(call_ids=("rtc_1",))


async def test_a_call_whose_id_begins_another_one_is_linked(store: Store, spent: Grant) -> None:
    """Ids are compared whole."""
    for call_id in ("rtc_12", "rtc_1", "tc_12"):
        assert await store.link(spent, call_id)
    assert await store.redeem(spent.id) == Spent(call_ids=("rtc_12", "rtc_1", "tc_12"))


async def test_a_call_is_not_linked_after_a_replay(store: Store, spent: Grant) -> None:
    """Nobody can tell whose call it is; other grants are not touched."""
    assert await store.redeem(spent.id) == Spent()
    assert not await store.link(spent, "rtc_1")
    assert await store.redeem(spent.id) == Spent()


async def test_a_use_given_back_is_a_fresh_one(store: Store, spent: Grant) -> None:
    """Whoever tried in vain while the provider refused does not end the next good call."""
    assert await store.redeem(spent.id) == Spent()
    await store.give_back(spent)
    assert await store.redeem(spent.id) == spent
    assert await store.link(spent, "rtc_1")
    assert await store.redeem(spent.id) == Spent(call_ids=("rtc_1",))
    assert not await store.link(spent, "rtc_2")


async def test_a_use_given_back_leaves_the_trail(store: Store, clock: SetClock) -> None:
    """The calls that did begin are still the grant's."""
    grant = make_grant(clock, uses=2)
    await store.put_grant(grant)
    await store.redeem(grant.id)
    await store.link(grant, "rtc_1")
    await store.redeem(grant.id)
    await store.give_back(grant)
    assert await store.redeem(grant.id) == grant
    assert await store.redeem(grant.id) == Spent(call_ids=("rtc_1",))


async def test_a_link_and_a_replay_that_race_never_miss_each_other(
    replicas: tuple[Store, Store], clock: SetClock
) -> None:
    """500 times over, either the link says no or the replay names the call; never both."""
    here, there = replicas
    linked_first = set()
    for number in range(500):
        grant = make_grant(clock)
        await here.put_grant(grant)
        await here.redeem(grant.id)
        if number % 2:
            linked, replay = await asyncio.gather(here.link(grant, "rtc_1"), there.redeem(grant.id))
        else:
            replay, linked = await asyncio.gather(there.redeem(grant.id), here.link(grant, "rtc_1"))
        assert replay == Spent(call_ids=("rtc_1",) if linked else ())
        linked_first.add(linked)
    assert linked_first == {True, False}


async def test_an_expired_grant_is_linked_and_leaves_nothing(store: Store, clock: SetClock) -> None:
    """There is nothing to replay any more, and nothing comes back."""
    grant = make_grant(clock, lives_seconds=2)
    await store.put_grant(grant)
    await store.redeem(grant.id)
    await gone(store, grant, clock)
    assert await store.link(grant, "rtc_1")
    await store.give_back(grant)
    assert await store.uses_left(grant.id) == 0
    assert await store.redeem(grant.id) is None


async def test_uses_left_are_counted_down_and_up(store: Store, clock: SetClock) -> None:
    """Looking takes nothing."""
    grant = make_grant(clock, uses=12)
    await store.put_grant(grant)
    assert [await store.uses_left(grant.id) for _ in range(2)] == [12, 12]
    for left in range(11, -1, -1):
        await store.redeem(grant.id)
        assert await store.uses_left(grant.id) == left
    await store.link(grant, "rtc_1")
    await store.redeem(grant.id)
    assert await store.uses_left(grant.id) == 0
    await store.give_back(grant)
    assert await store.uses_left(grant.id) == 1


async def test_looking_is_no_replay(store: Store, spent: Grant) -> None:
    """A spent grant can be looked at, and its call be linked afterwards."""
    assert await store.uses_left(spent.id) == 0
    assert await store.link(spent, "rtc_1")


async def test_an_unknown_grant_has_no_uses_left(store: Store) -> None:
    """An id that was never put starts nothing."""
    assert await store.uses_left("never-put") == 0


@pytest.mark.parametrize("redeemed", [0, 1, 2])
async def test_a_revoked_grant_is_no_more(
    replicas: tuple[Store, Store], clock: SetClock, redeemed: int
) -> None:
    """Fresh, in use or spent: nothing redeems it, nothing gives it back, nothing is left of it."""
    here, there = replicas
    grant = make_grant(clock, uses=2)
    await here.put_grant(grant)
    for _ in range(redeemed):
        await here.redeem(grant.id)
        await here.link(grant, "rtc_1")
    await there.revoke(grant.id)
    for _ in range(2):
        assert await here.redeem(grant.id) is None
        assert await here.uses_left(grant.id) == 0
        await here.give_back(grant)
        assert await here.link(grant, "rtc_2")


async def test_revoking_what_is_not_there_changes_nothing(store: Store, spent: Grant) -> None:
    """An unknown id is no error, and no other grant is touched."""
    await store.revoke("never-put")
    await store.give_back(spent)
    assert await store.redeem(spent.id) == spent


async def test_of_a_revocation_and_64_redemptions_nothing_is_left(
    replicas: tuple[Store, Store], clock: SetClock
) -> None:
    """50 times over: at most the grant's uses, and no use given back survives the revocation."""
    here, there = replicas
    for _ in range(50):
        grant = make_grant(clock, uses=3)
        await here.put_grant(grant)

        async def redeem_and_give_back(number: int, store: Store, grant: Grant) -> bool:
            won = await store.redeem(grant.id) == grant
            if won and number % 2:
                await store.give_back(grant)
            return won and not number % 2

        attempts = [redeem_and_give_back(n, replicas[n % 2], grant) for n in range(64)]
        won = asyncio.gather(*attempts[:32], there.revoke(grant.id), *attempts[32:])
        assert sum(each is True for each in await won) <= 3
        assert await here.redeem(grant.id) is None
