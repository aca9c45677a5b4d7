"""One log line for one thing done: who, what, outcome, durations; never a secret."""

import contextlib
import logging
import time
from collections.abc import Iterator

from signaller.errors import SignallerError

log = logging.getLogger("signaller")


class Timing:
    """How long a step took."""

    seconds = 0.0


class Line:
    """The fields of a line in the making."""

    def __init__(self, fields: dict[str, object]) -> None:
        self.fields = fields

    def add(self, **fields: object) -> None:
        """Say more."""
        self.fields.update(fields)

    @contextlib.contextmanager
    def timing(self, name: str) -> Iterator[Timing]:
        """Measure a step; its milliseconds are a field, whether it failed or not."""
        timing, began = Timing(), time.perf_counter()
        try:
            yield timing
        finally:
            timing.seconds = time.perf_counter() - began
            self.fields[name] = round(timing.seconds * 1000, 1)


@contextlib.contextmanager
def journal(event: str, **fields: object) -> Iterator[Line]:
    """Log one line when the block ends, with its outcome: `ok` or the error's code."""
    line, level = Line(fields), logging.INFO
    try:
        with line.timing("total_ms"):
            yield line
        line.add(outcome="ok")
    except SignallerError as error:
        line.add(outcome=error.code, status=error.status, detail=str(error))
        level = logging.ERROR if error.status >= 500 else logging.WARNING
        raise
    except BaseException as error:
        line.add(outcome=type(error).__name__)
        level = logging.ERROR
        raise
    finally:
        log.log(level, event, extra={"fields": line.fields})
