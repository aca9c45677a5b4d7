"""Whoever watches a call may end, planned or not: another replica goes on."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.replicas.fleet import Fleet, fleet_of
from tests.replicas.watching import begun, settled, shown
from tests.support.service import MASTER_KEY, bearer
from tests.support.timing import waited_for_a_core

pytestmark = pytest.mark.asyncio(loop_scope="function")


@pytest_asyncio.fixture
async def pair(own_redis_url: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    """Two replicas of the test's own: one will end."""
    async with fleet_of(2, tmp_path, own_redis_url) as fleet:
        yield fleet


async def test_a_planned_end_loses_nothing(pair: Fleet) -> None:
    """Responses come all the while: the heir's usage is the provider's own ledger."""
    leaving, heir = pair.replicas
    bands, calls = pair.provider.sidebands, await begun(pair, leaving, 5)
    over = asyncio.Event()

    async def talk() -> None:
        while not over.is_set():
            for _, theirs in calls:
                bands.responds(theirs)
            await asyncio.sleep(0.05)

    talking = asyncio.create_task(talk())
    await asyncio.sleep(0.5)
    began_at = time.monotonic()
    leaving.process.send(signal.SIGTERM)
    await asyncio.to_thread(leaving.process.ended)
    took_seconds = time.monotonic() - began_at
    await asyncio.sleep(0.5)
    over.set()
    await talking
    for call_id, theirs in calls:
        billed = bands.billed(theirs)
        call = await settled(heir, call_id, billed["responses"])
        usage = call["usage"]
        assert {name: usage[name] for name in billed} == billed
        assert (usage["label"], call["gaps"], call["supervision"]) == ("complete", [], "watched")
    assert took_seconds < 6


async def test_a_planned_end_hands_over_within_five_seconds(pair: Fleet) -> None:
    """Of two hundred calls: their heir listens to each, and the one that ends to none."""
    leaving, heir = pair.replicas
    bands, calls = pair.provider.sidebands, await begun(pair, leaving, 200)
    pid = heir.process.process.pid
    began_at, waited_before = time.monotonic(), waited_for_a_core() + waited_for_a_core(pid)
    leaving.process.send(signal.SIGTERM)
    await bands.let_in(2 * len(calls))
    for _, theirs in calls:
        await bands.attached(theirs)
    took_seconds = time.monotonic() - began_at
    waited_seconds = waited_for_a_core() + waited_for_a_core(pid) - waited_before
    await asyncio.to_thread(leaving.process.ended)
    assert took_seconds <= 5 + waited_seconds
    for _, theirs in calls:
        bands.responds(theirs)
    for call_id, _ in calls:
        call = await settled(heir, call_id, 1)
        assert (call["usage"]["label"], call["gaps"]) == ("complete", [])


async def test_an_heir_that_is_cut_off_before_it_is_relieved_loses_nothing(pair: Fleet) -> None:
    """Whoever leaves dies on the way: what the heir heard until it is attached again counts too."""
    leaving, heir = pair.replicas
    bands, ((call_id, theirs),) = pair.provider.sidebands, await begun(pair, leaving)
    bands.responds(theirs)
    await settled(heir, call_id, 1)
    leaving.process.send(signal.SIGTERM)
    await bands.let_in(2)
    await leaving.kill()
    await bands.attached(theirs, 1)  # the heir
    bands.responds(theirs)
    bands.drops(theirs)
    await bands.let_in(3)
    await bands.attached(theirs, 1)
    bands.responds(theirs)
    call = await settled(heir, call_id, 3)
    billed, usage = bands.billed(theirs), call["usage"]
    assert {name: usage[name] for name in billed} == billed
    assert (usage["label"], call["supervision"]) == ("partial", "watched")
    assert call["gaps"]


async def test_a_hang_up_that_is_held_delays_no_handover(pair: Fleet) -> None:
    """Whoever is told to end waits for its provider; the calls have another watch long before."""
    leaving, heir = pair.replicas
    bands, calls = pair.provider.sidebands, await begun(pair, leaving, 2)
    (held, _), (call_id, theirs) = calls
    pair.provider.hangup.holds()
    path = f"/v1/realtime/calls/{held}"
    ending = asyncio.create_task(leaving.client.delete(path, headers=bearer(MASTER_KEY)))
    await pair.provider.hangup.arrived()
    bands.responds(theirs)
    leaving.process.send(signal.SIGTERM)
    began_at = time.monotonic()
    async with asyncio.timeout(10):
        while len(bands.handshakes) < 3:  # noqa: ASYNC110 - at the provider
            await asyncio.sleep(0.05)
    assert time.monotonic() - began_at < 5
    assert not ending.done()
    await asyncio.sleep(1)
    bands.responds(theirs)
    call = await settled(heir, call_id, 2)
    assert not ending.done()
    assert (call["usage"]["label"], call["gaps"], call["supervision"]) == (
        "complete",
        [],
        "watched",
    )
    pair.provider.hangup.release()
    assert (await ending).status_code == 200
    await asyncio.to_thread(leaving.process.ended)


async def test_a_killed_owner_is_replaced_in_15_seconds(pair: Fleet) -> None:
    """Its heir labels the usage as partial, with the time in which nobody listened."""
    killed, heir = pair.replicas
    bands, ((call_id, theirs),) = pair.provider.sidebands, await begun(pair, killed)
    bands.responds(theirs)
    await settled(heir, call_id, 1)
    await killed.kill()
    killed_at = time.time()
    await bands.attached(theirs, 0)
    bands.responds(theirs)  # nobody hears this one
    await bands.attached(theirs, seconds=15)
    attached_at = time.time()
    bands.responds(theirs)
    call = await settled(heir, call_id, 2)
    (gap,) = call["gaps"]
    assert call["usage"]["label"] == "partial"
    assert killed_at - 11 <= gap["from"] <= killed_at
    assert killed_at < attached_at - 1 <= gap["to"] <= attached_at + 1


async def test_a_record_read_elsewhere_is_five_seconds_old_at_most(pair: Fleet) -> None:
    """While something is said all the time: each response is in it by then."""
    owner, other = pair.replicas
    bands, ((call_id, theirs),) = pair.provider.sidebands, await begun(pair, owner)

    def now() -> float:
        """Without the time in which one of both had no core."""
        pid = owner.process.process.pid
        return time.monotonic() - waited_for_a_core() - waited_for_a_core(pid)

    told_at: list[float] = []
    oldest_seconds = 0.0
    async with asyncio.timeout(60):
        while len(told_at) < 120:
            bands.responds(theirs)
            told_at.append(now())
            await asyncio.sleep(0.1)  # so often does the call change
            asked_at, call = now(), await shown(other, call_id)
            unknown = told_at[call["usage"]["responses"] :]
            oldest_seconds = max(oldest_seconds, *(asked_at - at for at in unknown), 0)
    assert 1 < oldest_seconds <= 5


async def test_an_end_is_seen_by_the_heir(pair: Fleet) -> None:
    """A call whose client is gone while nobody listens is ended all the same."""
    killed, heir = pair.replicas
    ((call_id, theirs),) = await begun(pair, killed)
    pair.provider.sidebands.responds(theirs)
    await settled(heir, call_id, 1)
    await killed.kill()
    pair.provider.ends(theirs)
    async with asyncio.timeout(20):
        while (call := await shown(heir, call_id))["status"] != "ended":  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.1)
    assert call["ended_by"] == "client"


async def test_an_end_asked_for_elsewhere_shows_all_usage(pair: Fleet) -> None:
    """Whoever watches writes down what came in the last second, though another one hung up."""
    owner, other = pair.replicas
    bands, ((call_id, theirs),) = pair.provider.sidebands, await begun(pair, owner)
    bands.responds(theirs)
    response = await other.client.delete(
        f"/v1/realtime/calls/{call_id}", headers=bearer(MASTER_KEY)
    )
    assert response.status_code == 200
    async with asyncio.timeout(20):  # partial, until whoever watches has written its last
        while (call := await shown(other, call_id))["usage"]["label"] != "complete":  # noqa: ASYNC110 - over HTTP
            await asyncio.sleep(0.1)
    assert (call["status"], call["ended_by"]) == ("ended", "operator")
    assert (call["usage"]["responses"], call["gaps"]) == (1, [])


async def test_an_end_asked_for_behind_a_dead_owner_is_not_complete(pair: Fleet) -> None:
    """What it knew and nobody else does is a gap in the record, for good."""
    killed, other = pair.replicas
    bands, ((call_id, theirs),) = pair.provider.sidebands, await begun(pair, killed)
    bands.responds(theirs)
    await settled(other, call_id, 1)
    await killed.kill()
    response = await other.client.delete(
        f"/v1/realtime/calls/{call_id}", headers=bearer(MASTER_KEY)
    )
    assert response.status_code == 200
    call = await shown(other, call_id)
    assert (call["status"], call["usage"]["label"]) == ("ended", "partial")
    assert call["cost"]["label"] != "complete"
    (gap,) = call["gaps"]
    assert gap["from"] <= gap["to"]
    assert call["ended_at"] <= gap["to"] <= call["ended_at"] + 1  # rounded outwards
