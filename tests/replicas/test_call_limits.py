"""Limits of calls outlive the replica that began them, and a Redis that is gone for a while."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.faults import LONG
from tests.faults.redis.servers import frozen
from tests.metrics.text import parsed
from tests.replicas.configuration import caller, caller_key
from tests.replicas.fleet import Fleet, fleet_of
from tests.replicas.replica import Replica
from tests.stores.servers import started
from tests.support.service import MASTER_KEY, bearer

SLACK_SECONDS = 1.5
"""How far from its moment a call may end."""
OUTAGE_SECONDS, SOON_SECONDS = (30, 15) if LONG else (9, 6)
"""How long Redis is gone, and the length of calls whose moment comes meanwhile."""
PLACES = 25
"""How many calls a caller may have at once."""


@pytest.fixture
async def mortals(tmp_path: Path, own_redis_url: str) -> AsyncIterator[Fleet]:
    """Three replicas that may be killed."""
    async with fleet_of(3, tmp_path, own_redis_url) as fleet:
        yield fleet


async def calls_of(fleet: Fleet, number: int, key: str, **query: str) -> list[dict[str, Any]]:
    """A caller's calls, as one of the replicas tells them."""
    client = fleet.replicas[number].client
    response = await client.get("/v1/realtime/calls", params=query, headers=bearer(key))
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["data"]
    return found


async def until(fleet: Fleet, key: str, status: str, count: int) -> list[dict[str, Any]]:
    """The calls with that status, once there are so many."""
    async with asyncio.timeout(60):
        while len(found := await calls_of(fleet, 1, key, status=status, limit="100")) != count:
            pass  # asking takes its time
    return found


async def unknown_calls(replicas: Sequence[Replica]) -> float:
    """How many have been counted, by all of these."""
    answers = [await each.client.get("/metrics", headers=bearer(MASTER_KEY)) for each in replicas]
    name = "signaller_calls_unknown_total{"
    counts = [parsed(answer.text) for answer in answers]
    return sum(value for each in counts for key, value in each.items() if key.startswith(name))


async def test_a_call_ends_at_its_moment_though_its_replica_was_killed(mortals: Fleet) -> None:
    """Killed at half time: another one ends it, and says why."""
    key = caller_key()
    await mortals.admits(caller(key, max_call_seconds=6))
    first = mortals.replicas[0]
    token = await first.token(key)
    assert (await first.call(token)).status_code == 201
    answered = time.time()
    await asyncio.sleep(3)  # half of its time
    await first.kill()
    assert mortals.provider.hangup.requests == []
    await mortals.provider.hangup.arrived()
    assert abs(time.time() - answered - 6) <= SLACK_SECONDS
    (call,) = await until(mortals, key, "ended", 1)
    assert call["ended_by"] == "length"
    assert call["ends_by"] - call["started_at"] == 6
    assert len(mortals.provider.hangup.requests) == 1


async def test_no_more_calls_are_live_than_may_be(mortals: Fleet) -> None:
    """Five of 60 offers at three replicas; the places of one that is killed free themselves."""
    key, provider = caller_key(), mortals.provider
    await mortals.admits(caller(key, calls_at_once=5, max_call_seconds=8))
    replicas = mortals.replicas
    tokens = [await replicas[number % 3].token(key) for number in range(60)]
    provider.call.holds()
    calls = [
        asyncio.create_task(replicas[number % 3].call(token)) for number, token in enumerate(tokens)
    ]
    await provider.call.arrived(5, seconds=30)
    async with asyncio.timeout(60):
        while sum(not each.done() for each in calls) > 5:
            await asyncio.wait(calls, return_when="FIRST_COMPLETED", timeout=0.1)
    assert {each.result().status_code for each in calls if each.done()} == {429}
    assert len(provider.call.requests) == 5
    unspent = [token for token, call in zip(tokens, calls, strict=True) if call.done()]
    await replicas[0].kill()
    refused = await replicas[1].call(unspent[0])
    assert refused.status_code == 429  # nobody knows what became of its calls
    provider.call.release()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    lost = [each for each in ended if isinstance(each, httpx.TransportError)]
    begun = [each for each in ended if isinstance(each, httpx.Response) and each.is_success]
    assert len(lost) + len(begun) == 5
    unknown = await calls_of(mortals, 1, key, status="unknown")
    assert len(unknown) == len(lost)
    async with asyncio.timeout(60):
        while (again := await replicas[1].call(unspent[1])).status_code == 429:
            pass  # asking takes its time
    assert again.status_code == 201


async def test_a_call_whose_replica_was_killed_before_it_knew_is_unknown(mortals: Fleet) -> None:
    """The provider has the offer and nobody its answer: it is listed, ends as it began, and counts.

    Once, by whoever found it over.
    """
    key, provider = caller_key(), mortals.provider
    await mortals.admits(caller(key, max_call_seconds=4))
    token = await mortals.replicas[0].token(key)
    provider.call.holds()
    calling = asyncio.create_task(mortals.replicas[0].call(token))
    await provider.call.arrived()
    await mortals.replicas[0].kill()
    with pytest.raises(httpx.TransportError):
        await calling
    provider.call.release()
    (call,) = await calls_of(mortals, 1, key)
    assert (call["status"], call["ended_at"]) == ("unknown", None)
    (ended,) = await until(mortals, key, "ended", 1)
    assert (ended["id"], ended["ended_by"]) == (call["id"], None)
    async with asyncio.timeout(20):
        while not (counted := await unknown_calls(mortals.replicas[1:])):
            pass  # asking takes its time
    assert counted == 1


async def begun(fleet: Fleet, key: str) -> dict[str, str]:
    """So many new calls as a caller may have, over all replicas: our ids, and the provider's."""
    calls = {}
    for number in range(PLACES):
        before = set(fleet.provider.live_calls)
        replica = fleet.replicas[number % len(fleet.replicas)]
        response = await replica.call(await replica.token(key))
        assert response.status_code == 201, response.text
        (theirs,) = fleet.provider.live_calls - before
        calls[response.headers["location"].rpartition("/")[2]] = theirs
    return calls


def respond(fleet: Fleet, calls: Mapping[str, str]) -> None:
    """The model says something in each that is live."""
    for theirs in fleet.provider.live_calls.intersection(calls.values()):
        fleet.provider.sidebands.responds(theirs)


async def settled(fleet: Fleet, key: str, calls: Mapping[str, str]) -> None:
    """Return once each record shows what a bill would have, or since when something may be missing.

    On a busy machine a watch may attach too late, or its lease run out.
    """
    billed = {ours: fleet.provider.sidebands.billed(theirs) for ours, theirs in calls.items()}
    wrong: list[Any] = [calls]
    try:
        async with asyncio.timeout(30):  # a watch writes every five seconds
            while wrong:
                records = await calls_of(fleet, 0, key, limit="100")
                wrong = [call for call in records if not _is_honest(call, billed[call["id"]])]
    except TimeoutError:
        assert wrong == []
    assert {call["id"] for call in records} == set(calls)


def _is_honest(call: dict[str, Any], billed: dict[str, int]) -> bool:
    usage = call["usage"]
    if usage["label"] == "partial":
        return bool(call["gaps"]) and usage["responses"] <= billed["responses"]
    return {name: usage[name] for name in billed} == billed


@pytest.mark.timeout(240)  # an outage and 75 calls, beside other tests
@pytest.mark.parametrize("supervision", ["off", "best_effort"])
async def test_nobody_is_hung_up_while_redis_is_gone(tmp_path: Path, supervision: str) -> None:
    """Every call ends at its moment or as soon as there is a Redis; no record or place is lost.

    Nobody stops watching either: whatever watched calls say meanwhile is counted.
    """
    with started(tmp_path) as server:
        url = f"redis://127.0.0.1:{server.port}/0"
        (tmp_path / "replicas").mkdir()
        async with fleet_of(2, tmp_path / "replicas", url) as fleet:
            provider, soon, later = fleet.provider, caller_key(), caller_key()
            terms = {"supervision": supervision, "calls_at_once": PLACES}
            await fleet.admits(
                caller(soon, max_call_seconds=SOON_SECONDS, **terms),
                caller(later, max_call_seconds=600, **terms),
            )
            lasting = await begun(fleet, later)
            short = await begun(fleet, soon)
            if supervision != "off":
                for theirs in provider.live_calls & {*lasting.values(), *short.values()}:
                    await provider.sidebands.attached(theirs)
            respond(fleet, lasting)
            before = len(provider.hangup.requests)
            began_at = time.monotonic()
            with frozen(server):
                respond(fleet, lasting | short)
                await asyncio.sleep(OUTAGE_SECONDS)  # the outage itself
                during = len(provider.hangup.requests)
            outage_seconds = time.monotonic() - began_at

            ended = await until(fleet, soon, "ended", PLACES)
            assert {call["ended_by"] for call in ended} == {"length"}
            latest = max(call["ended_at"] - call["ends_by"] for call in ended)
            assert latest <= outage_seconds + SLACK_SECONDS + 1  # both are whole seconds
            assert len(await calls_of(fleet, 0, later, status="live", limit="100")) == PLACES
            assert provider.live_calls == set(lasting.values())
            assert len(provider.hangup.requests) == PLACES
            assert before <= during <= PLACES
            if supervision != "off":
                await settled(fleet, soon, short)
                await settled(fleet, later, lasting)

            replica = fleet.replicas[0]
            assert (await replica.call(await replica.token(later))).status_code == 429
            await begun(fleet, soon)  # all places of those that have ended are free
            for ours in lasting:
                path = f"/v1/realtime/calls/{ours}"
                response = await replica.client.delete(path, headers=bearer(later))
                assert response.status_code == 200, response.text
            last = await replica.call(await replica.token(later))
            assert last.status_code == 201
            path = last.headers["location"]
            assert (await replica.client.delete(path, headers=bearer(later))).status_code == 200
            await until(fleet, soon, "ended", 2 * PLACES)
            await until(fleet, later, "ended", PLACES + 1)
            assert provider.live_calls == set()
