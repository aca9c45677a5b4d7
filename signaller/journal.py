"""One log line for one thing done: who, what, outcome, durations; never a secret."""

import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping

from signaller.errors import SignallerError

log = logging.getLogger("signaller.audit")

Observe = Callable[[str, Mapping[str, object], BaseException | None], None]
"""Sees each line when it is complete: its event, its fields, and the error it ended with."""


# RFC 6454, 6.2; anything else in the header may be a key in the wrong place.
ORIGIN = re.compile(r"null|[a-z][a-z0-9+.-]{0,20}://[a-z0-9.\[\]:-]{1,253}")


def shown_origin(text: str | None) -> str | None:
    """What a client says its origin is, as a line may repeat it."""
    return text if text is None or ORIGIN.fullmatch(text) else "(not an origin)"


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


class Journal:
    """Writes audit lines, and lets somebody count them."""

    def __init__(self, observe: Observe) -> None:
        self._observe = observe

    @contextlib.contextmanager
    def line(self, event: str, **fields: object) -> Iterator[Line]:
        """Log one line when the block ends, with its outcome: `ok` or the error's code."""
        line = Line(fields)
        failure: BaseException | None = None
        try:
            with line.timing("total_ms"):
                yield line
        except BaseException as error:
            failure = error
            raise
        finally:
            self._write(event, line, failure)

    @contextlib.contextmanager
    def refusals(self, event: str, **fields: object) -> Iterator[None]:
        """Log one line if the block ends with an error of ours, and none if all is well."""
        try:
            yield
        except SignallerError as error:
            self._write(event, Line(fields), error)
            raise

    def note(self, event: str, **fields: object) -> None:
        """Log a warning about something that happened in passing."""
        log.warning(event, extra={"fields": fields})
        self._observe(event, fields, None)

    def _write(self, event: str, line: Line, failure: BaseException | None) -> None:
        level = logging.INFO
        match failure:
            case None:
                line.fields.setdefault("outcome", "ok")
            case SignallerError():
                line.add(outcome=failure.code, status=failure.status, detail=str(failure))
                level = logging.ERROR if failure.status >= 500 else logging.WARNING
            case _:
                line.add(outcome=type(failure).__name__)
                level = logging.ERROR
        log.log(level, event, extra={"fields": line.fields})
        self._observe(event, line.fields, failure)
