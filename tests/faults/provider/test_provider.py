"""A provider that breaks, as a client of the service sees it."""

import asyncio
import gzip
import resource
import time

import pytest

from tests.faults.provider.scene import BROKEN, EPHEMERAL, TIMEOUTS, minted, scene
from tests.support.service import PROVIDER_KEY, error
from tests.upstreams.raw import Speak, http, raw_server, says, says_and_stalls

LARGE = b"v=0\r\n" + b"a" * 10_000_000
BOMB = gzip.compress(bytes(50_000_000))
LEAK = f'{{"error": {{"message": "key {PROVIDER_KEY} and {EPHEMERAL} are bad"}}}}'.encode()
GROWTH_KIB = 64 * 1024
"""Far below what a bomb is unpacked, and above what a cut-off answer of 2 MiB takes."""

FAULTS: dict[str, tuple[Speak, int, str]] = {
    "closes-at-once": (says(), 502, "upstream_disconnected"),
    "closes-in-the-body": (
        says(b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\nv=0\r\n"),
        502,
        "upstream_disconnected",
    ),
    "black-hole": (says_and_stalls(), 504, "upstream_timeout"),
    "slow-head": (says_and_stalls(b"HTTP/1.1 200 OK\r\nCon"), 504, "upstream_timeout"),
    "slow-body": (
        says_and_stalls(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nv=0"),
        504,
        "upstream_timeout",
    ),
    "only-a-100": (says_and_stalls(b"HTTP/1.1 100 Continue\r\n\r\n"), 504, "upstream_timeout"),
    "early-hints": (
        says(b"HTTP/1.1 103 Early Hints\r\n\r\n" + http("200 OK", b"x")),
        502,
        "upstream_invalid_response",
    ),
    "redirect": (
        says(http("307 Elsewhere", b"", "Location: http://127.0.0.1:9/")),
        502,
        "upstream_invalid_response",
    ),
    "refusal": (says(http("400 No", LEAK)), 400, "upstream_refused"),
    "overload": (
        says(http("429 Slow", LEAK, "Retry-After: 7")),
        429,
        "upstream_unavailable",
    ),
    "internal-error": (says(http("500 No", LEAK)), 500, "upstream_unavailable"),
    "bad-gateway": (says(http("502 No", b"<html>")), 502, "upstream_unavailable"),
    "html": (
        says(http("200 OK", b"<html>", "Content-Type: text/html")),
        502,
        "upstream_invalid_response",
    ),
    "empty": (says(http("200 OK")), 502, "upstream_invalid_response"),
    "large": (says(http("200 OK", LARGE)), 502, "upstream_invalid_response"),
    "gzip-bomb": (
        says(http("200 OK", BOMB, "Content-Encoding: gzip")),
        502,
        "upstream_invalid_response",
    ),
    "invalid-utf-8": (says(http("200 OK", b"\xff\xfe\xff")), 502, "upstream_invalid_response"),
    "wrong-json": (says(http("200 OK", b'{"value": 7}')), 502, "upstream_invalid_response"),
    "no-http": (says(b"SSH-2.0 hello\r\n\r\n"), 502, "upstream_invalid_response"),
}


@pytest.mark.parametrize("step", ["mint", "call"])
@pytest.mark.parametrize(("speak", "status", "code"), FAULTS.values(), ids=FAULTS)
async def test_each_fault_is_one_clear_error(
    speak: Speak, status: int, code: str, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The right status in time, nothing sent twice or leaked, the other model unharmed."""
    async with scene(speak, mints=step == "call") as stage:
        token = ""
        if step == "call":
            token = (await stage.mint(BROKEN)).json()["value"]
        sent, began, size = len(stage.broken.received), time.monotonic(), peak_kib()
        response = await (stage.call(token) if token else stage.mint(BROKEN))
        assert time.monotonic() - began < TIMEOUTS.call_seconds + 2
        assert (response.status_code, error(response)["code"]) == (status, code)
        assert len(stage.broken.received) == sent + 1
        assert peak_kib() - size < GROWTH_KIB
        assert await stage.other_model_works()
    for canary in (PROVIDER_KEY, EPHEMERAL):
        assert canary not in response.text
        assert canary not in str(response.headers)
        assert canary not in caplog.text


@pytest.mark.parametrize("step", ["mint", "call"])
async def test_a_redirect_leads_nowhere(step: str) -> None:
    """No credential reaches the place a provider points to, through the service either."""
    async with scene(says(), mints=False) as elsewhere:
        target = f"Location: {elsewhere.broken.url}/v1/realtime/calls"
        moved = says(http("307 Elsewhere", b"", target))
        async with scene(moved, mints=step == "call") as stage:
            answer = await stage.mint(BROKEN)
            if step == "call":
                answer = await stage.call(answer.json()["value"])
            assert answer.status_code == 502
        assert elsewhere.broken.received == []


@pytest.mark.parametrize("seconds", [-3600, -1, 0])
async def test_a_secret_that_is_over_makes_no_token(seconds: int) -> None:
    """502: a token around it could never start a call."""
    async with scene(says(minted(seconds)), mints=False) as stage:
        response = await stage.mint(BROKEN)
        assert (response.status_code, error(response)["code"]) == (502, "upstream_invalid_response")
        assert await stage.other_model_works()


async def test_a_failing_handshake_sends_nothing() -> None:
    """https at a provider that speaks none: 502, and no credential was ever sent there."""
    seen = bytearray()

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await reader.read(65_536))
        writer.write(http("400 Bad Request"))

    async with raw_server(plain, reads=False) as raw:
        secure = raw.url.replace("http:", "https:")
        async with scene(says(), mints=False, base_url=secure) as stage:
            response = await stage.mint(BROKEN)
            assert (response.status_code, error(response)["code"]) == (502, "upstream_unreachable")
            assert await stage.other_model_works()
    assert seen
    assert PROVIDER_KEY.encode() not in seen


def peak_kib() -> int:
    """The most memory this process has ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
