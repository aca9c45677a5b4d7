"""What every request and every response carries, and what answers a fault."""

import logging
import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from signaller.errors import SignallerError
from signaller.masking import Masking, cut
from signaller.model import Trace
from signaller.secret import Secret
from signaller.web.credentials import is_local
from signaller.web.rendering import error_response
from signaller.web.state import State

log = logging.getLogger("signaller")

# W3C Trace Context, 3.2: ids of zeros are invalid, and so is version ff.
TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
MAX_STATE_CHARS = 512  # 3.3.1.5: at least so many are to be kept
TRACESTATE = re.compile(rf"[ -~]{{1,{MAX_STATE_CHARS}}}")

SECURITY_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        b"img-src 'self' data:; media-src 'self' blob: mediastream:; base-uri 'none'; "
        b"form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
)
"""Of all responses; `page.PAGE_HEADERS` are those that mean something to a page only."""

MIRRORED = "access-control-allow-headers"
"""In it Starlette's CORSMiddleware repeats to a preflight the headers that it asked for."""
MAX_MIRRORED_CHARS = 2048
"""Anybody may send a preflight, so a long list is cut before it is masked; SDKs ask for 300."""

REQUEST_TYPES = frozenset(("http", "websocket"))
RESPONSE_STARTS = frozenset(("http.response.start", "websocket.http.response.start"))


class RequestContext:
    """Gives each request its service, its trace and its scheme, and each response its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in REQUEST_TYPES:
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope)
        scheme = _forwarded_scheme(given)
        if scope["type"] == "http" and scheme is not None and is_local(scope):
            scope = {**scope, "scheme": scheme}
        state = HTTPConnection[State](scope).state
        state["service"] = state["in_force"].service
        masking = state["service"].masking
        state["trace"] = trace = _trace(given, masking)

        async def send_with_headers(message: Message) -> None:
            if message["type"] in RESPONSE_STARTS:
                request_id = (b"x-request-id", trace.request_id.encode())
                message["headers"] = [*message.get("headers", ()), *SECURITY_HEADERS, request_id]
                if scope.get("method") == "OPTIONS":
                    _mask_mirrored(MutableHeaders(scope=message), masking)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class UnexpectedErrors:
    """Answers an error that nobody expected with a 500 in our shape, and logs it.

    Starlette's own place for it (a handler of `Exception`) is outside all other middleware: its
    answer would lack the request's id and what CORS adds.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except Exception as error:
            if scope["type"] not in REQUEST_TYPES or started:
                raise
            state = HTTPConnection[State](scope).state
            path = state["service"].masking.masked(scope["path"])[:100]
            fields = {"request_id": state["trace"].request_id, "path": path}
            log.exception("fault", extra={"fields": fields})
            response = error_response(SignallerError(type(error).__name__))
            await response(scope, receive, send)


def _mask_mirrored(headers: MutableHeaders, masking: Masking) -> None:
    if MIRRORED in headers:
        headers[MIRRORED] = masking.masked(cut(headers[MIRRORED], MAX_MIRRORED_CHARS))


def _forwarded_scheme(given: Headers) -> str | None:
    """What a gateway says its own side speaks; only one on this machine is believed.

    Of several in a row each adds what it was spoken to in: the first one is the client's side.
    """
    scheme = given.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    return scheme if scheme in ("http", "https") else None


def _trace(given: Headers, masking: Masking) -> Trace:
    """What a gateway says of the trace, as far as it can be echoed, logged and passed on."""
    named, parents = given.get("x-request-id"), given.getlist("traceparent")
    if named is None and not parents:
        return Trace(request_id=_new_request_id())
    masking = masking.also(*_short_credentials(given))
    request_id = masking.request_id(named)
    parent = parents[0] if len(parents) == 1 and TRACEPARENT.fullmatch(parents[0]) else None
    if parent and masking.finds(parent):
        parent = None
    state = ",".join(given.getlist("tracestate"))
    can_go_on = parent and TRACESTATE.fullmatch(state) and masking.masked(state) == state
    return Trace(
        request_id=request_id or _new_request_id(),
        traceparent=parent,
        tracestate=state if can_go_on else None,
    )


def _new_request_id() -> str:
    return f"req_{secrets.token_hex(12)}"


def _short_credentials(given: Headers) -> list[Secret]:
    """The credentials of this request that are short enough to stand in an id."""
    values = (*given.getlist("authorization"), *given.getlist("api-key"))
    words = (word for value in values for word in value.split())
    return [Secret(word) for word in words if len(word) <= MAX_STATE_CHARS]
