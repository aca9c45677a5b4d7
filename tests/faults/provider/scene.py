"""A service before two providers: one that breaks, and one that another model needs."""

import contextlib
import json
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx

from signaller.app import create_app
from signaller.model import Deployment
from signaller.settings import Timeouts
from tests.support.provider import FakeProvider
from tests.support.service import MASTER_KEY, MODEL, OFFER, bearer, deployment, settings
from tests.support.serving import serving
from tests.upstreams.raw import Raw, Speak, http, raw_server

EPHEMERAL = "ek_canary_of_the_provider_0123456789"
TIMEOUTS = Timeouts(mint_seconds=1, call_seconds=1, connect_seconds=0.5)
BROKEN = "broken"
"""The model of the provider that breaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a test drives."""

    client: httpx.AsyncClient
    broken: Raw

    async def mint(self, model: str) -> httpx.Response:
        """POST client_secrets."""
        return await self.client.post(
            "/v1/realtime/client_secrets", json={"model": model}, headers=bearer(MASTER_KEY)
        )

    async def call(self, token: str) -> httpx.Response:
        """POST calls."""
        headers = bearer(token) | {"content-type": "application/sdp"}
        return await self.client.post("/v1/realtime/calls", content=OFFER, headers=headers)

    async def other_model_works(self) -> bool:
        """Whether a call at the good provider is begun."""
        minted = await self.mint(MODEL)
        assert minted.status_code == 200, minted.text
        return (await self.call(minted.json()["value"])).status_code == 201


def minted(seconds: int = 3600) -> bytes:
    """A good answer to a mint, or one whose secret is over already."""
    secret = {"value": EPHEMERAL, "expires_at": int(time.time()) + seconds}
    return http("200 OK", json.dumps(secret).encode())


@contextlib.asynccontextmanager
async def scene(speak: Speak, *, mints: bool, **changes: object) -> AsyncIterator[Scene]:
    """A provider that breaks in every request; with `mints`, only behind the mint.

    `changes` are fields of its deployment.
    """

    async def answer(reader: StreamReader, writer: StreamWriter) -> None:
        if mints and b"/client_secrets " in raw.received[-1].partition(b"\r\n")[0]:
            writer.write(minted())
        else:
            await speak(reader, writer)

    async with raw_server(answer) as raw, serving(FakeProvider().app) as good:
        deployments: tuple[Deployment, ...] = (
            deployment(good),
            deployment(raw.url, id="broken", model_name=BROKEN, **changes),
        )
        app = create_app(settings(*deployments, timeouts=TIMEOUTS))
        async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
            yield Scene(client=client, broken=raw)
