"""The loopback provider's HTTP surface."""

import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from signaller.loopback.calls import Calls
from signaller.loopback.faults import Refusal, render
from signaller.loopback.issuance import Issuance
from signaller.loopback.provider import Routes
from signaller.loopback.sideband import Sidebands
from signaller.model import Provider
from signaller.secret import Secret


def create_loopback(
    *,
    api_key: Secret,
    provider: Provider = "openai",
    deployments: frozenset[str] | None = None,
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """A provider that answers calls itself; its lifespan ends them all."""
    calls = Calls(new_id=_new_id)
    routes = Routes(
        api_key=api_key,
        provider=provider,
        deployments=deployments,
        issuance=Issuance(provider=provider, clock=clock),
        calls=calls,
        new_id=_new_id,
    )
    prefix = "/v1/realtime" if provider == "openai" else "/openai/v1/realtime"

    async def refuse(_request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            error = Refusal(error.status_code, "invalid_request", error.detail, azure_code="404")
        if not isinstance(error, Refusal):
            raise error
        response = render(error, provider)
        response.headers["x-request-id"] = _new_id("req")
        return response

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await calls.aclose()

    return Starlette(
        routes=[
            Route(f"{prefix}/client_secrets", routes.mint, methods=["POST"]),
            Route(f"{prefix}/calls", routes.call, methods=["POST"]),
            Route(f"{prefix}/calls/{{call_id}}/hangup", routes.hang_up, methods=["POST"]),
            WebSocketRoute(prefix, Sidebands(calls, routes.standing_key, provider)),
        ],
        # Browsers call the providers directly, so the providers allow it.
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=["*"],
                allow_methods=["POST"],
                allow_headers=["*"],
                expose_headers=["Location", "X-Request-Id"],
            )
        ],
        exception_handlers={Refusal: refuse, HTTPException: refuse},
        lifespan=lifespan,
    )


def _new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"
