"""Time as this process had it: on a busy machine others have the cores meanwhile."""

import time
from pathlib import Path


def own_time() -> float:
    """Seconds on a clock that stands still while this thread is ready and waits for a core.

    For bounds on how long something may take. Sleeping, waiting for others and working all count.
    """
    return time.monotonic() - waited_for_a_core()


def waited_for_a_core(process: int | None = None) -> float:
    """For how many seconds this thread, or a process's main thread, was ready and had no core."""
    statistics = Path(f"/proc/{'thread-self' if process is None else process}/schedstat")
    if not statistics.exists():
        return 0  # a kernel that does not count it
    _, nanoseconds, _ = statistics.read_text().split()
    return int(nanoseconds) / 1e9
