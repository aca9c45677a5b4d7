"""The only place where parts are wired."""

import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypedDict

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from signaller.callers import MasterKey
from signaller.calls import Calls
from signaller.deployments import Deployments
from signaller.errors import SignallerError
from signaller.minting import Minting
from signaller.model import Provider
from signaller.ports import Clock, Store, Upstream
from signaller.settings import Settings
from signaller.stores import MemoryStore, RedisStore
from signaller.tokens import Tokens
from signaller.upstreams import Azure, EntraTokens, OpenAI, http_client
from signaller.web.handlers import Service
from signaller.web.middleware import LastResort, ResponseHeaders
from signaller.web.rendering import render
from signaller.web.routes import routes

EXPOSED_HEADERS = ["Location", "Retry-After", "Server-Timing", "X-Request-Id", "Link"]
PREFLIGHT_SECONDS = 600


class State(TypedDict):
    """What the lifespan lends to every request."""

    service: Service


def create_app(settings: Settings, *, clock: Clock = time.time) -> Starlette:
    """The service. Connections are opened and closed by its lifespan."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[State]:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(http_client())
            entra = EntraTokens()
            stack.push_async_callback(entra.aclose)
            store = open_store(settings, clock)
            stack.push_async_callback(store.aclose)
            callers = MasterKey(settings.master_key)
            deployments = Deployments(settings.deployments, clock, random.SystemRandom().random)
            tokens = Tokens(settings.token_keys, clock)
            upstreams: dict[Provider, Upstream] = {
                "openai": OpenAI(client, settings.timeouts),
                "azure": Azure(client, settings.timeouts, entra),
            }
            minting = Minting(
                deployments=deployments,
                upstreams=upstreams,
                tokens=tokens,
                store=store,
                clock=clock,
                token_settings=settings.token,
                aliases=settings.aliases,
            )
            calls = Calls(
                callers=callers,
                deployments=deployments,
                upstreams=upstreams,
                tokens=tokens,
                store=store,
                clock=clock,
                aliases=settings.aliases,
            )
            service = Service(
                callers=callers,
                deployments=deployments,
                minting=minting,
                calls=calls,
                store=store,
                settings=settings,
            )
            yield {"service": service}

    app = Starlette(
        routes=routes(),
        lifespan=lifespan,
        middleware=[
            Middleware(ResponseHeaders),
            Middleware(
                CORSMiddleware,
                allow_origins=settings.cors_origins,
                allow_methods=["GET", "POST", "DELETE", "OPTIONS"],
                allow_headers=["*"],  # x-stainless-*, openai-* and the like: an open set
                expose_headers=EXPOSED_HEADERS,
                max_age=PREFLIGHT_SECONDS,
            ),
            Middleware(LastResort),
        ],
        exception_handlers={SignallerError: render, HTTPException: render},
    )
    # A slash too many is another path: no redirect to an address built from the Host header.
    app.router.redirect_slashes = False
    return app


def open_store(settings: Settings, clock: Clock) -> Store:
    """Redis where it is configured, memory otherwise. Connects lazily."""
    if settings.redis_url is None:
        return MemoryStore(clock)
    return RedisStore.from_url(
        settings.redis_url, timeout_seconds=settings.timeouts.store_seconds, clock=clock
    )
