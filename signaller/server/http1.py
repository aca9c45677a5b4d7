"""What uvicorn's h11 protocol leaves open: how long a client may take, and requests that a gateway
and we could read differently (request smuggling).
"""

import asyncio
import logging
import re
import secrets
from typing import Any, Final, Literal

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from websockets.datastructures import Headers
from websockets.http11 import Request
from websockets.server import ServerProtocol

from signaller.errors import Malformed
from signaller.web.rendering import error_response

HEAD_SECONDS: Final = 20
"""From the connection, or the first byte of the next head, to the head's end; phones need 2."""
BODY_REST_SECONDS: Final = 10
"""For the rest of a body that is already answered: as long as one that is wanted may take."""
MAX_HEAD_BYTES: Final = 64 * 1024
"""Four times h11's own limit: gateways add JWTs and cookies. Good clients send some 10 KB."""
UNREAD_SECONDS: Final = 20
"""A client that reads nothing for so long, while more than 64 KiB wait for it, is cut off."""
MAX_FIELDS: Final = 128
MAX_PIPELINED: Final = 16
"""Whole requests in one read; no browser, SDK or gateway sends any before it has its answer."""
MAX_HANDSHAKE_LINE: Final = 8000
"""`websockets` drops a handshake with a line of 8 KiB, and leaves its client without an answer."""

ANSWERED = frozenset({h11.DONE, h11.MIGHT_SWITCH_PROTOCOL})  # type: ignore[attr-defined]  # documented, not in __all__
"""A client in one of these has sent a whole request, and waits."""

REQUEST_LINE = re.compile(rb"(?!CONNECT )\S+ \S+ HTTP/1\.[01]")
# RFC 9112, 2.2 and 5.2 allow servers to read these, and RFC 9110, 8.6 a length that is said twice.
# A server in front may read them differently: then a body of its is a request of ours.
BARE_OR_FOLDED = re.compile(rb"(?<!\r)\n|\n[ \t]")
LENGTHS = re.compile(rb"\n(?:content-length|transfer-encoding):", re.I)
CHUNKED_IN_HTTP_1_0 = re.compile(rb"[^\r\n]* HTTP/1\.0\r.*\ntransfer-encoding:", re.I | re.S)
UNCLEAR_LENGTH = re.compile(rb"\ncontent-length:(?![ \t]*0*\d{1,18}[ \t]*(?:\r|\Z))", re.I)
ABSOLUTE = re.compile(rb"https?://[^/?#]*", re.I)

log = logging.getLogger("signaller")


class StrictConnection(h11.Connection):
    """h11's connection, which also refuses what RFC 9112 lets each server read in its own way."""

    _requests_in_read = 0
    _checked = 0
    """So many bytes of an unfinished head were looked at: drips of it cost no second look."""

    def receive_data(self, data: bytes) -> None:
        """Take what came. Behind `Connection: close` nothing is heard any more (RFC 9112, 9.6)."""
        if self.their_state is not h11.MUST_CLOSE:
            self._requests_in_read = 0
            super().receive_data(data)

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """The next one. Raises RemoteProtocolError."""
        if self.their_state is h11.IDLE:
            self._refuse_unclear(self.trailing_data[0])
        event = super().next_event()
        return _as_served(event) if isinstance(event, h11.Request) else event

    def _refuse_unclear(self, received: bytes) -> None:
        start = max(
            0, self._checked - 3
        )  # three bytes back: a pattern may have begun in the last read
        end = received.find(b"\r\n\r\n", start)
        self._checked = len(received) if end < 0 else 0
        head = received if end < 0 else received[:end]
        if BARE_OR_FOLDED.search(head, start):
            raise h11.RemoteProtocolError("a line that ends or goes on in an unusual way")
        if len(head) > MAX_HEAD_BYTES:
            raise h11.RemoteProtocolError("too large a head", error_status_hint=431)
        if end < 0:
            return
        if head.count(b"\n") > MAX_FIELDS:
            raise h11.RemoteProtocolError("too many fields", error_status_hint=431)
        self._requests_in_read += 1
        if self._requests_in_read > MAX_PIPELINED:
            raise h11.RemoteProtocolError("too many requests at once")
        line = head.partition(b"\r\n")[0]
        if not REQUEST_LINE.fullmatch(line):
            raise h11.RemoteProtocolError("not a request line of HTTP/1.1 or HTTP/1.0")
        lengths = len(LENGTHS.findall(head))
        if lengths > 1 or CHUNKED_IN_HTTP_1_0.match(head) or UNCLEAR_LENGTH.search(head):
            raise h11.RemoteProtocolError("a body whose length is not clear")


def _as_served(request: h11.Request) -> h11.Request:
    """The request with its path only, and without an `Upgrade` that we do not follow.

    A server may ignore that field (RFC 9110, 7.8); uvicorn would take any request that names
    `websocket` for a handshake, whatever its method and body, and warn at each `h2c`.
    """
    target, headers = request.target, list(request.headers)
    if ABSOLUTE.match(target):  # a proxy's way to name it (RFC 9112, 3.2.2)
        path = ABSOLUTE.sub(b"", target, count=1)
        target = path if path.startswith(b"/") else b"/" + path
    if any(name == b"upgrade" for name, _ in headers) and not _is_handshake(request):
        headers = [(name, value) for name, value in headers if name != b"upgrade"]
    if target is request.target and len(headers) == len(request.headers):
        return request
    return h11.Request(
        method=request.method, headers=headers, target=target, http_version=request.http_version
    )


def _is_handshake(request: h11.Request) -> bool:
    """Whether it asks for a WebSocket (RFC 6455, 4.2.1) in a way that `websockets` answers."""
    names = {name for name, _ in request.headers}
    if request.method != b"GET" or request.http_version != b"1.1":
        return False
    longest = max(len(request.target), *(len(name) + len(value) for name, value in request.headers))
    if names & {b"content-length", b"transfer-encoding"} or longest > MAX_HANDSHAKE_LINE:
        return False
    fields = [(name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers]
    handshake = Request(path=request.target.decode("ascii"), headers=Headers(fields))
    return ServerProtocol().accept(handshake).status_code == 101


Due = Literal["head", "rest", "request"]
"""What must come next: the end of a head, the rest of a body, another request."""


class BoundedHttp(H11Protocol):
    """An HTTP connection that is closed when its client is too slow."""

    head_seconds: float = HEAD_SECONDS
    unread_seconds: float = UNREAD_SECONDS
    rest_seconds: float = BODY_REST_SECONDS

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.conn: StrictConnection = StrictConnection(h11.SERVER, MAX_HEAD_BYTES)
        self._timed: Due | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Start the clock: a connection that says nothing is not kept."""
        super().connection_made(transport)
        self._allow_time_for("head")

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop it."""
        self._allow_time_for(None)
        self._has_read()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read; one that never will must not hold its connection."""
        super().pause_writing()
        self._has_read()
        self._unread = self.loop.call_later(self.unread_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It does."""
        super().resume_writing()
        self._has_read()

    def data_received(self, data: bytes) -> None:
        """Read, then start or stop the timer for what must come next.

        A few bytes more do not restart it. A WebSocket has no timer here: uvicorn pings it.
        """
        super().data_received(data)
        self._allow_time_for(None if self.transport.is_closing() else self._due())

    def handle_events(self) -> None:
        """Go on reading while a request is answered, within bounds.

        uvicorn stops where more has come behind the request, or where it offers to switch
        protocols, and would not notice that the client has left.
        """
        super().handle_events()
        if self.conn.their_state not in ANSWERED or self.transport.is_closing():
            return
        if len(self.conn.trailing_data[0]) > MAX_HEAD_BYTES:
            self.transport.abort()
        else:
            self.flow.resume_reading()

    def on_response_complete(self) -> None:
        """A body that is refused must end soon too, or a drip of it holds the connection."""
        super().on_response_complete()
        if not self.transport.is_closing() and self._due() == "rest":
            self._allow_time_for("rest")

    def send_400_response(self, msg: str) -> None:
        """Answer as all errors are answered; only close, where an answer has begun."""
        self._allow_time_for(None)
        state = self.conn.our_state
        if state in {h11.IDLE, h11.SEND_RESPONSE}:
            # What answers a HEAD has no body (RFC 9110, 9.3.2).
            to_head = state is h11.SEND_RESPONSE and self.scope["method"] == "HEAD"
            for event in self._refusal(with_body=not to_head):
                self.transport.write(self.conn.send(event))
        self.transport.close()
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn types it as always there
        if cycle is not None:  # at once: what the application answers now can no longer be sent
            cycle.disconnected = True
            cycle.message_event.set()

    def _refusal(self, *, with_body: bool) -> list[h11.Response | h11.Data | h11.EndOfMessage]:
        request_id = f"req_{secrets.token_hex(12)}"
        log.warning("malformed request", extra={"fields": {"request_id": request_id}})
        response = error_response(Malformed())
        headers = [
            *self.server_state.default_headers,
            *response.raw_headers,
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
        ]
        head = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
        body = [h11.Data(data=bytes(response.body))] if with_body else []
        return [head, *body, h11.EndOfMessage()]

    def _has_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _due(self) -> Due | None:
        match self.conn.their_state:
            case h11.IDLE:
                return "head" if self.conn.trailing_data[0] else "request"
            case h11.SEND_BODY if self.conn.our_state is h11.DONE:
                return "rest"
        return None

    def _allow_time_for(self, due: Due | None) -> None:
        """Start the timer for this; one that runs for it already is not restarted."""
        if due == self._timed:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timed, self._timer = due, None
        if due is not None:
            seconds = {
                "head": self.head_seconds,
                "rest": self.rest_seconds,
                "request": self.timeout_keep_alive,
            }[due]
            self._timer = self.loop.call_later(seconds, self.timeout_keep_alive_handler)
