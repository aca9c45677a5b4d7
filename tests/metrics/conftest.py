"""What the tests of metrics share."""

import pytest

from signaller.metrics import Metrics
from tests.metrics.doubles import naming_everybody


@pytest.fixture
def metrics() -> Metrics:
    """Counts of a test's own; every caller is known by its name."""
    return naming_everybody()
