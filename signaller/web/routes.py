"""Every path the service answers, with its aliases."""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path

from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from signaller.web import call_handlers, handlers

PREFIXES = ("/v1", "", "/openai/v1")
"""LiteLLM has all three; Azure-style clients use the last."""
ANY_METHOD = ()
PAGE_HEADERS = {
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
"""What a browser holds a page to, beside `middleware.SECURITY_HEADERS`."""


def routes() -> list[BaseRoute]:
    """The routes, the static files last."""
    return [
        *(route for prefix in PREFIXES for route in api_routes(f"{prefix}/realtime")),
        *(Route(f"{prefix}/models", handlers.models) for prefix in PREFIXES),
        Route("/healthz", handlers.healthz),
        Route("/readyz", handlers.readyz),
        # LiteLLM's names for the same.
        Route("/health/liveliness", handlers.healthz),
        Route("/health/liveness", handlers.healthz),
        Route("/health/readiness", handlers.readyz),
        Route("/metrics", handlers.metrics),
        Route("/tester.json", handlers.tester),
        # Before the mounts, which would take a handshake for theirs.
        WebSocketRoute("/{path:path}", handlers.no_websocket),
        *page_routes(static_directory()),
    ]


def api_routes(root: str) -> list[BaseRoute]:
    """The realtime routes under one of their prefixes."""
    return [
        Route(f"{root}/client_secrets", handlers.mint, methods=["POST"]),
        Route(f"{root}/client_secrets/introspect", handlers.introspect, methods=["POST"]),
        Route(f"{root}/client_secrets/revoke", handlers.revoke, methods=["POST"]),
        # Two routes on one path would answer a wrong method with half an Allow header.
        Route(f"{root}/calls", call_handlers.calls, methods=["GET", "POST", "OPTIONS"]),
        # Before the one that would take `events` for a call's id.
        Route(f"{root}/calls/events", call_handlers.follow_calls),
        Route(f"{root}/calls/{{call_id}}/hangup", call_handlers.hang_up, methods=["POST"]),
        Route(f"{root}/calls/{{call_id}}", call_handlers.call, methods=["GET", "DELETE"]),
        Route(f"{root}/state", handlers.service_state),
        Route(root, handlers.realtime, methods=ANY_METHOD),
        WebSocketRoute(root, handlers.realtime_websocket),
        Route(f"{root}/sessions", handlers.beta_session, methods=ANY_METHOD),
        Route(f"{root}/transcription_sessions", handlers.beta_session, methods=ANY_METHOD),
    ]


def page_routes(static: Path) -> list[BaseRoute]:
    """The tester page. A mount at `/` would match every path, and turn 405s into 404s."""
    return [
        Route("/", file_page(static / "index.html")),
        Route("/favicon.svg", file_page(static / "favicon.svg")),
        # Compressed to a third. They are the same for everybody: their lengths tell nothing.
        *(
            Mount(f"/{name}", GZipMiddleware(StaticFiles(directory=static / name), compresslevel=6))
            for name in ("css", "js", "vendor")
        ),
    ]


def file_page(path: Path) -> Callable[[Request], Awaitable[Response]]:
    """A handler that sends one file."""

    async def page(_: Request) -> Response:
        return FileResponse(path, headers=PAGE_HEADERS)

    return page


def static_directory() -> Path:
    """The tester page's files: inside the installed package, or beside it in a checkout."""
    packaged = Path(str(files("signaller"))) / "static"
    return packaged if packaged.is_dir() else packaged.parents[1] / "static"
