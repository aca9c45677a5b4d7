"""Counts and durations for Prometheus; knows audit lines and ports, and no request."""

from signaller.metrics.exposition import forget_worker, of_workers
from signaller.metrics.listening import Listener, serve
from signaller.metrics.recording import Metrics

__all__ = ["Listener", "Metrics", "forget_worker", "of_workers", "serve"]
