"""Providers that break off, stall or talk nonsense: the exact class, within bounds."""

import asyncio
import gzip
import json
import time

import httpx
import pytest

from signaller.errors import (
    UpstreamConnectTimeout,
    UpstreamDisconnected,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from signaller.providers.openai import OpenAI
from signaller.secret import Secret
from signaller.settings import Timeouts
from tests.providers.canaries import (
    API_KEY,
    ASKED,
    EPHEMERAL,
    OFFER,
    TRACE,
    assert_silent,
    deployment,
)
from tests.providers.raw import Speak, http, raw_server, says, says_and_stalls
from tests.support.redis import free_port

GOOD = json.dumps({"value": EPHEMERAL, "expires_at": int(time.time()) + 3600}).encode()
ENDLESS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"8000\r\n" + b" " * 0x8000 + b"\r\n"


async def both_fail(
    client: httpx.AsyncClient, base: str, timeouts: Timeouts | None = None
) -> tuple[UpstreamError, UpstreamError]:
    """How a mint and a call fail there."""
    upstream = OpenAI(client, timeouts or Timeouts())
    with pytest.raises(UpstreamError) as mint:
        await upstream.mint(deployment(base), ASKED)
    with pytest.raises(UpstreamError) as call:
        await upstream.call(deployment(base), Secret(EPHEMERAL), OFFER, TRACE)
    assert_silent(mint.value)
    assert_silent(call.value)
    return mint.value, call.value


@pytest.mark.parametrize(
    ("speak", "expected"),
    [
        pytest.param(says(), UpstreamDisconnected, id="closes-without-a-word"),
        pytest.param(says(b"HTTP/1.1 200 O"), UpstreamDisconnected, id="closes-in-the-head"),
        pytest.param(
            says(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nv=0\r\n"),
            UpstreamDisconnected,
            id="closes-in-the-body",
        ),
        pytest.param(
            says(b"\x00\xff SSH-2.0 hello\r\n\r\n"), UpstreamInvalidResponse, id="no-http"
        ),
        pytest.param(
            says(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n"),
            UpstreamInvalidResponse,
            id="endless-header",
        ),
        pytest.param(says(http("200 OK")), UpstreamInvalidResponse, id="empty"),
        pytest.param(says(http("204 No Content")), UpstreamInvalidResponse, id="no-content"),
        pytest.param(says(http("200 OK", b"<html>")), UpstreamInvalidResponse, id="html"),
        pytest.param(says(http("200 OK", b"\xff\xfe{}")), UpstreamInvalidResponse, id="no-utf-8"),
        pytest.param(says(http("200 OK", b"[" * 99_999)), UpstreamInvalidResponse, id="deep"),
        pytest.param(
            says(http("200 OK", gzip.compress(bytes(9_000_000)), "Content-Encoding: gzip")),
            UpstreamInvalidResponse,
            id="gzip-bomb",
        ),
        pytest.param(
            says(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3 + http("200 OK", b"{}")),
            UpstreamInvalidResponse,
            id="informational-then-useless",
        ),
        pytest.param(
            says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
            UpstreamInvalidResponse,
            id="switches-protocol",
        ),
        pytest.param(says(http("799 Strange", b"{}")), UpstreamInvalidResponse, id="status-799"),
        pytest.param(
            says(http("200 OK", GOOD) + b"!"), UpstreamInvalidResponse, id="bytes-behind-it"
        ),
    ],
)
async def test_nonsense_is_judged_and_never_resent(
    client: httpx.AsyncClient, speak: Speak, expected: type[UpstreamError]
) -> None:
    """A broken answer has one exact class, gives no token back, and is asked for once."""
    async with raw_server(speak) as raw:
        mint, call = await both_fail(client, raw.url)
    assert (type(mint), type(call)) == (expected, expected)
    assert not call.no_call_began
    assert len(raw.received) == 2


@pytest.mark.parametrize(
    "speak",
    [
        pytest.param(says_and_stalls(), id="black-hole"),
        pytest.param(says_and_stalls(b"HTTP/1.1 200 OK\r\nConte"), id="slow-head"),
        pytest.param(
            says_and_stalls(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nv=0\r\n"), id="slow-body"
        ),
        pytest.param(says_and_stalls(b"HTTP/1.1 100 Continue\r\n\r\n"), id="only-a-100"),
    ],
)
async def test_silence_after_the_request_is_a_time_out(
    client: httpx.AsyncClient, speak: Speak
) -> None:
    """Head and body together are bounded by the step's time-out; the token stays spent."""
    begun = time.monotonic()
    async with raw_server(speak) as raw:
        mint, call = await both_fail(
            client, raw.url, Timeouts(mint_seconds=0.2, call_seconds=0.3, connect_seconds=5)
        )
    assert (type(mint), type(call)) == (UpstreamTimeout, UpstreamTimeout)
    assert (call.status, call.no_call_began) == (504, False)
    assert 0.5 <= time.monotonic() - begun < 2
    assert len(raw.received) == 2


async def test_a_drip_is_bounded_too(client: httpx.AsyncClient) -> None:
    """A body that never pauses long enough for a read time-out still ends on time."""

    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ENDLESS)
        while True:
            writer.write(b"1\r\n \r\n")
            await writer.drain()
            await asyncio.sleep(0.02)  # the drip itself

    async with raw_server(drip) as raw:
        upstream = OpenAI(client, Timeouts())
        with pytest.raises(UpstreamTimeout):
            await upstream.mint(deployment(raw.url, timeout_seconds=0.3), ASKED)


async def test_an_endless_body_is_cut_off(client: httpx.AsyncClient) -> None:
    """No more than the cap and what sockets buffer is taken, and the connection is dropped."""
    pushed = 0

    async def flood(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal pushed
        writer.write(ENDLESS)
        while True:
            writer.write(CHUNK)
            pushed += len(CHUNK)
            await writer.drain()

    async with raw_server(flood) as raw:
        mint, call = await both_fail(client, raw.url)
    assert (type(mint), type(call)) == (UpstreamInvalidResponse, UpstreamInvalidResponse)
    assert pushed < 32 * 1024 * 1024


async def test_a_stale_connection_is_not_retried(client: httpx.AsyncClient) -> None:
    """A kept connection that breaks may have carried the offer: spent, and sent once."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(http("200 OK", GOOD).replace(b"Connection: close\r\n", b""))
        await reader.read(1)  # the next request's first byte

    async with raw_server(once) as raw:
        upstream = OpenAI(client, Timeouts())
        secret = await upstream.mint(deployment(raw.url), ASKED)
        with pytest.raises(UpstreamDisconnected) as caught:
            await upstream.call(deployment(raw.url), secret.value, OFFER, TRACE)
    assert not caught.value.no_call_began
    assert len(raw.received) == 1


async def test_a_stalled_error_body_keeps_its_status(client: httpx.AsyncClient) -> None:
    """A 429 is passed on within a second or so, even if its text never comes."""
    head = b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 99\r\n\r\n{"
    begun = time.monotonic()
    async with raw_server(says_and_stalls(head)) as raw:
        mint, call = await both_fail(client, raw.url)
    assert (type(mint), call.status, call.retry_after) == (UpstreamUnavailable, 429, 7)
    assert time.monotonic() - begun < 4


async def test_a_reason_in_any_bytes_costs_nothing(client: httpx.AsyncClient) -> None:
    """RFC 9112, 4: a 429 is passed on with its pause, its token unspent, and a 200 is taken."""
    async with raw_server(says(b"HTTP/1.1 429 f\xfcr\r\nRetry-After: 7\r\n\r\n")) as raw:
        _, call = await both_fail(client, raw.url)
    assert (type(call), call.status, call.retry_after) == (UpstreamUnavailable, 429, 7)
    assert call.no_call_began
    async with raw_server(says(http("200 gr\u00fcn", GOOD).replace(b"\xc3\xbc", b"\xfc"))) as raw:
        secret = await OpenAI(client, Timeouts()).mint(deployment(raw.url), ASKED)
    assert secret.value == Secret(EPHEMERAL)


@pytest.mark.parametrize(
    "base",
    [
        pytest.param("http://127.0.0.1:{port}", id="refused"),
        pytest.param("http://nowhere.invalid", id="no-such-name"),
        pytest.param("http://a..b", id="no-name-at-all"),
        pytest.param("http://[::1", id="no-url"),
        pytest.param("http://xn--", id="no-punycode"),
        pytest.param("ftp://127.0.0.1", id="no-http-url"),
    ],
)
async def test_no_connection_means_unreachable(client: httpx.AsyncClient, base: str) -> None:
    """When nothing was sent, the token may be given back."""
    mint, call = await both_fail(client, base.format(port=free_port()))
    assert (type(mint), type(call)) == (UpstreamUnreachable, UpstreamUnreachable)
    assert call.no_call_began


async def test_tls_failure_means_unreachable(client: httpx.AsyncClient) -> None:
    """A handshake that fails comes before any credential."""
    seen = bytearray()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await reader.read(65536))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with raw_server(plain, reads=False) as raw:
        mint, call = await both_fail(client, raw.url.replace("http:", "https:"))
    assert (type(mint), type(call)) == (UpstreamUnreachable, UpstreamUnreachable)
    assert seen
    assert API_KEY.encode() not in seen


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 canary\r\nX: canary", id="half-a-head"),
        pytest.param(b"HTTP/1.1 103 canary\r\nX: canary\r\n\r\n", id="early-hints-alone"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ncanary", id="half-a-body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: canary\r\n\r\n", id="no-length"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ncanary\r\n", id="no-chunk"
        ),
    ],
)
async def test_a_broken_answer_is_not_quoted(client: httpx.AsyncClient, answer: bytes) -> None:
    """aiohttp's own errors hold what came."""
    async with raw_server(says(answer)) as raw:
        for failed in await both_fail(client, raw.url):
            assert "canary" not in str(failed)
            assert "RawResponseMessage" not in str(failed)


@pytest.mark.parametrize("total", [pytest.param(0.3, id="short"), pytest.param(10, id="long")])
async def test_a_handshake_that_stalls_is_a_connect_time_out(
    client: httpx.AsyncClient, total: float
) -> None:
    """504, yet the token may be given back; also when the whole is shorter than connecting."""

    async def mute(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(mute, reads=False) as raw:
        base = raw.url.replace("http:", "https:")
        timeouts = Timeouts(mint_seconds=total, call_seconds=total, connect_seconds=0.4)
        mint, call = await both_fail(client, base, timeouts)
    assert (type(mint), type(call)) == (UpstreamConnectTimeout, UpstreamConnectTimeout)
    assert (call.status, call.code, call.no_call_began) == (504, "upstream_timeout", True)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(client: httpx.AsyncClient, status: int) -> None:
    """No credential ever reaches the place a provider points to."""
    async with raw_server(says(http("200 OK", GOOD))) as elsewhere:
        moved = http(f"{status} Moved", b"", f"Location: {elsewhere.url}/v1/realtime/calls")
        async with raw_server(says(moved)) as raw:
            mint, call = await both_fail(client, raw.url)
    assert (type(mint), type(call)) == (UpstreamInvalidResponse, UpstreamInvalidResponse)
    assert elsewhere.received == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", ["http://[", "//"])
async def test_a_redirect_to_nowhere_is_judged_by_its_status(
    client: httpx.AsyncClient, status: int, location: str
) -> None:
    """Only 301, 307 and 308 say that nothing was done with the offer: its token is given back."""
    async with raw_server(says(http(f"{status} Moved", b"", f"Location: {location}"))) as raw:
        mint, call = await both_fail(client, raw.url)
    assert (type(mint), type(call)) == (UpstreamInvalidResponse, UpstreamInvalidResponse)
    assert call.no_call_began == (status in {301, 307, 308})
    assert len(raw.received) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_that_cannot_be_read_gives_no_token_back(
    client: httpx.AsyncClient, status: int
) -> None:
    """httpx fails over such a Location, though it follows none; something was sent by then."""
    async with raw_server(says(http(f"{status} Moved", b"", "Location: http://a:b"))) as raw:
        mint, call = await both_fail(client, raw.url)
    assert (type(mint), type(call)) == (UpstreamInvalidResponse, UpstreamInvalidResponse)
    assert not call.no_call_began
    assert len(raw.received) == 2


async def test_cookies_do_not_travel(client: httpx.AsyncClient) -> None:
    """A cookie set by one answer is not in the next request."""
    cookie = "Set-Cookie: session=of-another; Path=/"
    async with raw_server(says(http("200 OK", GOOD, cookie))) as raw:
        upstream = OpenAI(client, Timeouts())
        await upstream.mint(deployment(raw.url), ASKED)
        await upstream.mint(deployment(raw.url), ASKED)
    assert len(raw.received) == 2
    assert b"cookie" not in b"".join(raw.received).lower()


async def test_cancelling_drops_the_connection(client: httpx.AsyncClient) -> None:
    """A step that is abandoned leaves no connection behind."""
    arrived, dropped = asyncio.Event(), asyncio.Event()

    async def hold(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        arrived.set()
        await reader.read()
        dropped.set()

    async with raw_server(hold) as raw:
        mint = asyncio.create_task(OpenAI(client, Timeouts()).mint(deployment(raw.url), ASKED))
        await arrived.wait()
        mint.cancel()
        await asyncio.wait_for(dropped.wait(), 5)
    assert mint.cancelled() or mint.cancelling()
