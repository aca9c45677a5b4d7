"""Replicas whose clocks are an hour apart: a call that changes hands ends at its moment."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.replicas.fleet import Fleet, fleet_of
from tests.replicas.watching import begun, ended, settled, until
from tests.support.timing import waited_for_a_core

pytestmark = pytest.mark.asyncio(loop_scope="function")

HOUR = 3600
CALL_SECONDS = 30
"""Longer than it takes until a killed owner is replaced."""
IDLE_SECONDS = 10
SLACK_SECONDS = 1.5
"""How far from its moment a call may end."""


@pytest_asyncio.fixture(params=[-HOUR, HOUR], ids=["behind", "ahead"])
async def pair(
    request: pytest.FixtureRequest, own_redis_url: str, tmp_path: Path
) -> AsyncIterator[Fleet]:
    """One whose clock is right, and another one."""
    async with fleet_of(2, tmp_path, own_redis_url, ahead={1: request.param}) as fleet:
        yield fleet


async def test_the_clock_of_an_heir_is_wrong(pair: Fleet) -> None:
    """The call lasts as long as it may, and its gap as long as nobody listened."""
    killed, heir = pair.replicas
    bands = pair.provider.sidebands
    began_at = time.monotonic()
    ((call_id, theirs),) = await begun(pair, killed, max_call_seconds=CALL_SECONDS)
    pid = heir.process.process.pid
    answered_at, waited_before = time.monotonic(), waited_for_a_core() + waited_for_a_core(pid)
    bands.responds(theirs)
    await settled(heir, call_id, 1)
    await killed.kill()
    await bands.attached(theirs, 0)
    await bands.attached(theirs, seconds=CALL_SECONDS)
    bands.responds(theirs)
    await settled(heir, call_id, 2)  # it is the heir that has written the record
    await pair.provider.hangup.arrived(seconds=2 * CALL_SECONDS)
    assert time.monotonic() - began_at >= CALL_SECONDS - SLACK_SECONDS
    waited_seconds = waited_for_a_core() + waited_for_a_core(pid) - waited_before
    assert time.monotonic() - answered_at <= CALL_SECONDS + SLACK_SECONDS + waited_seconds
    call = await until(heir, call_id, ended)
    assert (call["ended_by"], call["usage"]["label"]) == ("length", "partial")
    # Until whoever watched has written its last, there is another one at the end.
    lasted = [gap["to"] - gap["from"] for gap in call["gaps"]]
    assert max(lasted) > 0
    assert all(0 <= seconds <= CALL_SECONDS + 2 for seconds in lasted)  # rounded outwards


async def test_silence_is_as_long_at_an_heir_whose_clock_is_wrong(pair: Fleet) -> None:
    """It has missed nothing, so it goes on counting where the other one stopped."""
    leaving, heir = pair.replicas
    bands = pair.provider.sidebands
    ((call_id, theirs),) = await begun(pair, leaving, max_idle_seconds=IDLE_SECONDS)
    began_at = time.monotonic()
    bands.responds(theirs)
    await settled(heir, call_id, 1)
    leaving.process.send(signal.SIGTERM)
    await asyncio.to_thread(leaving.process.ended)
    await pair.provider.hangup.arrived(seconds=6 * IDLE_SECONDS)
    assert time.monotonic() - began_at >= IDLE_SECONDS - SLACK_SECONDS
    assert (await until(heir, call_id, ended))["ended_by"] == "idle"
