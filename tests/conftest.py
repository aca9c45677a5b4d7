"""Fixtures that every room's tests share."""

from collections.abc import Iterator

import pytest

from tests.support.redis import redis_server


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Redis, one per test process; tests keep to keys of their own."""
    with redis_server() as port:
        yield f"redis://127.0.0.1:{port}/0"
