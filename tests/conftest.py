"""Fixtures that every room's tests share, and how properties are tried."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.faults import LONG
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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the longest begin first: at the end no process works on one of them alone."""
    first = {config.rootpath / name for name in LONGEST}
    items.sort(key=lambda item: item.path not in first)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Redis, one per test process; tests keep to keys of their own."""
    with redis_server() as port:
        yield f"redis://127.0.0.1:{port}/0"
