"""What every request and every response carries, whatever is between."""

import logging
import re
import secrets

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from signaller.errors import SignallerError
from signaller.masking import Masking, cut
from signaller.model import Trace
from signaller.secret import Secret
from signaller.web.credentials import is_local
from signaller.web.handlers import masking_in_force
from signaller.web.rendering import error_response

log = logging.getLogger("signaller")

# W3C Trace Context, 3.2: ids of zeros are invalid, and so is version ff.
TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
MAX_STATE_CHARS = 512  # 3.3.1.5: at least so many are to be kept
TRACESTATE = re.compile(rf"[ -~]{{1,{MAX_STATE_CHARS}}}")

_POLICIES = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; media-src 'self' blob: mediastream:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
}
SECURITY_HEADERS = [(name.encode(), value.encode()) for name, value in _POLICIES.items()]

REQUESTS = frozenset(("http", "websocket"))
STARTS = frozenset(("http.response.start", "websocket.http.response.start"))

Given = dict[bytes, list[str]]
MIRRORED = b"access-control-allow-headers"
"""In it a preflight is told what it had asked for."""
LONGEST_MIRRORED = 2048
CREDENTIALS = (b"authorization", b"api-key")
READ_HERE = frozenset(
    (b"x-forwarded-proto", b"x-request-id", b"traceparent", b"tracestate", *CREDENTIALS)
)


class LastResort:
    """Answers what nobody expected, inside the layers that give an answer its headers."""

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
            if scope["type"] not in REQUESTS or started:
                raise
            path = masking_in_force(scope).masked(scope["path"])[:100]
            fields = {"request_id": scope["trace"].request_id, "path": path}
            log.exception("fault", extra={"fields": fields})
            response = error_response(SignallerError(type(error).__name__))
            await response(scope, receive, send)


class Envelope:
    """Gives each request its scheme and an id, and each response its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in REQUESTS:
            await self.app(scope, receive, send)
            return
        given = _given(scope)
        scheme = _forwarded_scheme(given)
        if scope["type"] == "http" and scheme is not None and is_local(scope):
            scope = {**scope, "scheme": scheme}
        masking = masking_in_force(scope)
        trace = scope["trace"] = _trace(given, masking)
        request_id = (b"x-request-id", trace.request_id.encode("ascii"))

        async def send_with_headers(message: Message) -> None:
            if message["type"] in STARTS:
                headers = message["headers"] = list(message.get("headers", ()))
                there = {name for name, _ in headers}
                if MIRRORED in there:
                    headers[:] = [
                        (name, _mirrored(name, value, masking)) for name, value in headers
                    ]
                headers += [field for field in SECURITY_HEADERS if field[0] not in there]
                headers.append(request_id)
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _given(scope: Scope) -> Given:
    """What is read here, by name, in one pass: `Headers` would make one for each name."""
    given: Given = {}
    for name, value in scope["headers"]:
        if name in READ_HERE:
            given.setdefault(name, []).append(value.decode("latin-1"))
    return given


def _forwarded_scheme(given: Given) -> str | None:
    """What a gateway says its own side speaks; only one on this machine is believed.

    Of several in a row each adds what it was spoken to in: the first one is the client's side.
    """
    scheme = given.get(b"x-forwarded-proto", [""])[0].partition(",")[0].strip().lower()
    return scheme if scheme in ("http", "https") else None


def _trace(given: Given, masking: Masking) -> Trace:
    """What a gateway says of the trace, as far as it can be echoed, logged and passed on."""
    masking = masking.also(*_brought(given))
    request_id = masking.request_id(given.get(b"x-request-id", [""])[0])
    parents = given.get(b"traceparent", ())
    parent = parents[0] if len(parents) == 1 and TRACEPARENT.fullmatch(parents[0]) else None
    if parent and masking.finds(parent):
        parent = None
    state = ",".join(given.get(b"tracestate", ()))
    can_go_on = parent and TRACESTATE.fullmatch(state) and masking.masked(state) == state
    return Trace(
        request_id=request_id or f"req_{secrets.token_hex(12)}",
        traceparent=parent,
        tracestate=state if can_go_on else None,
    )


def _mirrored(name: bytes, value: bytes, masking: Masking) -> bytes:
    if name != MIRRORED:
        return value
    # Anybody may ask, so a long list is cut before it is looked at; SDKs ask for 300 characters.
    asked = cut(value.decode("latin-1"), LONGEST_MIRRORED)
    return masking.masked(asked).encode("latin-1")


def _brought(given: Given) -> list[Secret]:
    """The credentials of this request that are short enough to stand in an id."""
    words = (
        word for name in CREDENTIALS for value in given.get(name, ()) for word in value.split()
    )
    return [Secret(word) for word in words if len(word) <= MAX_STATE_CHARS]


class Cors(CORSMiddleware):
    """Starlette's, which reads and rewrites much for what has no `Origin`: that gets its `Vary`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or any(name == b"origin" for name, _ in scope["headers"]):
            await super().__call__(scope, receive, send)
            return

        async def send_with_vary(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"vary", b"Origin")]
            await send(message)

        await self.app(scope, receive, send_with_vary)
