"""A memory store that is full, as callers and load balancers see it."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from msgspec.structs import replace
from starlette.types import ASGIApp, Receive, Scope, Send

from signaller.app import create_app
from signaller.ports import Store
from tests.stores.making import SetClock, make_call, make_grant
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


async def fill_with_calls(store: Store, clock: SetClock) -> None:
    """Of four others."""
    for number in range(4 * 127):
        await store.put_call(replace(make_call(clock), caller=f"c{number % 4}", model=LONG))


@pytest.mark.parametrize(
    ("fill", "what"), [(fill_with_grants, "unused tokens"), (fill_with_calls, "calls")]
)
async def test_a_full_store_is_known_before_the_provider_is_asked(
    fill: Callable[[Store, SetClock], Awaitable[None]], what: str
) -> None:
    """Readiness is red and says of what; the process lives; nothing is minted."""
    async with peeked() as (service, store):
        assert (await service.client.get("/readyz")).status_code == 200
        await fill(store, SetClock())
        for response in (
            await service.client.get("/readyz"),
            await service.mint({"model": MODEL}, headers=bearer(KEY)),
        ):
            assert (response.status_code, error(response)["code"]) == (503, "store_unavailable")
            assert f" {what}. Try again" in error(response)["message"]
            assert response.headers["retry-after"] == "1"
        assert service.provider.requests == []
        assert (await service.client.get("/healthz")).status_code == 200


async def test_a_token_outlasts_a_store_that_is_full_of_calls() -> None:
    """Its call is refused before its use is taken, and begins once there is room."""
    async with peeked() as (service, store):
        token = (await service.mint({"model": MODEL}, headers=bearer(KEY))).json()["value"]
        await fill_with_calls(store, SetClock())
        last = replace(make_call(SetClock()), caller="c0", model=LONG)
        await store.put_call(last)  # in place of the oldest
        refused = await service.call(token)
        assert (refused.status_code, error(refused)["code"]) == (503, "store_unavailable")
        assert service.provider.call.requests == []
        await store.put_call(replace(last, ended=True))
        assert (await service.call(token)).status_code == 201
