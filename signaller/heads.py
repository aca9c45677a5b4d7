"""What uvicorn's h11 protocol leaves open: how long a client may take, and heads that two servers
in a row might read differently.
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

from signaller.errors import InvalidRequest
from signaller.web.rendering import error_response

HEAD_SECONDS: Final = 20
"""From the connection, or the first byte of the next head, to the head's end; phones need 2."""
REST_SECONDS: Final = 10
"""For the rest of a body that is already answered: as long as one that is wanted may take."""
MAX_HEAD_BYTES: Final = 64 * 1024
"""Four times h11's own limit: gateways add JWTs and cookies. Good clients send some 10 KB."""
MAX_FIELDS: Final = 128
MAX_PIPELINED: Final = 16
"""Whole requests in one read; no browser, SDK or gateway sends any before it has its answer."""
MAX_HANDSHAKE_LINE: Final = 8000
"""`websockets` drops a handshake with a line of 8 KiB, and leaves its client without an answer."""

REQUEST_LINE = re.compile(rb"(?!CONNECT )\S+ \S+ HTTP/1\.[01]")
# RFC 9112, 2.2 and 5.2 allow servers to read these, and RFC 9110, 8.6 a length that is said twice.
# A server in front may read them differently: then a body of its is a request of ours.
BARE_OR_FOLDED = re.compile(rb"(?<!\r)\n|\n[ \t]")
LENGTHS = re.compile(rb"\n(?:content-length|transfer-encoding):", re.I)
CHUNKED_IN_OLD = re.compile(rb"[^\r\n]* HTTP/1\.0\r.*\ntransfer-encoding:", re.I | re.S)
UNCLEAR_LENGTH = re.compile(rb"\ncontent-length:(?![ \t]*0*\d{1,18}[ \t]*(?:\r|\Z))", re.I)
ABSOLUTE = re.compile(rb"https?://[^/?#]*", re.I)

log = logging.getLogger("signaller")


class Malformed(InvalidRequest):
    """What came is not HTTP, or HTTP that has two meanings."""

    public = (
        "This is not a well-formed HTTP/1.1 request. Look at its Host field (exactly one), at the "
        "length of its body, at its line ends and at its size."
    )


class OneMeaning(h11.Connection):
    """h11, without what RFC 9112 lets a server read in its own way."""

    _in_this_read = 0
    """Requests."""
    _seen = 0
    """How much of an unfinished head has been judged: a drip of bytes costs no second look."""

    def receive_data(self, data: bytes) -> None:
        """Take what came. Behind `Connection: close` nothing is heard any more (RFC 9112, 9.6)."""
        if self.their_state is not h11.MUST_CLOSE:
            self._in_this_read = 0
            super().receive_data(data)

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """The next one. Raises RemoteProtocolError."""
        if self.their_state is h11.IDLE:
            self._judge(self.trailing_data[0])
        event = super().next_event()
        if isinstance(event, h11.Request) and ABSOLUTE.match(event.target):
            return _in_origin_form(event)
        return event

    def _judge(self, received: bytes) -> None:
        news = max(0, self._seen - 3)  # what is looked for may have begun before
        end = received.find(b"\r\n\r\n", news)
        self._seen = len(received) if end < 0 else 0
        head = received if end < 0 else received[:end]
        if BARE_OR_FOLDED.search(head, news):
            raise h11.RemoteProtocolError("a line that ends or goes on in an unusual way")
        if len(head) > MAX_HEAD_BYTES:
            raise h11.RemoteProtocolError("too large a head", error_status_hint=431)
        if end < 0:
            return
        if head.count(b"\n") > MAX_FIELDS:
            raise h11.RemoteProtocolError("too many fields", error_status_hint=431)
        self._in_this_read += 1
        if self._in_this_read > MAX_PIPELINED:
            raise h11.RemoteProtocolError("too many requests at once")
        line = head.partition(b"\r\n")[0]
        if not REQUEST_LINE.fullmatch(line):
            raise h11.RemoteProtocolError("not a request line of HTTP/1.1 or HTTP/1.0")
        lengths = len(LENGTHS.findall(head))
        if lengths > 1 or CHUNKED_IN_OLD.match(head) or UNCLEAR_LENGTH.search(head):
            raise h11.RemoteProtocolError("a body whose length is not clear")


def _in_origin_form(request: h11.Request) -> h11.Request:
    """A proxy's way to name a target, as our paths are written (RFC 9112, 3.2.2)."""
    rest = ABSOLUTE.sub(b"", request.target, count=1)
    return h11.Request(
        method=request.method,
        headers=request.headers,
        target=rest if rest.startswith(b"/") else b"/" + rest,
        http_version=request.http_version,
    )


Owed = Literal["head", "rest", "request"]
"""What is awaited of a client: the end of a head, the rest of a body, another request."""


class BoundedHttp(H11Protocol):
    """A connection that must say something sensible soon."""

    head_seconds: float = HEAD_SECONDS
    rest_seconds: float = REST_SECONDS

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.conn: OneMeaning = OneMeaning(h11.SERVER, MAX_HEAD_BYTES)
        self._awaited: Owed | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Start the clock: a connection that says nothing is not kept."""
        super().connection_made(transport)
        self._await("head")

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop it."""
        self._await(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read, then see what is still to come; saying something now and then buys no time."""
        super().data_received(data)
        self._await(None if self.transport.is_closing() else self._owed())

    def handle_events(self) -> None:
        """An offer to switch protocols stays open until the answer to its request.

        uvicorn does not read for so long, and would not see that its client has gone.
        """
        super().handle_events()
        offered = h11.MIGHT_SWITCH_PROTOCOL  # type: ignore[attr-defined]  # documented, not in __all__
        if self.conn.their_state is offered and not self.conn.trailing_data[0]:
            self.flow.resume_reading()

    def on_response_complete(self) -> None:
        """A body that is refused must end soon too, or a drip of it holds the connection."""
        super().on_response_complete()
        if not self.transport.is_closing() and self._owed() == "rest":
            self._await("rest")

    def _should_upgrade(self) -> bool:
        """Whether a request asks for a WebSocket (RFC 6455, 4.2.1) in a way that gets an answer.

        What does not is a request like any other: nobody need understand `Upgrade`.
        """
        # uvicorn has no public place to say so: it takes any request that names `websocket` for a
        # handshake, whatever its method and body, and logs two warnings at each offer of `h2c`.
        scope, names = self.scope, {name for name, _ in self.headers}
        if b"upgrade" not in names or scope["method"] != "GET" or scope["http_version"] != "1.1":
            return False
        target = scope["raw_path"] + b"?" + scope["query_string"]
        longest = max(len(target), *(len(name) + len(value) for name, value in self.headers))
        if names & {b"content-length", b"transfer-encoding"} or longest > MAX_HANDSHAKE_LINE:
            return False
        fields = [(name.decode("ascii"), value.decode("latin-1")) for name, value in self.headers]
        request = Request(path=target.decode("ascii"), headers=Headers(fields))
        return ServerProtocol().accept(request).status_code == 101

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """A WebSocket has a clock of its own, uvicorn's pings."""
        self._await(None)
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        """Answer as all errors are answered; only close, where an answer has begun."""
        self._await(None)
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

    def _owed(self) -> Owed | None:
        match self.conn.their_state:
            case h11.IDLE:
                return "head" if self.conn.trailing_data[0] else "request"
            case h11.SEND_BODY if self.conn.our_state is h11.DONE:
                return "rest"
        return None

    def _await(self, owed: Owed | None) -> None:
        """Give the client its time for this, unless it runs already."""
        if owed == self._awaited:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._awaited, self._timer = owed, None
        if owed is not None:
            seconds = {
                "head": self.head_seconds,
                "rest": self.rest_seconds,
                "request": self.timeout_keep_alive,
            }[owed]
            self._timer = self.loop.call_later(seconds, self.timeout_keep_alive_handler)
