"""The watches of one process: how many, for how long, and what they leave behind."""

import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest

from signaller.model import Watching
from signaller.policy import Policy
from signaller.settings import CallSettings
from signaller.supervision.owner import TICK_SECONDS
from tests.supervision.scene import Hands, scene
from tests.supervision.told import began, done
from tests.support.service import MASTER_KEY, bearer, error, running
from tests.web.watching import begun, ended, until


async def test_calls_beyond_the_bound_go_on_unwatched() -> None:
    """Where they need not be watched; where they do, none begins and the token is still good."""
    one = CallSettings(watched_at_once=1)
    async with running(policy=Policy(supervision="best_effort"), calls=one) as service:
        _, first = await begun(service)
        await service.provider.sidebands.attached(first)
        call_id, _ = await begun(service)
        response = await service.client.get(
            f"/v1/realtime/calls/{call_id}", headers=bearer(MASTER_KEY)
        )
        assert (response.json()["status"], response.json()["supervision"]) == ("live", "clock")
        assert len(service.provider.sidebands.handshakes) == 1
    async with running(policy=Policy(supervision="required"), calls=one) as service:
        await begun(service)
        response = await service.call(await service.token())
        assert (response.status_code, error(response)["token"]) == (502, "unspent")
        assert len(service.provider.call.requests) == 1


async def test_what_changes_is_written_in_time_for_those_who_read_it_elsewhere() -> None:
    """A record there is at most 5 s old, of which one step of the owner may be to come."""
    hands = Hands()
    this = scene(Watching(mode="best_effort"), monotonic=hands)
    async with this.replicas[0].running():
        call = await this.call()
        await this.replicas[0].begin(call)
        before = await this.until_it_shows(call, lambda record: bool(record.seen))
        await this.upstream.line.tells(began("resp_1"), done("resp_1"))
        hands.now += 4.9 - TICK_SECONDS
        await this.until_it_shows(call, lambda record: record.seen != before.seen)


async def test_an_empty_account_is_said_in_words_once(caplog: pytest.LogCaptureFixture) -> None:
    """Once a minute for each deployment, however many responses fail for it; each is counted."""
    async with running(policy=Policy(supervision="best_effort")) as service:
        call_id, theirs = await begun(service)
        bands = service.provider.sidebands
        await bands.attached(theirs)
        failed: dict[str, Any] = {
            "status": "failed",
            "status_details": {"type": "failed", "error": {"code": "insufficient_quota"}},
        }
        with caplog.at_level(logging.WARNING, "signaller"):
            for _ in range(3):
                bands.responds(theirs, **failed)
            await until(service, call_id, lambda call: call["usage"]["responses"] == 3)
        metrics = await service.client.get("/metrics", headers=bearer(MASTER_KEY))
        assert 'signaller_insufficient_quota_total{deployment="d1"} 3.0' in metrics.text
    said = [each for each in caplog.records if "insufficient_quota" in each.getMessage()]
    assert len(said) == 1


async def test_an_empty_account_is_said_once_a_minute_for_each_deployment(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Another one's is news, and so is the same one's a minute later."""
    hands = Hands()
    this = scene(Watching(), monotonic=hands)
    owner, call = this.replicas[0], await this.call()
    other = replace(call, deployment_id="another")
    said = []
    with caplog.at_level(logging.WARNING, "signaller"):
        for seconds, each in ((0, call), (0, call), (0, other), (59, call), (2, call), (0, other)):
            hands.now += seconds
            owner.credit_low(each)
            said.append(len(caplog.records))
    assert said == [1, 1, 2, 2, 3, 4]


async def test_short_calls_leave_nothing_behind() -> None:
    """Neither a task nor a socket."""
    async with running(policy=Policy(supervision="best_effort")) as service:
        bands = service.provider.sidebands
        before = len(asyncio.all_tasks())
        calls = [await begun(service) for _ in range(30)]
        for _, theirs in calls:
            await bands.attached(theirs)
        for _, theirs in calls:
            service.provider.ends(theirs)
        for call_id, theirs in calls:
            await until(service, call_id, ended)
            await bands.attached(theirs, 0)
        async with asyncio.timeout(10):
            while len(asyncio.all_tasks()) > before + 3:  # noqa: ASYNC110 - whoever ends, ends soon
                await asyncio.sleep(0.05)
