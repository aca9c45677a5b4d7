"""The end of the client: nothing outlives it."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.upstreams.asking import Keeping, ask, soon, transporting
from tests.upstreams.raw import raw_server


async def test_connections_at_rest_and_in_use_end() -> None:
    """An exchange under way fails as one of which nobody knows how far it came."""
    server = Keeping()
    server.held = {number: asyncio.Event() for number in range(2)}
    async with raw_server(server.speak) as raw, transporting() as transport:
        asking = [asyncio.create_task(ask(transport, raw.url)) for _ in range(2)]
        for _ in range(2):
            await soon(server.asked.get())
        server.held[0].set()
        await soon(asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED))
        await transport.aclose()
        answers = await soon(asyncio.gather(*asking, return_exceptions=True))
        assert {type(each) for each in answers} == {bytes, httpx.ReadError}
        server.held[1].set()
        assert {await soon(server.lost.get()) for _ in range(2)} == {0, 1}


async def test_whoever_waits_for_a_connection_is_told() -> None:
    """Nothing was sent."""
    server = Keeping()
    server.held = {0: asyncio.Event()}
    async with raw_server(server.speak) as raw, transporting(connections=1) as transport:
        first = asyncio.create_task(ask(transport, raw.url))
        await soon(server.asked.get())
        waiting = asyncio.create_task(ask(transport, raw.url))
        await asyncio.sleep(0)  # it waits
        await transport.aclose()
        with pytest.raises(httpx.ConnectError):
            await soon(waiting)
        with pytest.raises(httpx.ReadError):
            await soon(first)
        server.held[0].set()


async def test_a_connection_being_opened_is_given_up() -> None:
    """However long its handshake would take, closing the client does not wait for it."""
    greeted, dropped = asyncio.Event(), asyncio.Event()

    async def mute(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        greeted.set()
        await reader.read()
        dropped.set()

    async with raw_server(mute, reads=False) as raw, transporting() as transport:
        asking = asyncio.create_task(ask(transport, raw.url.replace("http:", "https:")))
        await soon(greeted.wait())
        await transport.aclose()
        with pytest.raises(httpx.ConnectError):
            await soon(asking)
        await soon(dropped.wait())


async def test_a_closed_client_sends_nothing() -> None:
    """Closing it again is nothing."""
    async with raw_server(Keeping().speak) as raw, transporting() as transport:
        assert await ask(transport, raw.url) == b"0"
        await transport.aclose()
        await transport.aclose()
        with pytest.raises(httpx.ConnectError):
            await ask(transport, raw.url)


def test_no_timer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither that of a deadline nor that of connections at rest; asyncio's loop shows them."""
    timers: list[asyncio.TimerHandle] = []

    class Watched(asyncio.TimerHandle):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            timers.append(self)

    async def use() -> list[asyncio.TimerHandle]:
        async with raw_server(Keeping().speak) as raw, transporting() as transport:
            assert await ask(transport, raw.url) == b"0"
            assert await ask(transport, raw.url + "/ü") == b"0"  # the same connection
            await transport.aclose()
            return list(timers)

    monkeypatch.setattr(asyncio.events, "TimerHandle", Watched)
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        ours = runner.run(use())
    assert len(ours) >= 3  # to connect, to answer, to rest
    assert all(timer.cancelled() for timer in ours)
