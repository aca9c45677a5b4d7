"""A store that is gone for a while takes no call from whoever watches it."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace

import pytest

from signaller.errors import SupervisionUnavailable, UpstreamUnreachable
from signaller.model import Deployment, Trace, Watching
from signaller.realtime.call_records import FINAL, CallRecord, entry_of
from signaller.supervision.machine import Machine
from signaller.supervision.owner import LEASE_SECONDS, RENEW_SECONDS, rules_of
from signaller.supervision.prices import our_prices
from signaller.supervision.watch import LONGEST_PAUSE_SECONDS, Watch
from tests.supervision.scene import OVER, Hands, Line, scene, until
from tests.supervision.told import began, done
from tests.support.timing import own_time


async def test_whoever_watched_before_an_outage_watches_after_it() -> None:
    """All leases have run out meanwhile; nobody attaches anew, and no gap is made."""
    this = scene(Watching(mode="best_effort"))
    book, gate, (owner, other) = this.book, this.gate, this.replicas
    async with owner.running(), other.running():
        call = await this.call()
        await owner.begin(call)
        await this.until_it_shows(call, lambda record: bool(record.seen))
        gate.shut = True
        await asyncio.sleep(LEASE_SECONDS + 2)
        gate.shut = False
        await asyncio.sleep(4)
        assert this.upstream.attached == 1
        assert owner.watches(call.id)
        assert not other.watches(call.id)
        found = await book.find(call.id)
    assert found is not None
    shown = found.as_json()
    assert (shown["supervision"], shown["gaps"]) == ("watched", [])


async def test_a_call_that_ends_twice_is_counted_once() -> None:
    """By the socket, by the lease, and by whoever takes it up again since its end was not kept."""
    this = scene(Watching(mode="best_effort"))
    owner = this.replicas[0]
    call = await this.call()
    for _ in range(2):
        machine = Machine.begin(
            rules_of(call, call.ends_by), now=time.time(), prices=None, price_list=our_prices()
        )
        watch = Watch(call, machine, home=owner)
        watch.fence = await this.book.lease(call.id, owner.name, seconds=LEASE_SECONDS)
        await watch.settle("client")
        await watch.settle("client")
    assert this.counted == [call.id]


async def test_an_end_that_falls_into_an_outage_is_asked_for_after_it() -> None:
    """Only this watch knows that the call is idle: it goes on asking until somebody else does."""
    this = scene(Watching(mode="best_effort", max_idle_seconds=2))
    owner = this.replicas[0]
    async with owner.running():
        call = await this.call()
        await owner.begin(call)
        await this.until_it_shows(call, lambda record: bool(record.seen))
        this.gate.shut = True
        await asyncio.sleep(4)
        this.gate.shut = False
        record = await this.until_it_shows(call, lambda record: record.status == "ended")
        await until(lambda: bool(this.counted))
    assert record.state.ended_by == "idle"


async def test_a_call_whose_process_died_before_its_first_lease_has_an_heir() -> None:
    """Nobody has ever watched it, and it wants to be."""
    this = scene(Watching(mode="best_effort"))
    _, heir = this.replicas
    async with heir.running():
        call = await this.call()
        await until(lambda: heir.watches(call.id))


async def test_a_slow_store_takes_no_call_from_whoever_watches_it() -> None:
    """Nobody could renew a lease while it froze, though it answers in the end."""
    hands = Hands()
    this = scene(Watching(mode="best_effort"), monotonic=hands)
    gate, upstream, (_, other) = this.gate, this.upstream, this.replicas
    call = await this.call()
    await this.book.lease(call.id, "lives", seconds=1)
    await this.book.release(call.id, "lives")

    def freezes() -> None:
        if gate.looks == 1:
            hands.now += RENEW_SECONDS + 1

    gate.look_takes = freezes
    async with other.running():
        await until(lambda: gate.looks >= 3)
        assert upstream.attached == 0
        hands.now += LEASE_SECONDS  # whoever lives would have renewed it by now
        await until(lambda: upstream.attached == 1)


async def test_a_renewal_that_finds_the_end_writes_the_last_record() -> None:
    """Under the number of the lease it had: a call that has ended gives no other."""
    hands = Hands()
    this = scene(Watching(mode="best_effort"), monotonic=hands)
    book, owner = this.book, this.replicas[0]
    async with owner.running():
        call = await this.call()
        await owner.begin(call)
        record = await this.until_it_shows(call, lambda record: bool(record.seen))
        await this.upstream.line.tells(began("resp_1"), done("resp_1"))
        await book.end(replace(record, state=OVER))
        hands.now += RENEW_SECONDS
        found = await this.until_it_shows(call, lambda record: record.seen.get(FINAL) is True)
    usage = found.as_json()["usage"]
    assert isinstance(usage, Mapping)
    assert (usage["label"], usage["responses"]) == ("complete", 1)


async def test_who_stood_still_ends_no_call_for_silence() -> None:
    """What was told meanwhile may not be read yet: the silence is measured from now on."""
    hands = Hands()
    this = scene(Watching(mode="best_effort", max_idle_seconds=30), monotonic=hands)
    owner = this.replicas[0]
    async with owner.running():
        call = await this.call()
        await owner.begin(call)
        before = await this.until_it_shows(call, lambda record: bool(record.seen))
        hands.now += 40
        record = await this.until_it_shows(call, lambda record: record.seen != before.seen)
        looks = this.gate.looks
        await until(lambda: this.gate.looks >= looks + 2)  # and it ticked twice as often
        record = await this.until_it_shows(call, lambda record: bool(record.seen))
        assert record.state.ending is None
        assert record.status == "live"


async def test_a_slow_store_lets_nobody_take_over_a_call_twice() -> None:
    """It is an orphan still when the next look finds it: one sideband is enough."""
    this = scene(Watching(mode="best_effort"))
    gate, heir = this.gate, this.replicas[1]
    call = await this.call()
    await this.book.lease(call.id, "gone", seconds=1)
    await this.book.release(call.id, "gone")
    gate.leases = 0
    gate.lets_lease.clear()
    async with heir.running():
        await until(lambda: gate.looks >= 4)
        assert gate.leases == 1
        gate.lets_lease.set()
        await until(lambda: this.upstream.attached == 1)


async def test_nobody_waits_for_a_lease() -> None:
    """The answer of a call that has to be watched is released once a sideband is open."""
    this = scene(Watching(mode="required"))
    owner = this.replicas[0]
    this.gate.lets_lease.clear()
    async with owner.running():
        await owner.begin(await this.call())
        assert this.upstream.attached == 1
        this.gate.lets_lease.set()


async def test_nobody_waits_for_a_watch_for_longer_than_12_seconds() -> None:
    """Where the provider answers no handshake, neither the first nor the second."""
    this = scene(Watching(mode="required"))
    owner = this.replicas[0]
    this.upstream.lets.clear()
    async with owner.running():
        call = await this.call()
        began_at, own_began_at = time.monotonic(), own_time()
        with pytest.raises(SupervisionUnavailable):
            await owner.begin(call)
        assert time.monotonic() - began_at >= 11.9  # a 404 of 5.5 s, and another attempt
        assert own_time() - own_began_at <= 13
        assert not owner.watches(call.id)


async def test_a_provider_that_is_down_is_dialled_less_and_less_often() -> None:
    """Twice; after a quarter of a second, after half a second, and so on; after 10 s in the end.

    Each pause may be half as long, so that not all calls dial together.
    """
    this = scene(Watching(mode="best_effort"))
    dialled_at: list[tuple[float, float]] = []

    async def refuses(deployment: Deployment, provider_call_id: str, trace: Trace) -> Line | None:
        dialled_at.append((time.monotonic(), own_time()))
        raise UpstreamUnreachable("it is down")

    this.upstream.attach = refuses  # type: ignore[method-assign]  # for once
    async with this.replicas[0].running():
        await this.replicas[0].begin(await this.call())
        await until(lambda: len(dialled_at) == 7)
    (first, own_first), (_, own_third), (last, own_last) = (dialled_at[at] for at in (0, 2, 6))
    assert own_third - own_first < 1
    assert last - first >= 3.8
    assert own_last - own_first < 9
    assert LONGEST_PAUSE_SECONDS <= 10


async def test_no_more_are_watched_than_may_be_though_all_found_room() -> None:
    """Each asked before its provider had answered; one that is too many is not watched."""
    this = scene(Watching(mode="required"), max_watched=1)
    owner = this.replicas[0]
    async with owner.running():
        call = await this.call()
        for _ in range(2):
            owner.check_room()
        await owner.begin(call)
        with pytest.raises(SupervisionUnavailable):
            await owner.begin(replace(call, id="rtc_another"))


async def test_a_call_that_ends_before_it_is_attached_to_takes_no_place() -> None:
    """It had to be watched; whoever waits for the answer is told, and nobody listens on."""
    hands = Hands()
    this = scene(Watching(mode="required"), monotonic=hands)
    owner = this.replicas[0]
    this.upstream.lets.clear()
    async with owner.running():
        call = await this.call()
        beginning = asyncio.create_task(owner.begin(call))
        await until(lambda: this.upstream.attached == 1)
        await this.book.end(CallRecord(facts=call, state=OVER))
        hands.now += RENEW_SECONDS
        await until(lambda: not owner.watches(call.id))
        this.upstream.lets.set()
        with pytest.raises(SupervisionUnavailable):
            await beginning
        assert not owner.watches(call.id)


async def test_a_call_that_the_store_has_lost_is_written_down_again() -> None:
    """By whoever watches it, with the time that it has left; it is ended as it would have been."""
    hands = Hands()
    this = scene(Watching(mode="best_effort"), monotonic=hands)
    owner = this.replicas[0]
    async with owner.running():
        call = await this.call()
        await owner.begin(call)
        await this.until_it_shows(call, lambda record: bool(record.seen))
        await this.upstream.line.tells(began("resp_1"), done("resp_1"))
        await this.gate.withdraw(entry_of(call))
        hands.now += RENEW_SECONDS
        record = await this.until_it_shows(call, lambda record: bool(record.seen))
        kept = await this.gate.find(call.id)
        assert owner.watches(call.id)
    assert record.facts == call
    usage = record.as_json()["usage"]
    assert isinstance(usage, Mapping)
    assert (usage["label"], usage["responses"]) == ("complete", 1)
    assert kept is not None
    assert kept.entry.ends_by < call.ends_by


async def test_an_end_whose_reply_was_lost_is_told_once() -> None:
    """The store has written it down: only whoever asked can know that nobody has told it."""
    this = scene(Watching())
    call = await this.call()
    this.gate.loses_replies = 2
    await this.replicas[0].hangups.end(CallRecord(facts=call), "operator")
    await until(lambda: this.counted == [call.id])
    assert this.gate.ends == 3
