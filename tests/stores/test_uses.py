"""Uses that a policy withholds, and those that are given back, in every store."""

import pytest

from signaller.model import Spent
from signaller.ports import Store
from tests.stores.making import SetClock, make_grant


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
