"""Log lines, as JSON or for people; their fields ride in `extra={"fields": ...}`."""

import contextlib
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal

LogFormat = Literal["json", "console"]

encode = json.JSONEncoder(default=str).encode  # json.dumps would make an encoder for each line


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
        return encode(line)


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


class Masked(logging.Filter):
    """Takes what must not be shown out of every part of a line: message, fields and traceback."""

    def __init__(self, mask: Callable[[str], str]) -> None:
        super().__init__()
        self._mask = mask

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, and let it pass."""
        record.msg, record.args = self._mask(record.getMessage()), None
        if fields := _fields(record):
            record.fields = {
                name: value if name in MADE_HERE else self._masked(value)
                for name, value in fields.items()
            }
        if traceback := _traceback(record):
            record.exc_text = self._mask(traceback)
        return True

    def _masked(self, value: object) -> object:
        if isinstance(value, str):
            return self._mask(value)
        if isinstance(value, tuple | list):
            return type(value)(map(self._masked, value))
        return value


MADE_HERE = frozenset(
    ("request_id", "trace_id", "grant", "call", "credential", "deployment", "outcome")
)
"""Fields that hold nobody's text but ours, or what was judged when it came (`Trace`)."""


@contextlib.contextmanager
def masked(mask: Callable[[str], str]) -> Iterator[None]:
    """Mask all that is logged while the block lasts, whoever logs it."""
    masking, handlers = Masked(mask), list(logging.getLogger().handlers)
    for handler in handlers:
        handler.addFilter(masking)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(masking)


def configure(level: str, form: LogFormat) -> None:
    """Send every log line of this process to standard error, uvicorn's included."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else ConsoleFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Neither form shows the place, thread and process, which cost more to find than the rest of a
    # line ("Optimization" in logging's documentation).
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    # uvicorn logs the address of each WebSocket with its query, and `websockets` at debug all of
    # its headers: either may hold a key. Our own line has what may be known.
    server = logging.getLogger("uvicorn.error")
    server.setLevel(max(logging.INFO, logging.getLogger().level))
    server.addFilter(_is_no_address)
    # httpx logs every URL it asks for, aioice every candidate: our own lines say it better.
    for chatty in ("httpx", "aioice", "aiortc", "azure", "msal"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _is_no_address(record: logging.LogRecord) -> bool:
    return '"WebSocket %s"' not in str(record.msg)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    fields = getattr(record, "fields", {})
    return fields if isinstance(fields, dict) else {}


def _traceback(record: logging.LogRecord) -> str | None:
    """Once it is text (`Masked`), that is what counts; logging's own formatter does the same."""
    if record.exc_text or not record.exc_info:
        return record.exc_text
    return logging.Formatter().formatException(record.exc_info)


def _plain(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text and text else json.dumps(text)
