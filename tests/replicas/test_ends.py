"""A call's end is told once, with all that is known: feed, record, log line and metrics agree."""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families

from tests.replicas.fleet import Fleet, fleet_of
from tests.replicas.replica import Replica
from tests.replicas.watching import Told, begun, settled, shown, until
from tests.support.calls import Following, following
from tests.support.service import MASTER_KEY, bearer

pytestmark = pytest.mark.asyncio(loop_scope="function")

SPENT = {
    "input_text": 40,
    "input_audio": 72,
    "cached_audio": 128,
    "output_text": 20,
    "output_audio": 150,
}
"""By kind, of the two responses of each call, in the provider's ledger."""
COST = Decimal("0.0125952")
"""The same at the list prices of the model."""
BEGINNING = "000000000000000-000000000"
"""Of a feed: all that it still has follows."""
Spent = tuple[Counter[str], Decimal]


@pytest_asyncio.fixture
async def pair(own_redis_url: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    """Two replicas of the test's own: what they count is of its calls alone."""
    async with fleet_of(2, tmp_path, own_redis_url) as fleet:
        yield fleet


@pytest.mark.parametrize("by", ["owner", "other", "client"])
async def test_an_end_is_told_with_all_that_is_known(pair: Fleet, by: str) -> None:
    """Whoever ends the call and whoever watched it: what came last before the end is in it."""
    owner, other = pair.replicas
    ((call_id, theirs),) = await begun(pair, owner)
    async with following(other.client, MASTER_KEY) as feed:
        talk(pair, theirs)
        if by == "client":
            pair.provider.ends(theirs)
        else:
            await hang_up(owner if by == "owner" else other, call_id)
        events = await ends(feed, [call_id])
    call = await told_alike(pair.replicas, events[call_id])
    assert is_complete(call)
    assert call["ended_by"] == ("client" if by == "client" else "operator")
    assert await counted(pair.replicas) == (Counter(SPENT), COST)


async def test_an_end_by_the_clock_is_told_with_all_that_is_known(pair: Fleet) -> None:
    """Either replica's clock may come first to a call that one of them watches."""
    owner, other = pair.replicas
    calls = await begun(pair, owner, 6, max_call_seconds=8)
    for _, theirs in calls:
        talk(pair, theirs)
    async with following(other.client, MASTER_KEY, after=BEGINNING) as feed:
        events = await ends(feed, [call_id for call_id, _ in calls])
    for event in events.values():
        call = await told_alike(pair.replicas, event)
        assert is_complete(call)
        assert call["ended_by"] == "length"
    six = Counter({kind: 6 * count for kind, count in SPENT.items()})
    assert await counted(pair.replicas) == (six, 6 * COST)


async def test_an_end_behind_a_dead_owner_is_told_with_its_gap(pair: Fleet) -> None:
    """Nobody will write more: what stood in the record is told as partial, and counted."""
    killed, other = pair.replicas
    ((call_id, theirs),) = await begun(pair, killed)
    talk(pair, theirs)
    await settled(other, call_id, 2)
    await killed.kill()
    async with following(other.client, MASTER_KEY) as feed:
        async with asyncio.timeout(15):
            await hang_up(other, call_id)
        events = await ends(feed, [call_id])
    call = await told_alike([other], events[call_id])
    assert (call["usage"]["label"], call["usage"]["responses"]) == ("partial", 2)
    (gap,) = call["gaps"]
    assert gap["from"] <= call["ended_at"] <= gap["to"]
    assert await counted([other]) == (Counter(SPENT), COST)


@pytest.mark.parametrize("by", ["owner", "other"])
async def test_a_sideband_that_stays_open_holds_up_no_end(pair: Fleet, by: str) -> None:
    """The end is told without it; what its owner knows beyond that is added, and counted once."""
    owner, other = pair.replicas
    ((call_id, theirs),) = await begun(pair, owner)
    pair.provider.sidebands.leaves_open(theirs)
    # What comes directly after a record was written is not in the next one for a while.
    await until(other, call_id, lambda call: call["supervision"] == "watched")
    async with following(other.client, MASTER_KEY) as feed:
        talk(pair, theirs)
        async with asyncio.timeout(15):
            await hang_up(owner if by == "owner" else other, call_id)
        last = (await ends(feed, [call_id]))[call_id]
        assert by == "other" or is_complete(last)
        while not is_complete(last):
            last = await update(feed, call_id)
    assert (last["status"], last["ended_by"]) == ("ended", "operator")
    assert await shown(other, call_id) == last
    assert await counted(pair.replicas) == (Counter(SPENT), COST)


async def test_whoever_is_told_to_end_still_tells_the_end_of_a_call(pair: Fleet) -> None:
    """It has asked the provider, and waits for the last record of a watch elsewhere."""
    owner, leaving = pair.replicas
    ((call_id, theirs),) = await begun(pair, owner)
    pair.provider.sidebands.leaves_open(theirs)
    async with following(owner.client, MASTER_KEY) as feed:
        ending = asyncio.create_task(hang_up(leaving, call_id))
        await pair.provider.hangup.arrived()
        leaving.process.send(signal.SIGTERM)
        await ending
        await asyncio.to_thread(leaving.process.ended)
        events = await ends(feed, [call_id])
    assert events[call_id]["ended_by"] == "operator"
    assert len(pair.provider.hangup.requests) == 1


def talk(fleet: Fleet, theirs: str) -> None:
    """Two responses: the last that is heard of a call."""
    fleet.provider.sidebands.responds(theirs, audio_out=100)
    fleet.provider.sidebands.responds(theirs, audio_out=50)


async def hang_up(replica: Replica, call_id: str) -> None:
    """As an operator; the provider confirms it."""
    path = f"/v1/realtime/calls/{call_id}"
    response = await replica.client.delete(path, headers=bearer(MASTER_KEY))
    assert response.status_code == 200, response.text


async def ends(feed: Following, call_ids: Sequence[str]) -> dict[str, Told]:
    """What the feed tells of the ends of these calls."""
    told: dict[str, Told] = {}
    while told.keys() != set(call_ids):
        message = await feed.next(seconds=40)
        if message.event == "call.ended":
            call = json.loads(message.data)
            assert call["id"] not in told
            told[call["id"]] = call
    return told


async def update(feed: Following, call_id: str) -> Told:
    """What the feed tells next of a call."""
    while True:
        message = await feed.next(seconds=40)
        call: Told = json.loads(message.data)
        if call["id"] == call_id:
            return call


async def told_alike(replicas: Sequence[Replica], event: Told) -> Told:
    """A call's record, which is what the feed told of its end, and the one line of the log."""
    record = await shown(replicas[-1], event["id"])
    assert record == event
    line = await line_of(replicas, event["id"])
    assert (line["usage"], line["cost"]) == (record["usage"], record["cost"])
    assert line["ended_by"] == record["ended_by"]
    return record


async def line_of(replicas: Sequence[Replica], call_id: str) -> dict[str, Any]:
    """The line about its end, once it has come out of a replica."""
    lines: list[dict[str, Any]] = []
    async with asyncio.timeout(20):
        while not lines:
            await asyncio.sleep(0.05)  # a process that writes into a pipe
            for each in replicas:
                lines += each.process.lines("call_(ended|recounted)", call=call_id)
    (line,) = lines
    return line


def is_complete(call: Told) -> bool:
    """Whether it has all of the two responses, and says so."""
    usage = call["usage"]
    assert {usage["label"], call["cost"]["label"]} <= {"complete", "partial"}
    return (usage["label"], usage["responses"], usage["output_tokens"], call["gaps"]) == (
        "complete",
        2,
        170,
        [],
    ) and call["cost"] == {"usd": str(COST), "label": "complete"}


async def counted(replicas: Sequence[Replica]) -> Spent:
    """What all of them have counted: tokens by kind, and dollars."""
    tokens: Counter[str] = Counter()
    dollars = 0.0
    for each in replicas:
        scraped = await each.client.get("/metrics", headers=bearer(MASTER_KEY))
        for family in text_string_to_metric_families(scraped.text):
            for sample in family.samples:
                if sample.name == "signaller_call_tokens_total":
                    tokens[sample.labels["kind"]] += int(sample.value)
                elif sample.name == "signaller_call_cost_usd_total":
                    dollars += sample.value
    return tokens, round(Decimal(dollars), 7)
