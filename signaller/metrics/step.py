"""Measure one step towards the outside, and tell how it failed."""

import time
from collections.abc import Callable
from types import TracebackType

from prometheus_client import Histogram


class Step:
    """A block whose duration is observed and whose failure is reported."""

    __slots__ = ("_began", "_failed", "_seconds")

    def __init__(self, seconds: Histogram, failed: Callable[[Exception], None]) -> None:
        self._seconds = seconds
        self._failed = failed
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None and not isinstance(error, Exception):
            return  # cancelled: a client that went away says nothing about the other side
        self._seconds.observe(time.perf_counter() - self._began)
        if error is not None:
            self._failed(error)
