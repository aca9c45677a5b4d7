"""The page served as the service serves it, in front of an HTTP surface each test controls."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.support.browser import chromium, tab
from tests.support.serving import serving

STATIC = Path(__file__).parents[2] / "static"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; media-src 'self' blob: mediastream:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
TOKEN = "ek_for-the-page"


@dataclass(kw_only=True)
class Service:
    """What the page is told, and what it asked."""

    key: str | None = "sk-page"
    models: list[str] = field(default_factory=lambda: ["gpt-realtime", "gpt-realtime-mini"])
    demo: bool = False
    mint: Response | None = None
    """None: a token is given."""
    call: Response | None = None
    known: Response | None = None
    """What the page hears when it asks for the calls of its key; None: there are none."""
    authorizations: list[str] = field(default_factory=list)
    minted: list[object] = field(default_factory=list)
    offers: list[bytes] = field(default_factory=list)
    url: str = ""

    async def tester(self, request: Request) -> Response:
        """GET /tester.json."""
        return JSONResponse({"key": self.key, "models": self.models, "demo": self.demo})

    async def list_calls(self, _: Request) -> Response:
        """GET /v1/realtime/calls."""
        return self.known or JSONResponse({"object": "list", "data": [], "has_more": False})

    async def mint_token(self, request: Request) -> Response:
        """POST /v1/realtime/client_secrets."""
        self.authorizations.append(request.headers["authorization"])
        self.minted.append(await request.json())
        return self.mint or JSONResponse({"value": TOKEN, "expires_at": 4102444800})

    async def create_call(self, request: Request) -> Response:
        """POST /v1/realtime/calls."""
        self.authorizations.append(request.headers["authorization"])
        self.offers.append(await request.body())
        return self.call or failure(503, "upstream_unavailable", "No provider in this test.")

    def app(self) -> ASGIApp:
        """The whole of it as an ASGI application."""
        routes = [
            Route("/tester.json", self.tester),
            Route("/v1/realtime/client_secrets", self.mint_token, methods=["POST"]),
            Route("/v1/realtime/calls", self.create_call, methods=["POST"]),
            Route("/v1/realtime/calls", self.list_calls),
            Mount("/", StaticFiles(directory=STATIC, html=True)),
        ]
        return _Policed(Starlette(routes=routes))


class _Policed:
    """Sends the policy the service sends."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def policed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = POLICY
            await send(message)

        await self.app(scope, receive, policed)


def failure(status: int, code: str, message: str, **headers: str) -> Response:
    """An error as the service renders it; `retry_after` becomes Retry-After."""
    return JSONResponse(
        {"error": {"message": message, "type": "t", "code": code, "param": None}},
        status,
        headers={
            "X-Request-Id": "req_of_this_test",
            **{name.replace("_", "-").title(): value for name, value in headers.items()},
        },
    )


@pytest_asyncio.fixture(loop_scope="session")
async def service() -> AsyncIterator[Service]:
    """The HTTP surface, running."""
    service = Service()
    async with serving(service.app()) as service.url:
        yield service


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium_browser() -> AsyncIterator[Browser]:
    """With a microphone that is always allowed; one for all, it takes seconds to start."""
    async with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def browser(request: pytest.FixtureRequest) -> Browser:
    """Chromium; Firefox as well for what is marked with `in_firefox`."""
    chosen: Browser = request.getfixturevalue(getattr(request, "param", "chromium_browser"))
    return chosen


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A tab without a past; tests open `service.url` themselves, after arranging what it says."""
    async with tab(browser, timeout_seconds=15) as page:
        yield page
