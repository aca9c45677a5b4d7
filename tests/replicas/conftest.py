"""Three replicas for all tests of this folder: each starts an interpreter."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.replicas.fleet import Fleet, fleet_of
from tests.support.provider import FakeProvider
from tests.support.redis import redis_server


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis of this folder's own: the clocks of these replicas look after all calls in it."""
    with redis_server() as port:
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture
def own_redis_url() -> Iterator[str]:
    """One of each test's own: replicas with other keys would keep its calls from their clock."""
    with redis_server() as port:
        yield f"redis://127.0.0.1:{port}/0"


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
