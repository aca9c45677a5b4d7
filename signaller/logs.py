"""Log lines: one for each thing done (who, what, outcome, durations), as JSON or for people.

The fields of a line ride in `extra={"fields": ...}`; none of them is a secret.
"""

import contextlib
import json
import logging
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal, Self

from signaller.errors import SignallerError
from signaller.model import Trace

log = logging.getLogger("signaller.audit")

LogFormat = Literal["json", "console"]

Observe = Callable[[str, Mapping[str, object], BaseException | None], None]
"""Is told each line when it is complete: its event, its fields, and the error it ended with."""

# RFC 6454, 6.2; anything else in the header may be a key in the wrong place.
ORIGIN = re.compile(r"null|[a-z][a-z0-9+.-]{0,20}://[a-z0-9.\[\]:-]{1,253}")


def shown_origin(text: str | None) -> str | None:
    """What a client says its origin is, as a line may repeat it."""
    return text if text is None or ORIGIN.fullmatch(text) else "(not an origin)"


def ids_of(trace: Trace | None) -> dict[str, object]:
    """The fields by which all lines of one request are found, here and elsewhere."""
    if trace is None:
        return {}
    if trace.traceparent is None:
        return {"request_id": trace.request_id}
    # The trace id is the second of the four fields (W3C Trace Context).
    return {"request_id": trace.request_id, "trace_id": trace.traceparent.split("-")[1]}


class Timing:
    """A block and how long it took; its milliseconds become a field, whether it failed or not."""

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
    """The fields of an audit line while its block runs."""

    def __init__(self, fields: dict[str, object]) -> None:
        self.fields = fields

    def add(self, **fields: object) -> None:
        """Say more."""
        self.fields.update(fields)

    def timing(self, name: str) -> Timing:
        """Measure a step."""
        return Timing(self.fields, name)


class Journal:
    """Writes audit lines, and lets somebody count them."""

    def __init__(self, observe: Observe) -> None:
        self._observe = observe

    @contextlib.contextmanager
    def line(self, event: str, trace: Trace | None = None, **fields: object) -> Iterator[Line]:
        """Log one line when the block ends, with its outcome: `ok` or the error's code."""
        line = Line(ids_of(trace) | fields)
        try:
            with line.timing("total_ms"):
                yield line
        except BaseException as failure:  # a request that is cancelled has its line as well
            self._write(event, line, failure)
            raise
        self._write(event, line, None)

    @contextlib.contextmanager
    def refusals(self, event: str, trace: Trace) -> Iterator[None]:
        """Log one line if the block ends with an error of ours, and none if all is well."""
        try:
            yield
        except SignallerError as error:
            self._write(event, Line(ids_of(trace)), error)
            raise

    def note(self, event: str, trace: Trace, **fields: object) -> None:
        """Log a warning about something that happened in passing."""
        fields = ids_of(trace) | fields
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


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Time (RFC 3339, UTC), level, logger, event and the record's fields."""
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_fields(record),
        }
        if traceback := _traceback(record):
            line["traceback"] = traceback
        return json.dumps(line, default=str)


class ConsoleFormatter(logging.Formatter):
    """`time level event key=value ...`"""

    def format(self, record: logging.LogRecord) -> str:
        """The same content as the JSON form, for a terminal."""
        # json.dumps of a value keeps line breaks out: a client cannot forge a log line.
        fields = " ".join(f"{key}={_plain(value)}" for key, value in _fields(record).items())
        text = f"{_time(record)} {record.levelname.lower():7} {record.getMessage()} {fields}"
        if traceback := _traceback(record):
            text += "\n" + traceback
        return text.rstrip()


def configure(level: str, form: LogFormat) -> None:
    """Send every log line of this process to standard error, uvicorn's included."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else ConsoleFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # uvicorn logs the address of each WebSocket with its query, and `websockets` at debug all of
    # its headers: either may hold a key. Our own line has what may be known.
    server = logging.getLogger("uvicorn.error")
    server.setLevel(max(logging.INFO, logging.getLogger().level))
    server.addFilter(_is_news)
    # httpx logs every URL it asks for, aioice every candidate: our own lines say it better.
    for chatty in ("httpx", "aioice", "aiortc", "azure", "msal"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _is_news(record: logging.LogRecord) -> bool:
    """No address, and not that a handshake was refused: uvicorn calls each of these an error."""
    text = str(record.msg)
    return '"WebSocket %s"' not in text and "returned without completing handshake" not in text


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    fields = getattr(record, "fields", {})
    return fields if isinstance(fields, dict) else {}


def _traceback(record: logging.LogRecord) -> str | None:
    """The text that `MaskingFilter` has already masked, or the exception formatted now."""
    if record.exc_text or not record.exc_info:
        return record.exc_text
    return logging.Formatter().formatException(record.exc_info)


def _plain(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text and text else json.dumps(text)
