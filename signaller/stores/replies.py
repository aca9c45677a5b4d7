"""Replies of Redis out of the bytes they come in (RESP2); its errors become redis-py's."""

from collections.abc import Iterator, Mapping
from typing import Any

import hiredis
from redis.exceptions import (
    AskError,
    ClusterDownError,
    InvalidResponse,
    MovedError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

_ERRORS: Mapping[str, type[ResponseError]] = {
    "ASK": AskError,
    "CLUSTERDOWN": ClusterDownError,
    "MOVED": MovedError,
    "NOSCRIPT": NoScriptError,
    "OOM": OutOfMemoryError,
    "READONLY": ReadOnlyError,
}
"""Those that somebody acts on or looks for; any other is told as it is."""


class Replies:
    """What has come, reply by reply."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader(protocolError=InvalidResponse, replyError=_error)

    def of(self, data: bytes) -> Iterator[Any]:
        """Those that are complete now. Raises InvalidResponse for what is no reply."""
        self._reader.feed(data)
        # There is no boolean in RESP2: False is "not yet".
        while (reply := self._reader.gets()) is not False:
            yield reply


def _error(text: str) -> ResponseError:
    code, _, rest = text.partition(" ")
    kind = _ERRORS.get(code)
    return ResponseError(text) if kind is None else kind(rest)
