"""A memory store that is full, as callers and load balancers see it."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from signaller.app import create_app
from signaller.ports import Store
from tests.stores.making import SetClock, make_grant
from tests.support.provider import FakeProvider
from tests.support.service import MODEL, Service, bearer, deployment, error, named, settings
from tests.support.serving import serving

KEY = "sk-sgn-canary-web-0123456789"
LONG = "x" * 256 * 1024
"""One text in all of them, so that a store full of it takes hardly any memory."""


class Peeking:
    """Serves an app, and tells which store it uses."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.store: Store | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.store = scope["state"]["in_force"].service.store
        await self._app(scope, receive, send)


@contextlib.asynccontextmanager
async def peeked() -> AsyncIterator[tuple[Service, Store]]:
    """A service with one caller, and its store."""
    provider = FakeProvider()
    async with serving(provider.app) as provider_url:
        made = settings(deployment(provider_url), callers=(named("web", KEY),))
        app = Peeking(create_app(made))
        async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
            await client.get("/healthz")
            assert app.store is not None
            yield Service(client, provider, url, made), app.store


async def fill_with_grants(store: Store, clock: SetClock) -> None:
    """Of four others, who share a store among them."""
    for number in range(4 * 255):
        grant = make_grant(clock, lives_seconds=600)
        await store.put_grant(replace(grant, caller=f"c{number % 4}", sealed_secret=LONG))


async def test_a_full_store_is_known_before_the_provider_is_asked() -> None:
    """Readiness is red and says of what; the process lives; nothing is minted."""
    async with peeked() as (service, store):
        assert (await service.client.get("/readyz")).status_code == 200
        await fill_with_grants(store, SetClock())
        for response in (
            await service.client.get("/readyz"),
            await service.mint({"model": MODEL}, headers=bearer(KEY)),
        ):
            assert (response.status_code, error(response)["code"]) == (503, "store_unavailable")
            assert " unused tokens. Try again" in error(response)["message"]
            assert response.headers["retry-after"] == "1"
        assert service.provider.requests == []
        assert (await service.client.get("/healthz")).status_code == 200
