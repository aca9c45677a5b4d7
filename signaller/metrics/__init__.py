"""Counts and durations for Prometheus; knows audit lines and ports, and no request."""

from signaller.metrics.exposition import VARIABLE as MULTIPROCESS_VARIABLE
from signaller.metrics.exposition import Collect, Collected, of_workers, serve, take_slot
from signaller.metrics.recording import Metrics

__all__ = [
    "MULTIPROCESS_VARIABLE",
    "Collect",
    "Collected",
    "Metrics",
    "of_workers",
    "serve",
    "take_slot",
]
