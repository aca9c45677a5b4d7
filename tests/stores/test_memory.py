"""The embedded store: never over its bounds, a share for everyone, cleaned up as it goes."""

import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from signaller.errors import StoreUnavailable
from signaller.model import (
    CallEntry,
    Grant,
    Spent,
)
from signaller.policy import Rate
from signaller.stores import MemoryStore
from signaller.stores.expiring import ExpiringMap
from signaller.stores.memory_calls import MemoryCallBook
from signaller.stores.rates import WindowRates
from tests.stores.making import SetClock, make_grant, memory_in_use

MIB = 1024 * 1024
FOUR = ("ada", "bob", "cal", "dan")


def grant_of(caller: str, clock: SetClock, **changes: Any) -> Grant:
    """A caller's."""
    return replace(make_grant(clock, **changes), caller=caller)


async def filled(store: MemoryStore, clock: SetClock) -> list[Grant]:
    """A grant of each of four callers."""
    kept = [grant_of(caller, clock) for caller in FOUR]
    for grant in kept:
        await store.put_grant(grant)
    return kept


async def test_a_full_store_takes_no_more_grants(clock: SetClock) -> None:
    """Full of live grants: nothing is minted; a revoked or an expired one makes room."""
    store = MemoryStore(clock, max_grants=4)
    kept = await filled(store, clock)
    with pytest.raises(StoreUnavailable, match="full: 4 unused tokens") as refused:
        await store.put_grant(grant_of("eve", clock))
    assert refused.value.public.startswith("The service's store is full: it keeps 4 unused tokens")
    await store.revoke(kept[0].id)
    await store.put_grant(grant_of("eve", clock))
    clock.now += 60
    another = grant_of("eve", clock)
    await store.put_grant(another)
    assert await store.redeem(another.id) == another


async def test_a_full_store_says_so_before_anything_is_paid_for(clock: SetClock) -> None:
    """A mint asks first, and /readyz; both hear what it is full of."""
    store = MemoryStore(clock, max_grants=4)
    await store.ping()
    kept = await filled(store, clock)
    with pytest.raises(StoreUnavailable, match="4 unused tokens"):
        await store.ping()
    await store.redeem(kept[0].id)
    await store.ping()


async def test_those_who_were_told_that_there_is_room_find_it(clock: SetClock) -> None:
    """Mints under way when the store is about to be full."""
    store = MemoryStore(clock, max_grants=640)
    put = 0
    while await has_room(store):
        await store.put_grant(grant_of(f"caller-{put % 8}", clock))
        put += 1
    for number in range(10):
        await store.put_grant(grant_of(f"late-{number}", clock))


async def has_room(store: MemoryStore) -> bool:
    """Whether a mint would go on."""
    try:
        await store.ping()
    except StoreUnavailable:
        return False
    return True


async def test_one_caller_takes_no_place_of_anothers(clock: SetClock) -> None:
    """At its share, its own oldest token goes; those that are spent go before."""
    store = MemoryStore(clock, max_grants=12)
    bobs = grant_of("bob", clock)
    await store.put_grant(bobs)
    first, spent, *others = (grant_of("ada", clock) for _ in range(20))
    for grant in (first, spent):
        await store.put_grant(grant)
    await store.redeem(spent.id)
    for grant in others[:2]:
        await store.put_grant(grant)
    assert await store.uses_left(first.id) == 1
    assert await store.redeem(spent.id) is None
    for grant in others[2:]:
        await store.put_grant(grant)
        await store.ping()
    assert await store.redeem(first.id) is None
    assert [await store.uses_left(grant.id) for grant in others[-3:]] == [1, 1, 1]
    assert await store.redeem(bobs.id) == bobs


async def test_a_spent_grant_is_remembered_while_there_is_room(clock: SetClock) -> None:
    """What could be replayed is known as such, and it makes room for others."""
    store = MemoryStore(clock, max_grants=4)
    grant, *_ = await filled(store, clock)
    assert await store.redeem(grant.id) == grant
    assert await store.link(grant, "rtc_1")
    assert await store.redeem(grant.id) == Spent(call_ids=("rtc_1",))
    await store.put_grant(grant_of("eve", clock))
    assert await store.redeem(grant.id) is None


async def test_the_secret_of_a_spent_grant_is_gone(clock: SetClock) -> None:
    """Its record takes no more memory than one without."""
    store = MemoryStore(clock)
    with memory_in_use() as in_use:
        grant = replace(grant_of("ada", clock), sealed_secret="x" * MIB)
        grant_id = grant.id
        await store.put_grant(grant)
        del grant
        assert in_use() > MIB
        assert isinstance(await store.redeem(grant_id), Grant)
        assert in_use() < MIB / 16
    assert isinstance(await store.redeem(grant_id), Spent)


async def test_a_store_has_no_room_where_there_is_none_for_calls(clock: SetClock) -> None:
    """Nothing is minted that could begin none."""
    book = MemoryCallBook(clock, max_calls=4)
    store = MemoryStore(clock, check_calls=book.check_room)
    await store.ping()
    for caller in FOUR:
        entry = CallEntry(id=caller, caller=caller, model="m", began_at=0, ends_by=4_000_000_000)
        assert await book.begin(entry, "intent", at_most=None) is None
    with pytest.raises(StoreUnavailable, match="full: 4 calls"):
        await store.ping()


async def test_a_bucket_of_one_caller_is_not_pushed_out_by_anothers_people(clock: SetClock) -> None:
    """A JWT may name any number of them; of its caller the one goes that was longest away."""
    rates = WindowRates(MemoryStore(clock, max_buckets=40))
    web = Rate(bucket="mints:web", per_minute=2)
    crowd = Rate(bucket="mints:crowd", per_minute=10_000)
    for _ in range(2):
        await rates.take([web])
    for number in range(200):
        await rates.take([Rate(bucket=f"mints of one:{number}:crowd", per_minute=5), crowd])
        clock.now += 0.001
    with pytest.raises(Exception, match="mints:web"):
        await rates.take([web])
    counted = await rates.take([crowd])
    assert counted is not None
    assert counted.remaining == 10_000 - 201


async def test_a_full_store_counts_no_more_and_forgets_no_hit(clock: SetClock) -> None:
    """Rates fail closed."""
    store = MemoryStore(clock, max_buckets=4)
    for caller in FOUR:
        assert (await store.take_hit(f"mints:{caller}", 1)).allowed
    with pytest.raises(StoreUnavailable, match="4 rate buckets"):
        await store.take_hit("mints:eve", 1)
    for caller in FOUR:
        assert not (await store.take_hit(f"mints:{caller}", 1)).allowed


async def test_warm_secrets_are_bounded_in_bytes_and_by_holder(clock: SetClock) -> None:
    """1,000 long ones of one holder: what does not fit its share makes the oldest of its own go."""
    store = MemoryStore(clock)
    until, sealed = int(clock.now) + 600, "x" * 128 * 1024
    assert await store.put_warm("bob.1", "sealed", until)
    with memory_in_use() as in_use:
        for number in range(1000):
            assert await store.put_warm(f"ada.{number}", f"{number}{sealed}", until)
        assert in_use() < 17 * MIB
    assert await store.get_warm("ada.0") is None
    assert await store.get_warm("ada.999") == f"999{sealed}"
    assert await store.get_warm("bob.1") == "sealed"
    assert not await store.put_warm("ada.longer", "x" * 17 * MIB, until)
    assert await store.get_warm("ada.999") == f"999{sealed}"


async def test_without_room_a_warm_secret_is_merely_not_kept(clock: SetClock) -> None:
    """Nor is a lease: whoever asks does without."""
    store = MemoryStore(clock, max_warm=4)
    for holder in FOUR:
        assert await store.lease_warm(f"{holder}.1", 30)
        assert await store.put_warm(f"{holder}.1", "sealed", int(clock.now) + 600)
    assert not await store.put_warm("eve.1", "sealed", int(clock.now) + 600)
    assert await store.put_warm("ada.2", "sealed", int(clock.now) + 600)
    assert await store.get_warm("ada.1") is None


def a_full_grant(number: int, clock: SetClock) -> Grant:
    """One of four callers', with all that a grant may have."""
    return replace(
        grant_of(FOUR[number % 4], clock),
        sealed_secret=secrets.token_hex(150),
        safety_identifier=secrets.token_hex(16),
        warm_secret=secrets.token_hex(50),
    )


async def counted_bytes(full: Awaitable[object]) -> int:
    """What a full store says it holds, in its refusal."""
    with pytest.raises(StoreUnavailable, match="full: 4000 ") as refused:
        await full
    return int(str(refused.value).split(", ")[-1].removesuffix(" bytes"))


async def test_bytes_are_counted_as_they_are(clock: SetClock) -> None:
    """What the store believes to hold is what the interpreter has given it, or more."""
    store = MemoryStore(clock, max_grants=4000, max_buckets=4000)
    puts: dict[str, tuple[Callable[[int], Awaitable[object]], Callable[[], Awaitable[object]]]] = {
        "buckets": (
            lambda number: store.take_hit(
                f"mints of one:{secrets.token_hex(16)}:{FOUR[number % 4]}", 60
            ),
            lambda: store.take_hit("mints:eve", 60),
        ),
        "grants": (
            lambda number: store.put_grant(a_full_grant(number, clock)),
            lambda: store.put_grant(grant_of("eve", clock)),
        ),
    }
    found = {}
    with memory_in_use() as in_use:
        for name, (put, one_more) in puts.items():
            before = in_use()
            for number in range(4000):
                await put(number)
            found[name] = (in_use() - before) / await counted_bytes(one_more())
    assert {name: 0.6 < ratio < 1.1 for name, ratio in found.items()} == dict.fromkeys(
        found, True
    ), found


async def test_bytes_of_warm_secrets_are_counted_as_they_are(clock: SetClock) -> None:
    """Four holders with all that fits their shares fill the 64 MiB that there are, or less."""
    store = MemoryStore(clock, max_warm=100_000)
    until = int(clock.now) + 600
    with memory_in_use() as in_use:
        for number in range(24_000):
            name = f"{FOUR[number % 4]}.{secrets.token_hex(16)}"
            assert await store.put_warm(name, secrets.token_hex(1500), until)
        assert 0.6 < in_use() / (64 * MIB) < 1.1


async def test_a_crowd_in_the_store_slows_nobody_down(clock: SetClock) -> None:
    """100,000 entries of one holder beyond its share, and as many of one each."""
    kept: ExpiringMap[int] = ExpiringMap(clock, "numbers", max_entries=40_000, max_bytes=MIB * MIB)

    def seconds(of: Callable[[int], str], count: int) -> float:
        began = time.process_time()
        for number in range(count):
            kept.put(f"{count}-{number}", number, int(clock.now) + 60, holder=of(number), size=1)
        return time.process_time() - began

    few = seconds(lambda _: "ada", 10_000)
    assert seconds(lambda _: "ada", 100_000) < 10 * few * 5
    assert len(kept) == 10_000
    clock.now += 60
    few = seconds(str, 10_000)
    clock.now += 60
    assert seconds(str, 40_000) < 4 * few * 5
    assert len(kept) == 40_000


def numbers(clock: SetClock, most: int) -> ExpiringMap[int]:
    """Everybody's, of which each takes a byte."""
    return ExpiringMap(clock, "numbers", max_entries=most, max_bytes=MIB)


def test_expired_entries_are_dropped(clock: SetClock) -> None:
    """Putting something forgets everything that has expired, and its holder with it."""
    kept = numbers(clock, 4000)
    with memory_in_use() as in_use:
        for number in range(1000):
            until = int(clock.now) + 1 + number % 7
            kept.put(str(number), number, until, holder=str(number), size=1)
        with_all = in_use()
        clock.now += 7
        kept.put("new", 1, int(clock.now) + 1, holder="bob", size=1)
        assert in_use() < with_all / 4
    assert (len(kept), kept.size) == (1, 1)


def test_expired_entries_make_room_before_any_other(clock: SetClock) -> None:
    """Of the holder's own, and of everybody's."""
    kept = numbers(clock, 8)
    kept.put("old", 1, int(clock.now) + 60, holder="ada", size=1)
    kept.put("new", 1, int(clock.now) + 1, holder="ada", size=1)
    clock.now += 1
    kept.put("newer", 1, int(clock.now) + 1, holder="ada", size=1)
    assert kept.get("old") == 1


def test_what_is_refused_changes_nothing(clock: SetClock) -> None:
    """A value that would grow beyond the bound stays as it was."""
    kept: ExpiringMap[str] = ExpiringMap(clock, "words", max_entries=100, max_bytes=8)
    for holder in FOUR:
        kept.put(holder, "old", int(clock.now) + 60, holder=holder, size=2)
    with pytest.raises(StoreUnavailable, match="4 words, 8 bytes"):
        kept.put("ada", "new", int(clock.now) + 60, holder="ada", size=3)
    assert (kept.get("ada"), kept.size) == ("old", 8)


def test_an_entry_put_again_lives_by_its_new_expiry(clock: SetClock) -> None:
    """An earlier expiry of the same key does not take the entry along."""
    kept = numbers(clock, 8)
    kept.put("key", 1, int(clock.now) + 1, holder="ada", size=1)
    kept.put("key", 2, int(clock.now) + 9, holder="ada", size=1)
    clock.now += 5
    kept.put("other", 3, int(clock.now) + 1, holder="ada", size=1)
    assert kept.get("key") == 2


def test_removed_entries_leave_nothing_behind(clock: SetClock) -> None:
    """Ten thousand entries that came and went long before their expiry are not remembered."""
    kept = numbers(clock, 40)
    with memory_in_use() as in_use:
        for number in range(10_000):
            kept.put(str(number), number, int(clock.now) + 7200, holder=str(number), size=1)
            kept.remove(str(number))
        assert in_use() < 32 * 1024
    assert (len(kept), kept.size) == (0, 0)


def test_what_is_refused_takes_nothing_away(clock: SetClock) -> None:
    """Neither its holder's older entries nor what is spare, which would not have been enough."""
    kept: ExpiringMap[str] = ExpiringMap(clock, "things", max_entries=100, max_bytes=400)
    until = int(clock.now) + 60

    def put(key: str, holder: str, size: int, **options: bool) -> None:
        kept.put(key, key, until, holder=holder, size=size, **options)

    put("mine", "a", 40)
    for number, size in enumerate((100, 100, 100, 45)):
        put(f"others{number}", f"o{number}", size)
    put("spare", "b", 10, spare=True)
    with pytest.raises(StoreUnavailable):
        put("mine, too", "a", 90)
    assert [kept.get(key) for key in ("mine", "spare")] == ["mine", "spare"]
