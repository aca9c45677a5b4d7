"""How much of the faults a run goes through."""

import pytest

from tests.faults import LONG


@pytest.fixture(scope="session")
def long() -> bool:
    """Whether this is `make faults`: as long, as often and as many as it takes."""
    return LONG
