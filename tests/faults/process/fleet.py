"""Two replicas on Unix sockets behind a real nginx, each of which may be replaced."""

import asyncio
import contextlib
import signal
import ssl
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from tests.gateways.recipe import SOCKET, at
from tests.support.certificate import self_signed
from tests.support.nginx import nginx
from tests.support.process import PATIENCE_SECONDS, Running, config, served
from tests.support.provider import FakeProvider
from tests.support.redis import free_port
from tests.support.service import token_key
from tests.support.serving import serving

REPLICAS = 2


def shared(redis_url: str) -> str:
    """What replicas need in their configuration."""
    return f"signaller: {{redis_url: {redis_url}, token_keys: [{token_key().reveal()}]}}"


class Fleet:
    """The replicas, in places that outlive them."""

    def __init__(self, path: str, folder: Path, provider: FakeProvider) -> None:
        self.provider = provider
        self.sockets = [folder / f"{number}.sock" for number in range(REPLICAS)]
        self._path = path
        self._running: dict[int, tuple[Running, contextlib.ExitStack]] = {}

    async def start(self, number: int) -> None:
        """Return once this replica serves."""
        stack = contextlib.ExitStack()
        arguments = ("--config", self._path, "--uds", str(self.sockets[number]))
        running = stack.enter_context(served(*arguments))
        self._running[number] = running, stack
        await asyncio.to_thread(running.ready)

    async def stop(self, number: int) -> int:
        """The exit status of this replica after SIGTERM."""
        running, stack = self._running.pop(number)
        with stack:
            running.send(signal.SIGTERM)
            return await asyncio.to_thread(running.ended)

    async def replace(self, number: int) -> None:
        """Stop it and start it, as a deployment does: by nobody's leave."""
        assert await self.stop(number) == -signal.SIGTERM
        await self.start(number)

    async def stop_all(self) -> None:
        """Leave nothing behind."""
        for number in tuple(self._running):
            await self.stop(number)


@contextlib.asynccontextmanager
async def fleet(recipe: str, redis_url: str) -> AsyncIterator[tuple[Fleet, httpx.AsyncClient]]:
    """The fleet, and a client of the nginx before it; `max_fails` is `recipe`'s to say."""
    provider = FakeProvider()
    async with contextlib.AsyncExitStack() as stack:
        port = free_port()
        # Not tmp_path: a socket's path may have 107 bytes at most.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fleet-")))
        provider_url = await stack.enter_async_context(serving(provider.app))
        replicas = Fleet(config(folder, provider_url, shared(redis_url)), folder, provider)
        stack.push_async_callback(replicas.stop_all)
        for number in range(REPLICAS):
            await replicas.start(number)
        files = self_signed(folder)
        places = {
            "/run/signaller/one.sock": str(replicas.sockets[0]),
            "/run/signaller/two.sock": str(replicas.sockets[1]),
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "/etc/ssl/voice.example.pem": str(files.certificate),
            "/etc/ssl/voice.example.key": str(files.key),
        }
        stack.enter_context(nginx(folder, at(recipe, places), port))
        client = httpx.AsyncClient(
            base_url=f"https://127.0.0.1:{port}",
            verify=ssl.create_default_context(cafile=files.certificate),
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        )
        yield replicas, await stack.enter_async_context(client)


def for_two(recipe: str, next_upstream: str, *, server: str = "", keepalive: str = "") -> str:
    """The recipe of docs/sidecar.md with two replicas and these settings."""
    names = ("one", "two")
    sockets = " ".join(f"server unix:/run/signaller/{name}.sock{server};" for name in names)
    return at(
        recipe,
        {
            f"{SOCKET} keepalive 16;": f"{sockets} {keepalive}",
            "proxy_next_upstream off;": f"proxy_next_upstream {next_upstream};",
        },
    )
