"""Faults that a newcomer may switch on in the demo, to see what each one looks like.

They stand around the service and around the provider, and change neither:

    expired_token         the service's clock is a day ahead for whoever brings a token
    provider_500          the provider answers calls with 500
    udp_blocked           no candidate of offer or answer leads anywhere, so that ICE fails
    slow_answer_seconds   the provider takes so long to answer calls
    dead_sideband         sidebands open, and then nothing is heard of them (`front`)

Only `signaller demo` has them. Each is met by the calls that begin while it is on.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import asdict, dataclass, fields
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from signaller.errors import InvalidApiKey, InvalidJson, InvalidRequest, OriginNotAllowed
from signaller.loopback import reading
from signaller.loopback.faults import Refusal, render
from signaller.loopback.issuance import same
from signaller.secret import Secret
from signaller.strict_json import parse_object

MAX_SLOW_SECONDS = 30
PATH = "/demo/faults"
_DAY_SECONDS = 24 * 3600.0  # longer than any token is good for
_NO_STORE = {"cache-control": "no-store"}
_CANDIDATE = re.compile(rb"a=candidate:[^\r\n]*\r?\n")
_PORT = re.compile(rb"(a=candidate:(?:\S+ ){5})\d+")
# No system gives it to anybody by itself; browsers refuse candidates below port 1024 altogether.
_NOWHERE = rb"\g<1>65535"
_ahead: ContextVar[float] = ContextVar("signaller_demo_ahead", default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Which are on."""

    expired_token: bool = False
    provider_500: bool = False
    udp_blocked: bool = False
    slow_answer_seconds: float = 0
    dead_sideband: bool = False


NAMES = tuple(each.name for each in fields(Faults))


class Switches:
    """The faults of one demo, and what puts them in the way of its calls."""

    def __init__(self) -> None:
        self.on = Faults()

    def clock(self) -> float:
        """The service's clock, in Unix seconds."""
        return time.time() + _ahead.get()

    def routes(
        self, key: Secret, tester: Callable[[Request[Any]], Awaitable[Response]]
    ) -> list[Route]:
        """Routes to stand before the service's own: the switches, and word of them.

        GET and PUT of PATH have the faults as JSON, for the demo's key and its own page. What a PUT
        does not name is off afterwards. `tester` is the service's /tester.json.
        """

        async def faults(request: Request) -> Response:
            _admit(request, key)
            if request.method == "PUT":
                try:
                    given = parse_object(await reading.body(request))
                except (Refusal, ValueError):
                    raise InvalidJson from None
                self.on = read(given)
            return JSONResponse(asdict(self.on), headers=_NO_STORE)

        async def tester_with_faults(request: Request) -> Response:
            known = parse_object(bytes((await tester(request)).body))
            return JSONResponse({**known, "faults": NAMES}, headers=_NO_STORE)

        return [
            Route(PATH, faults, methods=["GET", "PUT"]),
            Route("/tester.json", tester_with_faults),
        ]

    def around_service(self, app: ASGIApp) -> ASGIApp:
        """The service, for which a token may be a day old."""

        async def service(scope: Scope, receive: Receive, send: Send) -> None:
            late = self.on.expired_token and _is_call(scope) and _brings_token(scope)
            reset = _ahead.set(_DAY_SECONDS if late else 0.0)
            try:
                await app(scope, receive, send)
            finally:
                _ahead.reset(reset)

        return service

    def around_provider(self, app: ASGIApp) -> ASGIApp:
        """The provider, which may be slow, out of order, or out of reach over UDP."""

        async def provider(scope: Scope, receive: Receive, send: Send) -> None:
            if not _is_call(scope):
                await app(scope, receive, send)
                return
            on = self.on
            await asyncio.sleep(on.slow_answer_seconds)
            if on.provider_500:
                failed = Refusal(
                    500, None, "The server had an error while processing your request."
                )
                await render(failed, "openai")(scope, receive, send)
            elif on.udp_blocked:
                await app(scope, _without_candidates(scope, receive), _leading_nowhere(send))
            else:
                await app(scope, receive, send)

        return provider


def read(given: dict[str, object]) -> Faults:
    """The faults that a JSON object names. Raises InvalidRequest."""
    for name, value in given.items():
        if name not in NAMES:
            raise InvalidRequest(
                public=f"There is no such fault. The demo knows: {', '.join(NAMES)}.", param=name
            )
        if name != "slow_answer_seconds":
            if not isinstance(value, bool):
                raise InvalidRequest(public="Expected true or false.", param=name)
        elif (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not 0 <= value <= MAX_SLOW_SECONDS
        ):
            raise InvalidRequest(
                public=f"Expected a number of seconds from 0 to {MAX_SLOW_SECONDS}.", param=name
            )
    return Faults(**given)  # type: ignore[arg-type]  # the loop says so


def _admit(request: Request, key: Secret) -> None:
    origin, host = request.headers.get("origin"), request.headers.get("host", "")
    if origin is not None and origin.partition("://")[2] != host:
        raise OriginNotAllowed(public="The demo's faults are switched by its own page.")
    bearer, _ = reading.credentials(request.headers)
    if bearer is None or not same(bearer, key.reveal()):
        raise InvalidApiKey


def _is_call(scope: Scope) -> bool:
    """Whether somebody offers a call, to the service by any of its paths or to the provider."""
    asks = scope["type"] == "http" and scope["method"] == "POST"
    return asks and str(scope["path"]).endswith("/realtime/calls")


def _brings_token(scope: Scope) -> bool:
    """And not a key: a call that is made with one would be dated a day ahead."""
    bearer, api_key = reading.credentials(Headers(scope=scope))
    return any(each is not None and each.startswith("ek_") for each in (bearer, api_key))


def _without_candidates(scope: Scope, receive: Receive) -> Receive:
    """An offer, raw or in a form, that does not say where its client is."""

    async def received() -> Message:
        body = await Request(scope, receive).body()
        return {"type": "http.request", "body": _CANDIDATE.sub(b"", body), "more_body": False}

    return received


def _leading_nowhere(send: Send) -> Send:
    """An answer whose candidates are at a port where nobody listens."""
    start: Message = {}

    async def sent(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start":
            start = message
            return
        body = _PORT.sub(_NOWHERE, message["body"])
        MutableHeaders(scope=start)["content-length"] = str(len(body))
        await send(start)
        await send({**message, "body": body})

    return sent
