"""A backend and a browser before a running `signaller`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx

from tests.support.process import MASTER, PATIENCE_SECONDS, Running
from tests.support.service import OFFER


class Client:
    """What they ask for."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def models(self) -> set[str]:
        """The models on offer."""
        listed = await self.http.get("/v1/models", headers=self._master)
        return {model["id"] for model in listed.json()["data"]}

    async def mint(self, model: str = "voice", **headers: str) -> httpx.Response:
        """Ask for a token."""
        given = self._master | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(
            "/v1/realtime/client_secrets", json={"model": model}, headers=given
        )

    async def call(self, token: str) -> httpx.Response:
        """Send an offer."""
        headers = {"authorization": f"Bearer {token}", "content-type": "application/sdp"}
        return await self.http.post("/v1/realtime/calls", content=OFFER, headers=headers)

    @property
    def _master(self) -> dict[str, str]:
        return {"authorization": f"Bearer {MASTER}"}


@contextlib.asynccontextmanager
async def client(running: Running) -> AsyncIterator[Client]:
    """A client of a process, a connection for each request: the kernel deals them out."""
    url = await asyncio.to_thread(running.url)
    limits = httpx.Limits(max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=PATIENCE_SECONDS) as http:
        yield Client(http)


@contextlib.asynccontextmanager
async def unix_client(path: str) -> AsyncIterator[Client]:
    """A client at a Unix socket."""
    transport = httpx.AsyncHTTPTransport(uds=path)
    async with httpx.AsyncClient(transport=transport, base_url="http://voice", timeout=30) as http:
        yield Client(http)
