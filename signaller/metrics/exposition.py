"""What a scrape is answered: the series as text, of this process or of all workers."""

import fcntl
import os
from collections.abc import Iterable
from functools import partial
from itertools import count
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, generate_latest, values
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Names the directory where workers keep their values; `prometheus_client` reads it when it is
imported, and never again."""

Exposition = tuple[str, bytes]
"""Content-Type and body. Every Prometheus reads 0.0.4, and our names need nothing newer."""


class Workers(Collector):
    """The values of all workers, living or dead, added up."""

    def collect(self) -> Iterable[Metric]:
        """Read the workers' files."""
        files = Path(os.environ[VARIABLE]).glob("*.db")
        # A worker that starts right now has made its file, but not yet given it a size.
        begun = [str(file) for file in files if file.stat().st_size]
        metrics: Iterable[Metric] = MultiProcessCollector.merge(begun)  # type: ignore[no-untyped-call]  # untyped there
        return metrics


def of_process(registry: CollectorRegistry) -> Exposition:
    """What this process has recorded; in multiprocess mode what all of them have."""
    return of_workers() if _many_processes() else _render(registry)


def of_workers() -> Exposition:
    """What all workers have recorded, for a parent that records nothing itself.

    Raises KeyError without PROMETHEUS_MULTIPROC_DIR.
    """
    return _render(Workers())


def check_mode() -> None:
    """Raise RuntimeError where each worker would silently count for itself."""
    if VARIABLE in os.environ and not _many_processes():
        raise RuntimeError(f"{VARIABLE} was set after prometheus_client had been imported")


def take_slot() -> None:
    """Record under the first number that no living worker has, before anything is recorded.

    A worker goes on counting in the files of one that has died: there are never more of them than
    for the workers that once lived at the same time. Raises KeyError without
    PROMETHEUS_MULTIPROC_DIR, OSError if nothing can be written there.
    """
    for slot in count():
        lock = Path(os.environ[VARIABLE], f"{slot}.lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # Held until the process ends, however it does.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        of_slot = values.MultiProcessValue(partial(int, slot))  # type: ignore[no-untyped-call]  # untyped there
        values.ValueClass = of_slot
        return


def _render(source: Collector) -> Exposition:
    return CONTENT_TYPE_PLAIN_0_0_4, generate_latest(source)


def _many_processes() -> bool:
    return values.ValueClass is not values.MutexValue
