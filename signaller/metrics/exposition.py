"""What a scrape is answered: the series as text, of this process or of all workers."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, generate_latest, start_http_server, values
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Names the directory where workers keep their values; `prometheus_client` reads it when it is
imported, and never again."""

Exposition = tuple[str, bytes]
"""Content-Type and body. Every Prometheus reads 0.0.4, and our names need nothing newer."""

Collected = Iterable[Metric]
Collect = Callable[[], Collected]


def of_process(registry: CollectorRegistry) -> Collected:
    """What this process has recorded; in multiprocess mode what all of them have."""
    return of_workers() if _many_processes() else registry.collect()


def of_workers() -> Collected:
    """The values of all workers, living or dead, added up.

    Raises KeyError without PROMETHEUS_MULTIPROC_DIR.
    """
    files = Path(os.environ[VARIABLE]).glob("*.db")
    # A worker that starts right now has made its file, but not yet given it a size;
    # `MultiProcessCollector.collect` fails at such a file.
    begun = [str(file) for file in files if file.stat().st_size]
    metrics: Collected = MultiProcessCollector.merge(begun)  # type: ignore[no-untyped-call]  # untyped there
    return metrics


def render(collect: Collect) -> Exposition:
    """The same as text."""
    return CONTENT_TYPE_PLAIN_0_0_4, generate_latest(_registered(collect))


@contextlib.contextmanager
def serve(host: str, port: int, collect: Collect) -> Iterator[int]:
    """Answer scrapes at a port of its own while the block lasts; gives the port (0: any free one).

    Raises OSError if it cannot listen there.
    """
    server, thread = start_http_server(port, host, _registered(collect))
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


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


class _Collecting(Collector):
    def __init__(self, collect: Collect) -> None:
        self._collect = collect

    def collect(self) -> Collected:
        return self._collect()


def _registered(collect: Collect) -> CollectorRegistry:
    # A scrape may ask for some series by name, which a collector need not declare then.
    registry = CollectorRegistry(support_collectors_without_names=True)
    registry.register(_Collecting(collect))
    return registry


def _many_processes() -> bool:
    return values.ValueClass is not values.MutexValue
