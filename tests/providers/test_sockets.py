"""WebSockets to providers: opened with a credential for one address, and closed when they are."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from websockets.asyncio.server import ServerConnection, serve

from signaller.errors import (
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from signaller.policy import Policy
from signaller.providers import Sockets
from signaller.providers.sockets import (
    MAX_FRAME_BYTES,
    PING_SECONDS,
    PINGS_UNHEARD,
    Socket,
)
from signaller.secret import Secret
from signaller.settings import Egress
from signaller.supervision.watch import DOUBT_SECONDS
from tests.providers.raw import raw_server, says, says_and_stalls
from tests.support.certificate import self_signed
from tests.support.outside import CANARY, PROVIDER, outside, self_signed_for_all
from tests.support.redis import free_port
from tests.support.service import deployment, running
from tests.support.timing import own_time
from tests.web.watching import begun

Behaves = Callable[[ServerConnection], Awaitable[None]]
HEADERS = {"Authorization": "Bearer sk-canary-of-the-socket"}


@pytest_asyncio.fixture
async def sockets() -> AsyncIterator[Sockets]:
    """With pings five times a second."""
    made = Sockets(ping_seconds=0.2)
    yield made
    await made.aclose()


@contextlib.asynccontextmanager
async def behaving(behaves: Behaves) -> AsyncIterator[str]:
    """The URL of a server of WebSockets that does this with each of them."""
    async with serve(behaves, "127.0.0.1", 0, compression=None) as server:
        _, port = next(iter(server.sockets)).getsockname()
        yield f"http://127.0.0.1:{port}/v1/realtime?call_id=rtc_1"


async def opened(sockets: Sockets, url: str, seconds: float = 5) -> Socket | None:
    """One that has so long to open."""
    deadline = asyncio.get_running_loop().time() + seconds
    return await sockets.connect(url, HEADERS, deadline=deadline)


async def told(sockets: Sockets, url: str) -> tuple[list[str], bool]:
    """All that comes until it is closed, and whether that was said."""
    socket = await opened(sockets, url)
    assert socket is not None
    texts = []
    while (text := await socket.receive()) is not None:
        texts.append(text)
    await socket.close()
    return texts, socket.closed_cleanly


async def test_a_close_that_is_said_is_told_from_a_lost_connection(sockets: Sockets) -> None:
    """The first may be the end of a call, the other is not."""

    async def says_goodbye(connection: ServerConnection) -> None:
        await connection.send("one")
        await connection.send(b"binary means nothing here")
        await connection.send("two")

    async def is_cut(connection: ServerConnection) -> None:
        await connection.send("one")
        connection.transport.abort()

    async with behaving(says_goodbye) as url:
        assert await told(sockets, url) == (["one", "two"], True)
    async with behaving(is_cut) as url:
        assert await told(sockets, url) == (["one"], False)


async def test_a_half_open_connection_is_found_by_pings(sockets: Sockets) -> None:
    """Whoever answers none is as good as gone: half as long again after the silence began."""

    found = asyncio.Event()

    async def falls_silent(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await found.wait()
        connection.transport.abort()

    async with behaving(falls_silent) as url:
        began_at = time.monotonic()
        assert await told(sockets, url) == ([], False)
        assert time.monotonic() - began_at < 10
        found.set()


async def test_a_half_open_connection_is_found_in_20_seconds() -> None:
    """And it is known since when it is: an answer to a ping was the last that was heard of it.

    All of it in a smaller measure.
    """
    seconds = 1.5
    assert PING_SECONDS <= 10
    assert PING_SECONDS + 1 < DOUBT_SECONDS  # nobody is doubted before its answer is due
    sockets, found = Sockets(ping_seconds=seconds), asyncio.Event()

    async def answers_once(connection: ServerConnection) -> None:
        await connection.send("one")
        await asyncio.sleep(1.4 * seconds)  # one ping is answered meanwhile, the next is not
        connection.transport.pause_reading()
        await found.wait()
        connection.transport.abort()

    async with behaving(answers_once) as url:
        socket = await opened(sockets, url)
        assert socket is not None
        assert await socket.receive() == "one"
        began_at, own_began_at = time.monotonic(), own_time()
        assert await socket.receive() is None
        heard_seconds = time.monotonic() - began_at - socket.mute_seconds
        took_seconds = own_time() - own_began_at
        found.set()
    await sockets.aclose()
    assert not socket.closed_cleanly
    assert seconds <= heard_seconds < 2 * seconds  # one ping was answered
    assert took_seconds - heard_seconds <= 2 * seconds


async def test_a_frame_that_drips_is_found_though_bytes_come(sockets: Sockets) -> None:
    """Each byte puts off the next ping, and the frame would not be there for twenty minutes."""

    async def drips(connection: ServerConnection) -> None:
        connection.transport.write(b"\x81\x7e\xff\xff")  # a text of 65,535 bytes
        while not connection.transport.is_closing():
            connection.transport.write(b"x")
            await asyncio.sleep(0.02)

    async with behaving(drips) as url, asyncio.timeout(20):
        assert await told(sockets, url) == ([], False)


async def test_a_quiet_connection_stays_open_as_long_as_it_answers() -> None:
    """For longer than a frame may take to be complete, whoever sends the pings."""
    seconds = 1.5  # of which an answer has half
    sockets = Sockets(ping_seconds=seconds)

    async def is_quiet(connection: ServerConnection) -> None:
        await asyncio.sleep((PINGS_UNHEARD + 1) * seconds)
        await connection.send("still here")

    async def only_pings(connection: ServerConnection) -> None:
        for _ in range(2 * PINGS_UNHEARD + 1):
            await asyncio.sleep(seconds / 2)  # none of the other side's becomes due
            await (await connection.ping())  # until it is answered
        await connection.send("still here")

    async with behaving(is_quiet) as quiet, behaving(only_pings) as pings:
        both = await asyncio.gather(told(sockets, quiet), told(sockets, pings))
    await sockets.aclose()
    for texts, cleanly in both:
        assert (texts, cleanly) == (["still here"], True)


async def test_a_ping_of_whoever_has_gone_hides_nothing(sockets: Sockets) -> None:
    """It cannot be answered any more, and what came behind it is told all the same."""
    gone = asyncio.Event()

    async def pings_and_goes(connection: ServerConnection) -> None:
        connection.transport.write(b"\x89\x00\x81\x04last\x88\x02\x03\xe8")
        connection.transport.close()
        gone.set()

    async with behaving(pings_and_goes) as url:
        socket = await opened(sockets, url)
        assert socket is not None
        await gone.wait()
        await asyncio.sleep(0.1)  # it is known here as well
        assert (await socket.receive(), await socket.receive()) == ("last", None)
        assert socket.closed_cleanly


async def test_a_close_waits_for_no_flood(sockets: Sockets) -> None:
    """Whoever goes on telling instead of closing is left."""

    async def goes_on(connection: ServerConnection) -> None:
        connection.transport.pause_reading()  # of the close too
        while not connection.transport.is_closing():
            connection.transport.write(b"\x81\x04more")
            await asyncio.sleep(0.02)

    async with behaving(goes_on) as url, asyncio.timeout(20):
        socket = await opened(sockets, url)
        assert socket is not None
        assert await socket.receive() == "more"
        await socket.close()


async def test_a_frame_beyond_its_bound_closes_the_connection(sockets: Sockets) -> None:
    """It is not kept in memory to be thrown away later."""

    async def floods(connection: ServerConnection) -> None:
        await connection.send("x" * (MAX_FRAME_BYTES + 1))
        await asyncio.sleep(30)

    async with behaving(floods) as url:
        assert await told(sockets, url) == ([], False)


async def test_what_is_sent_to_a_closed_one_is_not_lost_in_silence(sockets: Sockets) -> None:
    """The sender is told, and nothing is raised."""

    async def goes(connection: ServerConnection) -> None:
        await connection.recv()

    async with behaving(goes) as url:
        socket = await opened(sockets, url)
        assert socket is not None
        assert await socket.send("first")
        assert await socket.receive() is None
        assert not await socket.send("second")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", UpstreamAuthFailed),
        (b"HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n", UpstreamUnavailable),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", UpstreamUnavailable),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", UpstreamInvalidResponse),
        (b"HTTP/1.1 101 Yes\r\nUpgrade: h2c\r\n\r\n", UpstreamInvalidResponse),
        (b"\x00\x01 not HTTP\r\n\r\n", UpstreamUnreachable),
        (b"", UpstreamUnreachable),
    ],
    ids=["401", "429", "503", "200", "another-protocol", "garbage", "nothing"],
)
async def test_a_refused_handshake_is_an_error_of_ours(
    sockets: Sockets, answer: bytes, kind: type[UpstreamError]
) -> None:
    """Whatever is answered, and without the credential in its text."""
    async with raw_server(says(answer)) as server:
        with pytest.raises(UpstreamError) as caught:
            await opened(sockets, server.url)
    assert type(caught.value) is kind
    assert "canary" not in f"{caught.value!r}{caught.value.__cause__!r}"


async def test_a_404_is_no_error(sockets: Sockets) -> None:
    """It is what tells that a call has ended."""
    async with raw_server(says(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")) as server:
        assert await opened(sockets, server.url) is None


async def test_a_redirect_is_not_followed(sockets: Sockets) -> None:
    """The credential is for this address only."""
    async with raw_server(says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as elsewhere:
        head = f"HTTP/1.1 307 Go\r\nLocation: {elsewhere.url}\r\nContent-Length: 0\r\n\r\n"
        async with raw_server(says(head.encode())) as server:
            with pytest.raises(UpstreamUnreachable):
                await opened(sockets, server.url)
    assert elsewhere.received == []


async def test_a_handshake_has_its_time(sockets: Sockets) -> None:
    """One that is never answered is given up."""
    async with raw_server(says_and_stalls(b"HTTP/1.1 101 Yes\r\n")) as server:
        with pytest.raises(UpstreamTimeout):
            await opened(sockets, server.url, seconds=0.3)


async def test_sidebands_go_through_the_proxy(tmp_path: Path) -> None:
    """By CONNECT, with its password, and to an authority of the configuration's own."""
    certificate = self_signed_for_all(tmp_path)
    async with outside(certificate, password=CANARY) as place:
        one = deployment(f"https://{PROVIDER}")
        policy = Policy(supervision="required")
        async with running(
            place.provider, deployments=(one,), egress=place.egress, policy=policy
        ) as service:
            _, theirs = await begun(service)
            await service.provider.sidebands.attached(theirs)
    assert place.proxy.refused == 0
    assert set(place.proxy.asked) == {f"CONNECT {PROVIDER}:443"}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 403 No canary\r\nContent-Length: 0\r\n\r\n", "CONNECT was answered with 403"),
        (b"", "no WebSocket: "),
        (None, "no WebSocket: ClientProxyConnectionError: Cannot connect to host"),
    ],
    ids=["refuses", "closes", "not-there"],
)
async def test_a_proxy_that_fails_is_named(answer: bytes | None, why: str) -> None:
    """As where HTTP fails: which one it was, without its password and what it said."""
    async with raw_server(says(answer or b"")) as server:
        url = server.url if answer is not None else f"http://127.0.0.1:{free_port()}"
        proxy = Secret(url.replace("//", "//user:canary@"))
        sockets = Sockets(Egress(proxy=proxy))
        try:
            with pytest.raises(UpstreamUnreachable) as caught:
                await opened(sockets, f"https://{PROVIDER}")
        finally:
            await sockets.aclose()
    said = str(caught.value)
    assert said.startswith(f"through the proxy {url.removeprefix('http://')}: no WebSocket: ")
    assert why in said
    assert "canary" not in f"{caught.value!r}{caught.value.__cause__!r}"


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", "the WebSocket was refused with 407"),
        (None, "the WebSocket was not open in time"),
    ],
    ids=["refuses", "stalls"],
)
async def test_a_proxy_before_plain_http_is_named(answer: bytes | None, text: str) -> None:
    """It is the one that answers 407, or nothing."""
    behaves = says_and_stalls(b"HTTP/1.1 101 Yes\r\n") if answer is None else says(answer)
    async with raw_server(behaves) as server:
        sockets = Sockets(Egress(http_proxy=Secret(server.url.replace("//", "//user:canary@"))))
        try:
            with pytest.raises(UpstreamError) as caught:
                await opened(sockets, f"http://{PROVIDER}", seconds=0.3 if answer is None else 5)
        finally:
            await sockets.aclose()
    assert str(caught.value) == f"through the proxy {server.url.removeprefix('http://')}: {text}"


async def test_a_sideband_shows_its_certificate(tmp_path: Path) -> None:
    """Where a provider demands one of whoever connects, as it does for HTTP."""
    certificate = self_signed_for_all(tmp_path)
    ours = self_signed(tmp_path, name="ours")
    one, policy = deployment(f"https://{PROVIDER}"), Policy(supervision="required")
    async with outside(certificate, demands=ours.certificate) as place:
        shows = replace(place.egress, client_cert=ours.certificate, client_key=ours.key)
        async with running(
            place.provider, deployments=(one,), egress=shows, policy=policy
        ) as service:
            _, theirs = await begun(service)
            await service.provider.sidebands.attached(theirs)
