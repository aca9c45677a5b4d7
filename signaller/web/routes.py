"""Every path the service answers, with its aliases."""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import NoReturn

from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from signaller.web import handlers

PREFIXES = ("/v1", "", "/openai/v1")
"""LiteLLM has all three; Azure-style clients use the last."""


def routes() -> list[BaseRoute]:
    """The routes, the static files last."""
    api = [
        route
        for prefix in PREFIXES
        for route in (
            Route(f"{prefix}/realtime/client_secrets", Endpoint(handlers.mint), methods=["POST"]),
            # Two routes on one path would answer a wrong method with half an Allow header.
            Route(
                f"{prefix}/realtime/calls",
                Endpoint(handlers.calls),
                methods=["POST", "OPTIONS"],
            ),
            Route(
                f"{prefix}/realtime/client_secrets/introspect",
                Endpoint(handlers.introspect),
                methods=["POST"],
            ),
            Route(
                f"{prefix}/realtime/client_secrets/revoke",
                Endpoint(handlers.revoke),
                methods=["POST"],
            ),
            Route(
                f"{prefix}/realtime/calls/{{call_id}}/hangup",
                Endpoint(handlers.hang_up),
                methods=["POST"],
            ),
            Route(
                f"{prefix}/realtime/calls/{{call_id}}",
                Endpoint(handlers.hang_up),
                methods=["DELETE"],
            ),
            Route(f"{prefix}/models", Endpoint(handlers.models), methods=["GET"]),
            Route(f"{prefix}/realtime", Endpoint(handlers.realtime)),
            WebSocketRoute(f"{prefix}/realtime", Handshake(handlers.realtime_websocket)),
            Route(f"{prefix}/realtime/sessions", Endpoint(handlers.beta_session)),
            Route(f"{prefix}/realtime/transcription_sessions", Endpoint(handlers.beta_session)),
        )
    ]
    return [
        *api,
        Route("/healthz", Endpoint(handlers.healthz), methods=["GET"]),
        Route("/readyz", Endpoint(handlers.readyz), methods=["GET"]),
        # LiteLLM's names for the same.
        Route("/health/liveliness", Endpoint(handlers.healthz), methods=["GET"]),
        Route("/health/liveness", Endpoint(handlers.healthz), methods=["GET"]),
        Route("/health/readiness", Endpoint(handlers.readyz), methods=["GET"]),
        Route("/metrics", Endpoint(handlers.metrics), methods=["GET"]),
        Route("/tester.json", Endpoint(handlers.tester), methods=["GET"]),
        # Before the mounts, which would take a handshake for theirs.
        WebSocketRoute("/{path:path}", Handshake(handlers.no_websocket)),
        *page_routes(static_directory()),
    ]


def page_routes(static: Path) -> list[BaseRoute]:
    """The tester page. A mount at `/` would match every path, and turn 405s into 404s."""
    return [
        Route("/", FilePage(static / "index.html"), methods=["GET"]),
        Route("/favicon.svg", FilePage(static / "favicon.svg"), methods=["GET"]),
        Mount("/css", StaticFiles(directory=static / "css")),
        Mount("/js", StaticFiles(directory=static / "js")),
    ]


class Endpoint:
    """A handler as an ASGI application.

    Starlette would put the same exception handlers around it that are around the whole.
    """

    def __init__(self, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        response = await self._answer(Request(scope, receive, send))
        await response(scope, receive, send)


class Handshake:
    """What refuses a WebSocket (RFC 6455, 4.2.2) as an ASGI application."""

    def __init__(self, refuse: Callable[[HTTPConnection], Awaitable[NoReturn]]) -> None:
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await self._refuse(HTTPConnection(scope))


class FilePage:
    """One file as an endpoint."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        await FileResponse(self.path)(scope, receive, send)


def static_directory() -> Path:
    """The tester page's files: inside the installed package, or beside it in a checkout."""
    packaged = Path(str(files("signaller"))) / "static"
    return packaged if packaged.is_dir() else packaged.parents[1] / "static"
