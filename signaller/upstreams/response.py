"""A response as it arrives, from bytes to status, fields and body; it knows no socket."""

import httpx
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

MAX_HEAD_BYTES = 64 * 1024
"""Of fields, with those of interim responses and trailers; and of anything else that is no body.
Providers send some 2 KB, with cookies of their CDN."""
MAX_BODY_BYTES = 2 * 1024 * 1024
"""Sessions and SDP answers have some 10 KB; but a session of the 256 KiB that a mint may bring
comes back with more in it, and written in escapes it is six times as long."""


class _Refused(Exception):
    """Well-formed as far as the parser knows, and yet nothing to go on with."""


class Response:
    """The answer to one GET or POST."""

    __slots__ = (
        *("complete", "has_head", "headers", "reusable", "status"),
        *("_body", "_field_bytes", "_parser", "_size", "_until_end", "_waste"),
    )

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        """Lower-case names; of a repeated field, all values (RFC 9110, 5.3)."""
        self.has_head = self.complete = self.reusable = False
        self._until_end = False
        self._body: list[bytes] = []
        self._size = self._field_bytes = self._waste = 0
        self._parser = HttpResponseParser(self)

    @property
    def body(self) -> bytes:
        """What has come of it."""
        return b"".join(self._body)

    def feed(self, data: bytes) -> None:
        """Take what the connection brought. Raises httpx.RemoteProtocolError."""
        self._waste += len(data)
        try:
            self._parser.feed_data(data)
            if self._waste > MAX_HEAD_BYTES:  # more of one field, of chunk extensions, of 1xx
                raise _Refused("an endless head")
        except (HttpParserError, HttpParserUpgrade, _Refused) as error:
            self.reusable = False  # more came than the response, if that is complete
            if not self.complete:
                del self._parser
                raise httpx.RemoteProtocolError(str(error.__context__ or error)) from error
        if self.complete:
            del self._parser  # it refers back to us

    def end(self) -> bool:
        """The connection ended: whether that completes the response (RFC 9112, 6.3, item 8)."""
        self.complete = self.complete or self._until_end
        return self.complete

    def on_message_begin(self) -> None:
        """A status line comes."""
        if self.complete:
            raise _Refused("an answer to nothing")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of a head, or one behind the body, which nobody reads (RFC 9110, 6.5.1)."""
        self._field_bytes += len(name) + len(value) + 4
        if self._field_bytes > MAX_HEAD_BYTES:
            raise _Refused("an endless head")
        if self.has_head:
            return
        # No octet is without a character in latin-1; what we read is ASCII.
        key, text = name.lower().decode("latin-1"), value.strip().decode("latin-1")
        known = self.headers.get(key)
        self.headers[key] = text if known is None else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        """A head is there."""
        status, headers = self._parser.get_status_code(), self.headers
        coding, sized = headers.get("transfer-encoding"), "content-length" in headers
        if status < 200:
            # RFC 9110, 15.2: any number of interim responses; none has content, and we asked for
            # no other protocol.
            if status < 100 or status == 101 or coding is not None or sized:
                raise _Refused(f"a {status} with more to come")
            self.headers = {}
            return
        if coding is not None and coding.lower() != "chunked":
            raise _Refused("a transfer coding that was not asked for")
        # A cookie set in answer to one caller must not travel with the next one's request.
        headers.pop("set-cookie", None)
        self.status, self.has_head, self._waste = status, True, 0
        self.reusable = self._parser.should_keep_alive()
        self._until_end = coding is None and not sized

    def on_body(self, piece: bytes) -> None:
        """Some of the body."""
        self._waste = 0
        self._size += len(piece)
        if self._size > MAX_BODY_BYTES:
            self._body.clear()
            raise _Refused(f"a body of more than {MAX_BODY_BYTES} bytes")
        self._body.append(piece)

    def on_message_complete(self) -> None:
        """The end of an interim response, or of it all."""
        self.complete = self.has_head
