"""Every path the service answers, with its aliases."""

from starlette.routing import BaseRoute, Route, WebSocketRoute

from signaller.web import call_handlers, handlers
from signaller.web.page import page_routes

PREFIXES = ("/v1", "", "/openai/v1")
"""LiteLLM has all three; Azure-style clients use the last."""
ANY_METHOD = ()


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
        *page_routes(),
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
