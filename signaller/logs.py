"""Log lines, as JSON or for people; their fields ride in `extra={"fields": ...}`."""

import json
import logging
import sys
from collections.abc import Mapping
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
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return encode(line)


class ConsoleFormatter(logging.Formatter):
    """`time level event key=value ...`"""

    def format(self, record: logging.LogRecord) -> str:
        """The same content as the JSON form, for a terminal."""
        # json.dumps of a value keeps line breaks out: a client cannot forge a log line.
        fields = " ".join(f"{key}={_plain(value)}" for key, value in _fields(record).items())
        text = f"{_time(record)} {record.levelname.lower():7} {record.getMessage()} {fields}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text.rstrip()


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


def _plain(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text and text else json.dumps(text)
