"""Three replicas for all tests of this folder: each starts an interpreter."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.replicas.fleet import Fleet, fleet_of
from tests.support.provider import FakeProvider


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_fleet(
    redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Fleet]:
    """Replicas that go on living."""
    async with fleet_of(3, tmp_path_factory.mktemp("replicas"), redis_url) as fleet:
        yield fleet


@pytest_asyncio.fixture(loop_scope="session")
async def fleet(shared_fleet: Fleet) -> AsyncIterator[Fleet]:
    """Replicas whose provider has no past; callers are a test's own."""
    shared_fleet.upstream.now = FakeProvider()
    yield shared_fleet
    # A test that failed may have left requests waiting: the next one shares the replicas.
    shared_fleet.provider.call.release()
