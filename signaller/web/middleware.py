"""What every request and every response carries, whatever is between."""

import logging
import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from signaller.errors import SignallerError
from signaller.model import Trace
from signaller.web.credentials import is_local
from signaller.web.rendering import error_response

log = logging.getLogger("signaller")

REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# nginx's ids have 32 characters in one piece, UUIDs 12; what has more may be a key.
KEY_LIKE = re.compile(r"^ek_|^sk-|[A-Za-z0-9]{41}")
# W3C Trace Context, 3.2: ids of zeros are invalid, and so is version ff.
TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
TRACESTATE = re.compile(r"[ -~]{1,512}")  # 3.3.1.5: at least 512 characters are to be kept

SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; media-src 'self' blob: mediastream:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
}


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
            if scope["type"] != "http" or started:
                raise
            fields = {"request_id": scope["trace"].request_id, "path": scope["path"][:100]}
            log.exception("fault", extra={"fields": fields})
            response = error_response(SignallerError(type(error).__name__))
            await response(scope, receive, send)


class ForwardedScheme:
    """Believes a gateway on this machine that its own side speaks https."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http" and is_local(scope):
            scheme = Headers(scope=scope).get("x-forwarded-proto", "").strip().lower()
            if scheme in ("http", "https"):
                scope = {**scope, "scheme": scheme}
        await self.app(scope, receive, send)


class ResponseHeaders:
    """Gives each request an id (a gateway's own is kept) and each response its headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        trace = _trace(Headers(scope=scope))
        request_id = trace.request_id
        scope["trace"] = trace

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _trace(headers: Headers) -> Trace:
    """What a gateway says of the trace, as far as it can be echoed, logged and passed on."""
    given = headers.get("x-request-id", "")
    is_id = REQUEST_ID.fullmatch(given) and not KEY_LIKE.search(given)
    parents = headers.getlist("traceparent")
    parent = parents[0] if len(parents) == 1 and TRACEPARENT.fullmatch(parents[0]) else None
    state = ",".join(headers.getlist("tracestate"))
    return Trace(
        request_id=given if is_id else f"req_{secrets.token_hex(12)}",
        traceparent=parent,
        tracestate=state if parent and TRACESTATE.fullmatch(state) else None,
    )
