"""Fixtures that every room's tests share, and how properties are tried."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from playwright.async_api import Browser

from tests.faults import LONG
from tests.support.firefox import firefox
from tests.support.redis import redis_server

# How long an example takes says more about the machine. The same examples at every run: one that
# comes by chance would stop whoever runs the tests next, and prove nothing about what they changed.
settings.register_profile(
    "tests",
    deadline=None,
    derandomize=not LONG,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tests")

LONGEST = (
    "tests/bench/test_smoke.py",
    "tests/cli/test_reload.py",
    "tests/cli/test_commands.py",
    "tests/faults/soak/test_soak.py",
    "tests/cli/test_serving.py",
    "tests/faults/provider/test_provider.py",
    "tests/faults/redis/test_failover.py",
)
"""The files that take longest."""
CHROMIUM, FIREFOX = (pytest.param(f"{each}_browser", id=each) for each in ("chromium", "firefox"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the longest begin first: at the end no process works on one of them alone."""
    first = {config.rootpath / name for name in LONGEST}
    items.sort(key=lambda item: item.path not in first)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What is marked with `in_firefox` has its `browser` twice: together they use nearly all.

    Firefox cannot show some promises. It tells nobody of layout shifts, and nothing of how long its
    main thread was busy. Its fake devices are one microphone and one speaker, which are never
    refused. It writes each connection that it could not make on the console, of which nothing may
    stand there. Before 155 it never asks again for a module that it could not fetch. That it opens
    the choice of a file to load is not always told to Playwright.

    What depends on the page alone is shown in Chromium: how it fits a screen, in which order it is
    read, and what it says of a failure that the service or the provider tells it. A call in Firefox
    takes seconds more.
    """
    if metafunc.definition.get_closest_marker("in_firefox"):
        metafunc.parametrize("browser", [CHROMIUM, FIREFOX], indirect=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def firefox_browser() -> AsyncIterator[Browser]:
    """One for all tests of a process: it takes seconds to start."""
    async with firefox() as browser:
        yield browser


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Redis, one per test process; tests keep to keys of their own."""
    with redis_server() as port:
        yield f"redis://127.0.0.1:{port}/0"
