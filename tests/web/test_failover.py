"""Several deployments of one model: one deadline for all of them together."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest

from signaller.model import Deployment
from signaller.settings import Timeouts
from tests.faults.provider.scene import black_hole
from tests.support.provider import FakeProvider
from tests.support.redis import free_port
from tests.support.service import deployment, error, running
from tests.support.serving import serving
from tests.support.timing import own_time


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
            began = own_time()
            response = await service.mint()
            took = own_time() - began
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


class Hanging:
    """An https:// address where connections open, and nothing more happens."""

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._hang, "127.0.0.1", 0)
        return f"https://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _hang(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(-1)  # until the client has had enough
        writer.close()


@contextlib.asynccontextmanager
async def hanging_everywhere() -> AsyncIterator[tuple[Deployment, ...]]:
    """Three deployments, each of which hangs at another place on the way to an answer."""
    silent, asleep, port = FakeProvider(), Hanging(), free_port()
    silent.mint.holds()
    with black_hole(port):
        async with serving(silent.app) as answers_nothing, asleep as shakes_no_hands:
            yield (
                deployment(f"http://127.0.0.1:{port}", id="opens-no-connection"),
                deployment(shakes_no_hands, id="shakes-no-hands"),
                deployment(answers_nothing, id="answers-nothing"),
            )


async def test_hanging_everywhere_takes_one_deadline_together() -> None:
    """Wherever each of three hangs, the mint is over in `mint_seconds`, and says so."""
    async with hanging_everywhere() as three:
        timeouts = Timeouts(connect_seconds=30, mint_seconds=2)
        async with running(deployments=three, timeouts=timeouts) as service:
            began = time.monotonic()
            response = await service.mint()
            took = time.monotonic() - began
    assert (response.status_code, error(response)["code"]) == (504, "upstream_timeout")
    assert 1.5 < took < 3.5  # half and half again is left to those that come later


async def test_three_that_hang_leave_time_for_the_fourth() -> None:
    """Half, a quarter and an eighth of the time go by; the rest is enough for one that is well."""
    async with hanging_everywhere() as three, serving(FakeProvider().app) as healthy:
        fourth = deployment(healthy, id="d4", weight=0)
        timeouts = Timeouts(connect_seconds=30, mint_seconds=6)
        async with running(deployments=(*three, fourth), timeouts=timeouts) as service:
            began = own_time()
            response = await service.mint()
            took = own_time() - began
    assert response.status_code == 200
    assert took < 6
