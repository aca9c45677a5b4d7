"""Several deployments of one model: one deadline for all of them together."""

import contextlib
import time

import pytest

from signaller.settings import Timeouts
from tests.support.provider import FakeProvider
from tests.support.service import deployment, error, running
from tests.support.serving import serving


@pytest.mark.parametrize("stalled", [1, 4])
async def test_stalled_deployments_take_one_deadline_together(stalled: int) -> None:
    """However many there are, a mint is over in `mint_seconds`."""
    async with contextlib.AsyncExitStack() as stack:
        deployments = []
        for number in range(stalled):
            provider = FakeProvider()
            provider.mint.holds()
            url = await stack.enter_async_context(serving(provider.app))
            deployments.append(deployment(url, id=f"d{number}"))
        timeouts = Timeouts(mint_seconds=2)
        async with running(deployments=tuple(deployments), timeouts=timeouts) as service:
            began = time.monotonic()
            response = await service.mint()
            took = time.monotonic() - began
        assert (response.status_code, error(response)["code"]) == (504, "upstream_timeout")
        assert took < 4  # four times `mint_seconds` would be eight


async def test_one_that_stalls_leaves_time_for_the_next() -> None:
    """Half of what there is."""
    stalled, healthy = FakeProvider(), FakeProvider()
    stalled.mint.holds()
    async with serving(stalled.app) as first, serving(healthy.app) as second:
        both = (deployment(first), deployment(second, id="d2", weight=0))
        async with running(deployments=both, timeouts=Timeouts(mint_seconds=2)) as service:
            assert (await service.mint()).status_code == 200
            assert len(stalled.mint.requests) == len(healthy.mint.requests) == 1


async def test_a_deployments_own_timeout_rules() -> None:
    """A longer one makes the whole longer, a shorter one its own share shorter."""
    stalled, healthy = FakeProvider(), FakeProvider()
    stalled.mint.holds()
    async with serving(stalled.app) as first, serving(healthy.app) as second:
        both = (
            deployment(first, timeout_seconds=0.3),
            deployment(second, id="d2", weight=0, timeout_seconds=30),
        )
        async with running(deployments=both, timeouts=Timeouts(mint_seconds=2)) as service:
            began = time.monotonic()
            assert (await service.mint()).status_code == 200
            assert time.monotonic() - began < 10  # half of the longest would be fifteen
