"""Sealed secrets that tokens share, and who makes them new."""

import asyncio

from signaller.ports import Store
from tests.stores.making import SetClock


async def test_a_warm_secret_is_there_for_every_replica(
    replicas: tuple[Store, Store], clock: SetClock
) -> None:
    """Until it is replaced or dropped."""
    here, there = replicas
    assert await there.get_warm("w1") is None
    for sealed in ("first", "second"):
        await here.put_warm("w1", sealed, int(clock.now) + 60)
        assert await there.get_warm("w1") == sealed
    await there.drop_warm("w1")
    assert await here.get_warm("w1") is None
    await there.drop_warm("w1")


async def test_a_warm_secret_goes_in_time(store: Store, clock: SetClock) -> None:
    """One second before and one after."""
    await store.put_warm("w2", "sealed", int(clock.now) + 60)
    assert await store.get_warm("w2") == "sealed"
    await store.put_warm("w2", "sealed", int(clock.now) - 1)
    assert await store.get_warm("w2") is None


async def test_of_many_claims_one_wins(replicas: tuple[Store, Store]) -> None:
    """Over all replicas; another name is another claim."""
    claims = [replicas[n % 2].claim_warm("w3", 30) for n in range(64)]
    assert sorted(await asyncio.gather(*claims)) == [False] * 63 + [True]
    assert await replicas[0].claim_warm("w4", 30)
