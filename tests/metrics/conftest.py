"""What the tests of metrics share."""

import pytest

from signaller.metrics import Metrics


@pytest.fixture
def metrics() -> Metrics:
    """Counts of a test's own; every caller is known by its name."""
    return Metrics(label=str)
