"""nginx with TLS before a `signaller` on a Unix socket before a provider, all real but the last."""

import asyncio
import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.gateways.recipe import SOCKET, at
from tests.support.certificate import Certificate, self_signed
from tests.support.nginx import nginx
from tests.support.process import MASTER, PATIENCE_SECONDS, Running, config, served
from tests.support.provider import FakeProvider
from tests.support.redis import free_port
from tests.support.service import OFFER
from tests.support.serving import serving

MODEL = "gpt-realtime"
BACKEND = ("mobile", "password-of-mobile")
OTHER_BACKEND = ("web", "password-of-web")
PREFIX = "/v1/realtime"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a client sees, and what is behind."""

    client: httpx.AsyncClient
    provider: FakeProvider
    replicas: Sequence[Running]
    sockets: Sequence[Path]

    async def mint(self, path: str = f"{PREFIX}/client_secrets", **options: Any) -> httpx.Response:
        """Ask for a token, without any credential unless `options` bring one."""
        return await self.client.post(path, json={"model": MODEL}, **options)

    async def token(self) -> str:
        """A fresh token, with the master key."""
        minted = await self.mint(headers={"authorization": f"Bearer {MASTER}"})
        assert minted.status_code == 200, minted.text
        value: str = minted.json()["value"]
        return value

    async def call(
        self, token: str, offer: bytes = OFFER, url: str = f"{PREFIX}/calls", **headers: str
    ) -> httpx.Response:
        """Send an offer."""
        given = {"authorization": f"Bearer {token}", "content-type": "application/sdp"}
        return await self.client.post(url, content=offer, headers=given | headers)

    async def callers(self, mints: int) -> list[object]:
        """Who asked for tokens, as the service's log has it, once it has so many lines."""
        lines = await asyncio.to_thread(self.replicas[0].logged, "mint", times=mints)
        return [line.get("caller") for line in lines]


@contextlib.asynccontextmanager
async def gate(recipe: str, ours: str = "", *, replicas: int = 1) -> AsyncIterator[Gate]:
    """All of it, with the page's `recipe` for nginx and `ours` in the service's configuration.

    `PORT` in `ours` is nginx's. Each replica after the first is a spare.
    """
    provider = FakeProvider()
    with contextlib.ExitStack() as stack:
        port = free_port()
        ours = ours.replace("PORT", str(port))
        # Not tmp_path: a socket's path may have 107 bytes at most.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gate-")))
        async with serving(provider.app) as provider_url:
            path = config(folder, provider_url, ours, model=MODEL)
            sockets = [folder / f"{number}.sock" for number in range(replicas)]
            running = [
                stack.enter_context(served("--config", path, "--uds", str(each)))
                for each in sockets
            ]
            for each in running:
                await asyncio.to_thread(each.ready)
            certificate = self_signed(folder)
            stack.enter_context(_nginx(folder, recipe, port, sockets, certificate))
            async with _client(port, certificate) as client:
                yield Gate(client=client, provider=provider, replicas=running, sockets=sockets)


@contextlib.contextmanager
def _nginx(
    folder: Path, recipe: str, port: int, sockets: Sequence[Path], certificate: Certificate
) -> Iterator[None]:
    first, *spares = (f"server unix:{each}" for each in sockets)
    places = {
        SOCKET: f"{first}; " + " ".join(f"{each} backup;" for each in spares),
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/etc/ssl/voice.example.pem": str(certificate.certificate),
        "/etc/ssl/voice.example.key": str(certificate.key),
    }
    if "backends.htpasswd" in recipe:
        passwords = folder / "backends.htpasswd"
        passwords.write_text(
            "".join(f"{name}:{{PLAIN}}{word}\n" for name, word in (BACKEND, OTHER_BACKEND))
        )
        places["/etc/nginx/backends.htpasswd"] = str(passwords)
    with nginx(folder, at(recipe, places), port):
        yield


def _client(port: int, certificate: Certificate) -> httpx.AsyncClient:
    trust = ssl.create_default_context(cafile=certificate.certificate)
    return httpx.AsyncClient(
        base_url=f"https://127.0.0.1:{port}",
        verify=trust,
        timeout=PATIENCE_SECONDS,
        trust_env=False,
    )
