"""Counts and durations for Prometheus; knows audit lines and ports, and no request."""

from signaller.metrics.exposition import of_workers, take_slot
from signaller.metrics.listening import Listener, serve
from signaller.metrics.recording import Metrics

__all__ = ["Listener", "Metrics", "of_workers", "serve", "take_slot"]
