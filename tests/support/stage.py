"""The service before a loopback provider with real media, and a record of what reached it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import websockets
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from signaller.app import create_app
from signaller.loopback.app import create_loopback
from signaller.model import Provider
from signaller.secret import Secret
from tests.support.service import MASTER_KEY, MODEL, PROVIDER_KEY, deployment, settings
from tests.support.serving import serving

PATIENCE_SECONDS = 30
"""For one step of a call on a machine that is busy with other tests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request to the provider, once its response has begun."""

    method: str
    path: str
    headers: Headers
    status: int
    location: str | None


class LoopbackProvider:
    """A loopback provider; everything it is asked is remembered."""

    def __init__(self, *, provider: Provider = "openai") -> None:
        self.provider = provider
        self.url = ""
        self.exchanges: list[Exchange] = []
        self._app = create_loopback(api_key=Secret(PROVIDER_KEY), provider=provider)
        self._changed = asyncio.Condition()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def seen(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["type"] == "http":
                exchange = Exchange(
                    method=scope["method"],
                    path=scope["path"],
                    headers=Headers(scope=scope),
                    status=message["status"],
                    location=Headers(raw=message["headers"]).get("location"),
                )
                async with self._changed:
                    self.exchanges.append(exchange)
                    self._changed.notify_all()
            await send(message)

        await self._app(scope, receive, seen)

    @property
    def calls(self) -> list[str]:
        """The paths of all calls ever begun."""
        return [exchange.location for exchange in self.exchanges if exchange.location]

    async def asked_to_hang_up(self, call: str) -> None:
        """Return once somebody has asked to end this call."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._changed:
            await self._changed.wait_for(
                lambda: any(exchange.path == f"{call}/hangup" for exchange in self.exchanges)
            )

    async def knows(self, call: str) -> bool:
        """Whether this call is still live: its sideband opens."""
        socket_url = self.url.replace("http", "ws") + call.rpartition("/calls/")[0]
        headers = {"authorization": f"Bearer {PROVIDER_KEY}"}
        with contextlib.suppress(websockets.InvalidStatus):
            async with websockets.connect(
                f"{socket_url}?call_id={call.rpartition('/')[2]}", additional_headers=headers
            ):
                return True
        return False

    async def hang_up(self, call: str) -> httpx.Response:
        """What the provider itself says to a hangup with its own key."""
        key = {"authorization": f"Bearer {PROVIDER_KEY}", "api-key": PROVIDER_KEY}
        async with httpx.AsyncClient(base_url=self.url, headers=key) as client:
            return await client.post(f"{call}/hangup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A running service and the provider behind it."""

    url: str
    provider: LoopbackProvider

    async def token(self) -> str:
        """A fresh token."""
        response = await self.post("client_secrets", json={"model": MODEL})
        assert response.status_code == 200, response.text
        value: str = response.json()["value"]
        return value

    async def hang_up(self, call_id: str) -> httpx.Response:
        """End a call as a backend does, by the id its client knows."""
        return await self.post(f"calls/{call_id}/hangup")

    async def post(self, path: str, **options: Any) -> httpx.Response:
        """POST below /v1/realtime with the master key."""
        key = {"authorization": f"Bearer {MASTER_KEY}"}
        async with httpx.AsyncClient(base_url=self.url, timeout=PATIENCE_SECONDS) as client:
            return await client.post(f"/v1/realtime/{path}", headers=key, **options)


@contextlib.asynccontextmanager
async def staged(
    *, prices: Mapping[str, object] | None = None, **changes: Any
) -> AsyncIterator[Stage]:
    """A service before a loopback provider; `changes` are fields of its Settings.

    `prices` are the deployment's, by the names of `model_info`.
    """
    provider = LoopbackProvider()
    async with serving(provider) as provider.url:
        made = settings(deployment(provider.url, prices=prices or {}), **changes)
        async with serving(create_app(made)) as url:
            yield Stage(url=url, provider=provider)
