"""The embedded store's bounds: never over its limit, cleaned up as it goes."""

import pytest

from signaller.errors import StoreUnavailable
from signaller.model import Spent
from signaller.stores import MemoryStore
from signaller.stores.expiring import ExpiringMap
from tests.stores.making import SetClock, make_call, make_grant


async def test_a_full_store_takes_no_more_grants(clock: SetClock) -> None:
    """Full of live grants: nothing is minted; a revoked or an expired one makes room."""
    store = MemoryStore(clock, max_grants=2)
    kept = [make_grant(clock, lives_seconds=60) for _ in range(2)]
    for grant in kept:
        await store.put_grant(grant)
    with pytest.raises(StoreUnavailable, match="full: 2 grants"):
        await store.put_grant(make_grant(clock))
    await store.revoke(kept[0].id)
    await store.put_grant(make_grant(clock))
    clock.now += 60
    another = make_grant(clock)
    await store.put_grant(another)
    assert await store.redeem(another.id) == another


async def test_a_spent_grant_takes_its_place_until_it_expires(clock: SetClock) -> None:
    """What could be replayed is remembered, even by a full store; its secret is not."""
    store = MemoryStore(clock, max_grants=1)
    grant = make_grant(clock)
    await store.put_grant(grant)
    assert await store.redeem(grant.id) == grant
    assert await store.link(grant, "rtc_1")
    assert grant.sealed_secret not in repr(store._grants._entries)
    with pytest.raises(StoreUnavailable, match="full: 1 grants"):
        await store.put_grant(make_grant(clock))
    assert await store.redeem(grant.id) == Spent(call_ids=("rtc_1",))
    clock.now = grant.terms.start_by
    assert await store.redeem(grant.id) is None
    await store.put_grant(make_grant(clock))


async def test_a_full_store_takes_no_more_calls(clock: SetClock) -> None:
    """Full of live calls: what is known may still change."""
    store = MemoryStore(clock, max_calls=1)
    call = make_call(clock)
    await store.put_call(call)
    with pytest.raises(StoreUnavailable, match="full: 1 calls"):
        await store.put_call(make_call(clock))
    await store.put_call(call)
    assert await store.get_call(call.id) == call


def test_expired_entries_are_dropped(clock: SetClock) -> None:
    """Putting something forgets everything that has expired."""
    kept: ExpiringMap[int] = ExpiringMap(clock, 1000, "numbers")
    for number in range(1000):
        kept.put(str(number), number, int(clock.now) + 1 + number % 7)
    clock.now += 7
    kept.put("new", 1, int(clock.now) + 1)
    assert len(kept) == 1


def test_an_entry_put_again_lives_by_its_new_expiry(clock: SetClock) -> None:
    """An earlier expiry of the same key does not take the entry along."""
    kept: ExpiringMap[str] = ExpiringMap(clock, 2, "words")
    kept.put("key", "old", int(clock.now) + 1)
    kept.put("key", "new", int(clock.now) + 9)
    clock.now += 5
    kept.put("other", "word", int(clock.now) + 1)
    assert kept.get("key") == "new"


def test_removed_entries_leave_nothing_behind(clock: SetClock) -> None:
    """Ten thousand entries that came and went long before their expiry are not remembered."""
    kept: ExpiringMap[int] = ExpiringMap(clock, 10, "numbers")
    for number in range(10_000):
        kept.put(str(number), number, int(clock.now) + 7200)
        kept.remove(str(number))
    assert len(kept) == 0
    assert kept._noted < 100
