"""One log line for one thing done: who, what, outcome, durations; never a secret."""

import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Self

from signaller.errors import SignallerError

log = logging.getLogger("signaller.audit")

Observe = Callable[[str, Mapping[str, object], BaseException | None], None]
"""Sees each line when it is complete: its event, its fields, and the error it ended with."""


# RFC 6454, 6.2; anything else in the header may be a key in the wrong place.
ORIGIN = re.compile(r"null|[a-z][a-z0-9+.-]{0,20}://[a-z0-9.\[\]:-]{1,253}")


def shown_origin(text: str | None) -> str | None:
    """What a client says its origin is, as a line may repeat it."""
    return text if text is None or ORIGIN.fullmatch(text) else "(not an origin)"


# Classes, for `contextlib.contextmanager` takes four times as long, and a request has three blocks.
class Timing:
    """A block, and how long it took; its milliseconds become a field, whether it failed or not."""

    __slots__ = ("_began", "_fields", "_name", "seconds")

    def __init__(self, fields: dict[str, object], name: str) -> None:
        self._fields, self._name = fields, name
        self._began = self.seconds = 0.0

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._began
        self._fields[self._name] = round(self.seconds * 1000, 1)


class Line:
    """The fields of a line in the making."""

    def __init__(self, fields: dict[str, object]) -> None:
        self.fields = fields

    def add(self, **fields: object) -> None:
        """Say more."""
        self.fields.update(fields)

    def timing(self, name: str) -> Timing:
        """Measure a step."""
        return Timing(self.fields, name)


Write = Callable[[str, Line, BaseException | None], None]


class Lined:
    """A block that ends with its line."""

    __slots__ = ("_event", "_line", "_total", "_write")

    def __init__(self, event: str, line: Line, write: Write) -> None:
        self._event, self._line, self._write = event, line, write
        self._total = line.timing("total_ms")

    def __enter__(self) -> Line:
        self._total.__enter__()
        return self._line

    def __exit__(
        self, _kind: type[BaseException] | None, failure: BaseException | None, _where: object
    ) -> None:
        self._total.__exit__()
        self._write(self._event, self._line, failure)


class Journal:
    """Writes audit lines, and lets somebody count them."""

    def __init__(self, observe: Observe) -> None:
        self._observe = observe

    def line(self, event: str, **fields: object) -> Lined:
        """Log one line when the block ends, with its outcome: `ok` or the error's code."""
        return Lined(event, Line(fields), self._write)

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
