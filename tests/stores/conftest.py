"""Every store there is, and replicas that share one."""

from collections.abc import AsyncIterator, Iterator

import pytest

from signaller.ports import Store
from signaller.secret import Secret
from signaller.stores import MemoryStore, RedisStore
from signaller.stores.memory_calls import MemoryCallBook
from tests.stores.books import Books, in_memory, in_redis
from tests.stores.making import SetClock
from tests.stores.servers import cluster_url, sentinel_url


@pytest.fixture
def clock() -> SetClock:
    """Time, as the store sees it."""
    return SetClock()


@pytest.fixture(scope="session")
def redis_sentinel_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Sentinel with its master."""
    with sentinel_url(tmp_path_factory.mktemp("sentinel")) as url:
        yield url


@pytest.fixture(scope="session")
def redis_cluster_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Cluster of three."""
    with cluster_url(tmp_path_factory.mktemp("cluster")) as url:
        yield url


@pytest.fixture(params=["memory", "redis", "sentinel", "cluster"])
async def replicas(
    request: pytest.FixtureRequest, clock: SetClock
) -> AsyncIterator[tuple[Store, Store]]:
    """Two replicas' views of one store; in memory there is but one."""
    if request.param == "memory":
        memory = MemoryStore(clock)
        yield memory, memory
        return
    name = {"redis": "redis_url"}.get(request.param, f"redis_{request.param}_url")
    url = Secret(request.getfixturevalue(name))
    first, second = (RedisStore.from_url(url, timeout_seconds=5, clock=clock) for _ in range(2))
    yield first, second
    await first.aclose()
    await second.aclose()


@pytest.fixture
def store(replicas: tuple[Store, Store]) -> Store:
    """One of them."""
    return replicas[0]


@pytest.fixture
async def redis_store(redis_url: str, clock: SetClock) -> AsyncIterator[RedisStore]:
    """A store over a plain Redis."""
    opened = RedisStore.from_url(Secret(redis_url), timeout_seconds=5, clock=clock)
    yield opened
    await opened.aclose()


@pytest.fixture(params=["memory", "redis", "sentinel", "cluster"])
async def books(request: pytest.FixtureRequest, clock: SetClock) -> AsyncIterator[Books]:
    """Three replicas' views of one book."""
    if request.param == "memory":
        yield in_memory(MemoryCallBook(clock), clock)
        return
    name = {"redis": "redis_url"}.get(request.param, f"redis_{request.param}_url")
    url = request.getfixturevalue(name)
    async with in_redis(url) as opened:
        yield opened


@pytest.fixture
async def redis_books(redis_url: str) -> AsyncIterator[Books]:
    """Three replicas' views of one in a plain Redis."""
    async with in_redis(redis_url) as opened:
        yield opened
