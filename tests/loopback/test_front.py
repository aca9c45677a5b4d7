"""What stands before the demo's provider: all is passed on, but for sidebands that are dead."""

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest
import websockets

from signaller.loopback.app import create_loopback
from signaller.loopback.front import front
from signaller.secret import Secret
from tests.loopback.conftest import API_KEY
from tests.loopback.peer import calling
from tests.support.serving import serving

KEY = {"authorization": f"Bearer {API_KEY}"}
SILENT_SECONDS = 0.5


@contextlib.asynccontextmanager
async def fronted(dead: list[bool]) -> AsyncIterator[httpx.AsyncClient]:
    """A provider behind its front; sidebands that open are dead where the list is not empty."""
    async with serving(create_loopback(api_key=Secret(API_KEY))) as provider:
        address = urlsplit(provider)
        assert address.hostname is not None
        assert address.port is not None
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            async with (
                front(listener, (address.hostname, address.port), lambda: bool(dead)),
                httpx.AsyncClient(
                    base_url=f"http://127.0.0.1:{port}", headers=KEY, timeout=20
                ) as client,
            ):
                yield client


def sideband(client: httpx.AsyncClient, path: str) -> websockets.connect:
    """That of a call; it sends no ping by itself."""
    call_id = path.rpartition("/")[2]
    url = str(client.base_url.copy_with(scheme="ws", path="/v1/realtime"))
    return websockets.connect(
        f"{url}?call_id={call_id}", additional_headers=KEY, ping_interval=None
    )


async def test_a_living_sideband_is_passed_on() -> None:
    """Frames and pongs, both ways, beside the requests of a call."""
    async with fronted([]) as client, calling(client) as (peer, path):
        await peer.event("session.created")
        async with sideband(client, path) as living:
            async with asyncio.timeout(20):
                await (await living.ping())
            await living.send('{"type": "response.create"}')
            assert "response.created" in str(await living.recv())
        assert (await client.post(f"{path}/hangup")).status_code == 200


async def test_a_dead_sideband_opens_and_is_silent() -> None:
    """It takes what it is sent, and answers neither events nor pings; the call goes on."""
    dead = [True]
    async with fronted(dead) as client, calling(client) as (peer, path):
        await peer.event("session.created")
        async with sideband(client, path) as silent:
            dead.clear()  # what is open already stays as it was
            await silent.send('{"type": "response.create"}')
            peer.send(type="response.create")
            await peer.event("response.created")
            pong = await silent.ping()
            for answer in (silent.recv(), pong):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(answer, SILENT_SECONDS)
            silent.transport.abort()  # it does not answer a close either
        assert (await client.post(f"{path}/hangup")).status_code == 200


async def test_the_end_of_the_front_ends_its_connections() -> None:
    """Dead ones too: nothing keeps the demo from ending."""
    async with contextlib.AsyncExitStack() as clients:
        async with fronted([True]) as client:
            silent = await clients.enter_async_context(sideband(client, "/rtc_any"))
        async with asyncio.timeout(20):
            await silent.wait_closed()


async def test_what_is_no_request_is_let_go(caplog: pytest.LogCaptureFixture) -> None:
    """Neither half a head nor one without an end is an error, or leaves a word in the log."""
    async with fronted([]) as client:
        for said in (b"GET / HT", b"x" * 200_000):
            reader, writer = await asyncio.open_connection(
                client.base_url.host, client.base_url.port
            )
            writer.write(said)
            writer.write_eof()
            async with asyncio.timeout(20):
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
            writer.close()
        assert (await client.post("/v1/realtime/client_secrets", json={})).status_code == 200
    gc.collect()  # asyncio logs what nobody has caught once it is forgotten
    assert [record for record in caplog.records if record.name == "asyncio"] == []
