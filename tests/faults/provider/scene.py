"""A service before two providers: one that breaks, and one that another model needs."""

import contextlib
import json
import socket
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import httpx

from signaller.app import create_app
from signaller.settings import Timeouts
from tests.faults.clients.attacked import until
from tests.providers.raw import Raw, Speak, http, raw_server
from tests.support.provider import FakeProvider
from tests.support.service import MASTER_KEY, MODEL, OFFER, bearer, deployment, settings
from tests.support.serving import serving
from tests.support.sockets import sockets_to

EPHEMERAL = "ek_canary_of_the_provider_0123456789"
SHORT_SECONDS, LONG_SECONDS = 1.0, 60.0
"""For what breaks, and for what must not on a busy machine."""
BROKEN, BEGUN = "broken", "begun"
"""Models of the provider that breaks: mints are short at the one, calls at the other."""


@dataclass(slots=True, kw_only=True)
class Scene:
    """What a test drives."""

    speak: Speak
    """What the broken provider does."""
    mints: bool
    """Whether it does so only behind the mint."""
    client: httpx.AsyncClient = field(init=False)
    broken: Raw = field(init=False)
    shut: Callable[[], Awaitable[None]] = field(init=False)
    """From now on nobody listens where the broken provider did."""

    async def answer(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One connection of the broken provider."""
        if self.mints and b"/client_secrets " in self.broken.received[-1].partition(b"\r\n")[0]:
            writer.write(minted())
        else:
            await self.speak(reader, writer)

    async def mint(self, model: str) -> httpx.Response:
        """POST client_secrets."""
        return await self.client.post(
            "/v1/realtime/client_secrets", json={"model": model}, headers=bearer(MASTER_KEY)
        )

    async def token(self, model: str = BEGUN) -> str:
        """A fresh token."""
        response = await self.mint(model)
        assert response.status_code == 200, response.text
        value: str = response.json()["value"]
        return value

    async def call(self, token: str) -> httpx.Response:
        """POST calls."""
        headers = bearer(token) | {"content-type": "application/sdp"}
        return await self.client.post("/v1/realtime/calls", content=OFFER, headers=headers)

    async def other_model_works(self) -> bool:
        """Whether a call at the good provider is begun."""
        return (await self.call(await self.token(MODEL))).status_code == 201

    async def metrics(self) -> str:
        """What an operator sees."""
        return (await self.client.get("/metrics", headers=bearer(MASTER_KEY))).text

    @property
    def port(self) -> int:
        """The broken provider's."""
        return int(self.broken.url.rpartition(":")[2])

    async def lets_go(self) -> None:
        """Return once the service holds no socket to the broken provider; TimeoutError if ever."""
        await until(lambda: sockets_to(self.port) == 0)


def minted(seconds: int = 3600) -> bytes:
    """A good answer to a mint, or one whose secret is over already."""
    secret = {"value": EPHEMERAL, "expires_at": int(time.time()) + seconds}
    return http("200 OK", json.dumps(secret).encode())


@contextlib.contextmanager
def black_hole(port: int) -> Iterator[None]:
    """A port whose SYNs are answered by nobody: the queue of a listener that takes nothing in."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(0)
        for _ in range(8):  # the queue holds one or two; the rest is not answered
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        yield


@contextlib.asynccontextmanager
async def scene(
    speak: Speak,
    *,
    mints: bool,
    spare: bool = False,
    seconds: float = SHORT_SECONDS,
    **changes: object,
) -> AsyncIterator[Scene]:
    """A provider that breaks in every request; with `mints`, only behind the mint.

    `spare`: the good one serves the broken model too, when asked last. `seconds`: the time-out of
    what breaks. `changes` are fields of the broken deployments.
    """
    stage = Scene(speak=speak, mints=mints)
    async with contextlib.AsyncExitStack() as breaking, serving(FakeProvider().app) as good:
        stage.broken = await breaking.enter_async_context(raw_server(stage.answer))
        stage.shut = breaking.aclose
        bad, patient = {"base_url": stage.broken.url} | changes, {"timeout_seconds": LONG_SECONDS}
        deployments = [
            deployment(good, **patient),
            deployment("", id="broken", model_name=BROKEN, timeout_seconds=seconds, **bad),
            deployment("", id="begun", model_name=BEGUN, **bad),
        ]
        if spare:
            deployments.append(deployment(good, id="spare", model_name=BROKEN, weight=0, **patient))
        timeouts = Timeouts(mint_seconds=LONG_SECONDS, call_seconds=seconds)
        app = create_app(settings(*deployments, timeouts=timeouts))
        many = httpx.Limits(max_connections=None)
        async with (
            serving(app) as url,
            httpx.AsyncClient(base_url=url, timeout=90, limits=many) as client,
        ):
            stage.client = client
            yield stage
