"""SIGTERM: whoever has reached the process is answered before it ends."""

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults import LONG
from tests.faults.process.fleet import shared
from tests.faults.process.load import begun, under_load, unpooled
from tests.support.process import PATIENCE_SECONDS, Running, config, served
from tests.support.provider import FakeProvider
from tests.support.serving import serving

AT_THE_DOOR = 20
"""More than the process takes in at a glance, less than any system's shortest queue."""
TURNS = 10 if LONG else 1
"""The signal comes at another moment each time."""
QUESTION = b"GET /healthz HTTP/1.1\r\nhost: voice\r\n%s\r\n"

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def answered(connection: Connection) -> bytes:
    """The status line of what the process says before it closes; empty if it says nothing."""
    reader, writer = connection
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            with contextlib.suppress(ConnectionError):
                return (await reader.read()).partition(b"\r\n")[0]
        return b""
    finally:
        writer.close()


@contextlib.asynccontextmanager
async def frozen(process: Running) -> AsyncIterator[None]:
    """The process does nothing meanwhile, as a busy one; what comes waits in the kernel."""
    process.send(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send(signal.SIGCONT)


@pytest.mark.parametrize("kind", ["--port", "--uds"])
async def test_whoever_waits_in_the_queue_is_answered(tmp_path: Path, kind: str) -> None:
    """Connections made and requests sent before the signal, though nobody has accepted them."""
    with tempfile.TemporaryDirectory(prefix="term-") as folder:
        place = "0" if kind == "--port" else f"{folder}/s"
        with served("--config", config(tmp_path, "http://127.0.0.1:1"), kind, place) as process:
            await asyncio.to_thread(process.ready)
            url = await asyncio.to_thread(process.url)
            async with frozen(process):
                connections = [await connected(url) for _ in range(AT_THE_DOOR)]
                for _, writer in connections:
                    writer.write(QUESTION % b"connection: close\r\n")
                    await writer.drain()
                process.send(signal.SIGTERM)
            heard = await asyncio.gather(*map(answered, connections))
            assert set(heard) == {b"HTTP/1.1 200 OK"}
            assert await asyncio.to_thread(process.ended) == -signal.SIGTERM


async def test_what_came_on_a_kept_connection_is_answered(tmp_path: Path) -> None:
    """A second request, sent before the signal, though nobody has read it."""
    with served("--config", config(tmp_path, "http://127.0.0.1:1")) as process:
        reader, writer = await connected(await asyncio.to_thread(process.url))
        writer.write(QUESTION % b"")
        assert await reader.readuntil(b"\r\n\r\n")
        async with frozen(process):
            writer.write(QUESTION % b"")
            await writer.drain()
            process.send(signal.SIGTERM)
        rest = await answered((reader, writer))
        assert b"HTTP/1.1 200 OK" in rest
        assert await asyncio.to_thread(process.ended) == -signal.SIGTERM


async def test_a_connection_without_a_request_does_not_keep_it(tmp_path: Path) -> None:
    """Browsers connect beforehand: nothing comes, and the process ends all the same."""
    with served("--config", config(tmp_path, "http://127.0.0.1:1")) as process:
        silent = await connected(await asyncio.to_thread(process.url))
        process.send(signal.SIGTERM)
        assert await answered(silent) == b""
        assert await asyncio.to_thread(process.ended) == -signal.SIGTERM


@pytest.mark.parametrize("_turn", range(TURNS))
async def test_under_load_no_request_is_lost(tmp_path: Path, redis_url: str, _turn: int) -> None:
    """What was sent is answered well; what comes later finds nobody, and was never sent."""
    provider = FakeProvider()
    async with serving(provider.app) as provider_url:
        path = config(tmp_path, provider_url, shared(redis_url))
        with served("--config", path) as process:
            async with (
                unpooled(await asyncio.to_thread(process.url)) as client,
                under_load(client) as load,
            ):
                await load.more()
                process.send(signal.SIGTERM)
                assert await asyncio.to_thread(process.ended) == -signal.SIGTERM
    assert load.bad == []
    offers = begun(provider)
    assert set(offers.values()) == {1}
    assert len(offers) == load.calls


async def connected(url: str) -> Connection:
    """A connection to where a process listens."""
    if url.startswith("unix:"):
        return await asyncio.open_unix_connection(url.removeprefix("unix:"))
    return await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
