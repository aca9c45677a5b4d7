"""One replica: the service as a process of its own, as operators run it."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx

from tests.replicas.configuration import Configuration
from tests.support.process import PATIENCE_SECONDS, Running, served
from tests.support.service import MODEL, OFFER

Form = Literal["data", "json"]
"""How a token that is talked about is sent: as a form, or as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """A process that serves, and a client that speaks to it."""

    process: Running
    path: Path
    client: httpx.AsyncClient

    async def mint(self, key: str) -> httpx.Response:
        """POST client_secrets with a caller's key."""
        return await self._post("client_secrets", key, json={"model": MODEL})

    async def token(self, key: str) -> str:
        """A fresh token."""
        response = await self.mint(key)
        assert response.status_code == 200, response.text
        value: str = response.json()["value"]
        return value

    async def call(self, token: str) -> httpx.Response:
        """POST calls with an offer."""
        kind = {"content-type": "application/sdp"}
        return await self._post("calls", token, content=OFFER, headers=kind)

    async def introspect(self, key: str, token: str, form: Form = "data") -> dict[str, Any]:
        """What a caller is told about a token (RFC 7662)."""
        response = await self._post("client_secrets/introspect", key, **{form: {"token": token}})
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def revoke(self, key: str, token: str, form: Form = "data") -> httpx.Response:
        """Take a token back (RFC 7009)."""
        return await self._post("client_secrets/revoke", key, **{form: {"token": token}})

    async def reload(self, configuration: Configuration) -> None:
        """Give it another file, and return once that is in force."""
        before = len(self.process.lines("reload"))
        self.path.write_text(configuration.text())
        self.process.send(signal.SIGHUP)
        lines = await asyncio.to_thread(self.process.logged, "reload", times=before + 1)
        assert lines[before]["outcome"] == "ok", self.process.said

    async def kill(self) -> None:
        """End it without a chance to say goodbye."""
        self.process.process.kill()
        await asyncio.to_thread(self.process.ended)

    async def _post(self, path: str, credential: str, **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {credential}", **options.pop("headers", {})}
        return await self.client.post(f"/v1/realtime/{path}", headers=headers, **options)


IN_TIME: Mapping[int, int] = {}


def _process(path: Path, *, ahead: int) -> contextlib.AbstractContextManager[Running]:
    if not ahead:
        return served("--config", str(path))
    wrong_clock = str(Path(__file__).parent / "wrong_clock")
    return served("--config", str(path), PYTHONPATH=wrong_clock, AHEAD_SECONDS=str(ahead))


@contextlib.asynccontextmanager
async def replicas_of(
    count: int, folder: Path, configuration: Configuration, *, ahead: Mapping[int, int] = IN_TIME
) -> AsyncIterator[list[Replica]]:
    """So many of them, each with a file of its own.

    `ahead`: by how many seconds whose clock is ahead of the machine's.
    """
    async with contextlib.AsyncExitStack() as stack:
        paths = [folder / f"{number}.yaml" for number in range(count)]
        for path in paths:
            path.write_text(configuration.text())
        processes = [
            stack.enter_context(_process(path, ahead=ahead.get(number, 0)))
            for number, path in enumerate(paths)
        ]
        replicas = []
        for path, process in zip(paths, processes, strict=True):
            url = await asyncio.to_thread(process.url)
            client = httpx.AsyncClient(
                base_url=url,
                timeout=PATIENCE_SECONDS,
                limits=httpx.Limits(),  # none: what is to be shown is many requests at once
            )
            await stack.enter_async_context(client)
            replicas.append(Replica(process=process, path=path, client=client))
        yield replicas
