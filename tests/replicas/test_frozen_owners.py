"""A process that stands still for a while, as with its machine, ends no call by mistake."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator

import pytest

from tests.replicas.fleet import Fleet
from tests.replicas.watching import begun, ended, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

IDLE_SECONDS = 5


async def test_a_lively_call_outlives_its_owners_standstill(fleet: Fleet) -> None:
    """Whoever reads late what was told meanwhile does not take the call for a silent one."""
    owner, other, _ = fleet.replicas
    ((call_id, theirs),) = await begun(fleet, owner, max_idle_seconds=IDLE_SECONDS)
    await until(owner, call_id, lambda call: call["supervision"] == "watched")
    async with lively(fleet, theirs):
        owner.process.send(signal.SIGSTOP)
        try:
            await asyncio.sleep(IDLE_SECONDS + 1)
        finally:
            owner.process.send(signal.SIGCONT)
        said = len(fleet.provider.sidebands.ledger[theirs])
        call = await until(other, call_id, lambda call: call["usage"]["responses"] >= said)
        assert call["status"] == "live"
        assert "ending" not in call
        assert fleet.provider.hangup.requests == []
    # Silence ends it all the same.
    assert (await until(other, call_id, ended))["ended_by"] == "idle"


@contextlib.asynccontextmanager
async def lively(fleet: Fleet, theirs: str) -> AsyncIterator[None]:
    """A call on which something is said all the time."""

    async def talk() -> None:
        while True:
            fleet.provider.sidebands.responds(theirs)
            await asyncio.sleep(0.5)

    talking = asyncio.create_task(talk())
    try:
        yield
    finally:
        talking.cancel()
        await asyncio.wait([talking])
