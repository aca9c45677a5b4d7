"""A provider that breaks, as a client of the service sees it."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
import pytest_asyncio

from signaller.logs import JsonFormatter
from tests.faults.clients.attacked import until
from tests.faults.provider.bodies import BOMB, LARGE
from tests.faults.provider.scene import (
    BROKEN,
    EPHEMERAL,
    LONG_SECONDS,
    Scene,
    black_hole,
    minted,
    scene,
)
from tests.faults.provider.speaking import drips, floods, says_and_resets
from tests.support.provider import ANSWER
from tests.support.service import MASTER_KEY, PROVIDER_KEY, error
from tests.upstreams.raw import Speak, http, raw_server, read_request, says, says_and_stalls

BOUND_SECONDS = 10
"""Ten times the time-out for a busy machine, and less than any default one."""
AT_ONCE = 100
LEAK = f'{{"error": {{"message": "key {PROVIDER_KEY} and {EPHEMERAL} are bad"}}}}'.encode()
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
GZIP = "Content-Encoding: gzip"

Fault = tuple[Speak, int, str]
STEPS = ("mint", "call")
DISCONNECTED, TIMEOUT = (502, "upstream_disconnected"), (504, "upstream_timeout")
INVALID = (502, "upstream_invalid_response")

FAULTS: dict[str, Fault] = {
    "closes-at-once": (says(), *DISCONNECTED),
    "closes-in-the-head": (says(b"HTTP/1.1 200 O"), *DISCONNECTED),
    "closes-in-the-body": (says(OK + b"Content-Length: 99\r\n\r\nv=0\r\n"), *DISCONNECTED),
    "closes-in-a-chunk": (says(CHUNKED + b"ff\r\nv=0\r\n"), *DISCONNECTED),
    "resets-at-once": (says_and_resets(), *DISCONNECTED),
    "resets-in-the-head": (says_and_resets(OK + b"Con"), *DISCONNECTED),
    "resets-in-the-body": (
        says_and_resets(OK + b"Content-Length: 99\r\n\r\nv=0\r\n"),
        *DISCONNECTED,
    ),
    "says-nothing": (says_and_stalls(), *TIMEOUT),
    "slow-head": (says_and_stalls(OK + b"Con"), *TIMEOUT),
    "dripping-head": (drips(OK, b"X: y\r\n"), *TIMEOUT),
    "slow-body": (says_and_stalls(OK + b"Content-Length: 9\r\n\r\nv=0"), *TIMEOUT),
    "dripping-body": (drips(CHUNKED, b"1\r\n \r\n"), *TIMEOUT),
    "only-a-100": (says_and_stalls(b"HTTP/1.1 100 Continue\r\n\r\n"), *TIMEOUT),
    "only-100s": (drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), *TIMEOUT),
    "early-hints": (says(b"HTTP/1.1 103 Early Hints\r\n\r\n" + http("200 OK", b"x")), *INVALID),
    "another-protocol": (
        says(b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        *INVALID,
    ),
    **{
        f"status-{status}": (
            says(http(f"{status} Moved", b"", "Location: http://127.0.0.1:9/")),
            *INVALID,
        )
        for status in (300, 301, 302, 303, 304, 307, 308)
    },
    "status-799": (says(http("799 Strange", LEAK)), *INVALID),
    "status-403": (says(http("403 No", LEAK)), 502, "upstream_auth_failed"),
    **{
        f"status-{status}": (says(http(f"{status} No", LEAK)), status, "upstream_refused")
        for status in (400, 404, 408, 409, 413, 422, 451)
    },
    **{
        f"status-{status}": (
            says(http(f"{status} No", LEAK, "Retry-After: 7")),
            status,
            "upstream_unavailable",
        )
        for status in (429, 500, 502, 503, 504, 529, 599)
    },
    "large-error": (says(http("500 No", LARGE)), 500, "upstream_unavailable"),
    "packed-error": (says(http("400 No", BOMB, GZIP)), 400, "upstream_refused"),
    "error-in-html": (
        says(http("502 No", b"<html>", "Content-Type: text/html")),
        502,
        "upstream_unavailable",
    ),
    "html": (says(http("200 OK", b"<html>", "Content-Type: text/html")), *INVALID),
    "empty": (says(http("200 OK")), *INVALID),
    "no-content": (says(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"), *INVALID),
    "large": (says(http("200 OK", LARGE)), *INVALID),
    "endless": (floods(CHUNKED, b"8000\r\n" + b" " * 0x8000 + b"\r\n"), *INVALID),
    "gzip-bomb": (says(http("200 OK", BOMB, GZIP)), *INVALID),
    "gzip-bomb-in-transfer": (
        says(OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n%x\r\n" % len(BOMB) + BOMB),
        *INVALID,
    ),
    "unknown-encoding": (says(http("200 OK", ANSWER, "Content-Encoding: zstd")), *INVALID),
    "invalid-utf-8": (says(http("200 OK", b"\xff\xfe\xff")), *INVALID),
    "wrong-json": (says(http("200 OK", b'{"value": 7}')), *INVALID),
    "no-http": (says(b"SSH-2.0 hello\r\n\r\n"), *INVALID),
    "two-lengths": (says(OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nv=0\r\n"), *INVALID),
    "no-chunk": (says(CHUNKED + b"zz\r\nv=0\r\n"), *INVALID),
}
EACH = {f"{name}-{step}": (step, fault) for name, fault in FAULTS.items() for step in STEPS} | {
    "status-401-mint": ("mint", (says(http("401 No", LEAK)), 502, "upstream_auth_failed")),
    "status-401-call": ("call", (says(http("401 No", LEAK)), 502, "upstream_secret_refused")),
}

SECRET = b'{"value": "%s", "expires_at": %s}'
SOON = str(int(time.time()) + 3600).encode()
NO_SECRETS = {
    "array": b"[]",
    "null": b"null",
    "nothing-in-it": b"{}",
    "cut-off": SECRET[:-1] % (b"ek_x", SOON),
    "two-objects": b"{} {}",
    "byte-order-mark": b"\xef\xbb\xbf" + SECRET % (b"ek_x", SOON),
    "utf-16": (SECRET % (b"ek_x", SOON)).decode().encode("utf-16"),
    "deep": b'{"a":' * 90_000,
    "no-expiry": b'{"value": "ek_x"}',
    "expiry-in-words": SECRET % (b"ek_x", b'"soon"'),
    "expiry-as-text": SECRET % (b"ek_x", b'"%s"' % SOON),
    "expiry-with-a-fraction": SECRET % (b"ek_x", SOON + b".5"),
    "expiry-true": SECRET % (b"ek_x", b"true"),
    "expiry-never": SECRET % (b"ek_x", b"Infinity"),
    "expiry-below-0": SECRET % (b"ek_x", b"-1"),
    "expiry-of-5000-digits": SECRET % (b"ek_x", b"9" * 5000),
    "secret-empty": SECRET % (b"", SOON),
    "secret-of-two-lines": SECRET % (b"ek_x\\r\\nX: y", SOON),
    "secret-of-two-words": SECRET % (b"ek_x ek_y", SOON),
    "secret-beyond-ascii": SECRET % ("ek_\N{SNOWMAN}".encode(), SOON),
    "secret-long": SECRET % (b"e" * 100_000, SOON),
}
NO_ANSWERS = {
    "json": b'{"sdp": "v=0"}',
    "quoted": b'"v=0\\r\\n"',
    "another-version": b"v=1\r\n",
    "byte-order-mark": b"\xef\xbb\xbf" + ANSWER,
    "utf-16": ANSWER.decode().encode("utf-16"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_stage() -> AsyncIterator[Scene]:
    """One for all faults that need nothing of their own."""
    async with scene(says(), mints=False) as stage:
        yield stage


@pytest.fixture
def stage(module_stage: Scene, caplog: pytest.LogCaptureFixture) -> Scene:
    """The same; whatever is logged is kept."""
    caplog.set_level(logging.DEBUG)
    return module_stage


def all_in_log(caplog: pytest.LogCaptureFixture) -> str:
    """Every record with all its fields, as the service writes them."""
    return "\n".join(map(JsonFormatter().format, caplog.records))


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("step", "fault"), EACH.values(), ids=EACH)
async def test_each_fault_is_one_clear_error(
    stage: Scene, step: str, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """The right status in time, nothing sent twice, leaked or kept, the other model unharmed."""
    speak, status, code = fault
    stage.speak, stage.mints = speak, True
    token = await stage.token() if step == "call" else ""
    stage.mints = step == "call"
    sent, began = len(stage.broken.received), time.monotonic()
    response = await (stage.call(token) if token else stage.mint(BROKEN))
    assert time.monotonic() - began < BOUND_SECONDS
    assert (response.status_code, error(response)["code"]) == (status, code)
    assert len(stage.broken.received) == sent + 1
    await stage.lets_go()
    assert await stage.other_model_works()
    told, logged = response.text + str(response.headers), all_in_log(caplog)
    assert f'"outcome": "{code}"' in logged
    for canary in filter(None, (PROVIDER_KEY, EPHEMERAL, MASTER_KEY, token)):
        assert canary not in told
        assert canary not in logged
        assert canary not in await stage.metrics()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("body", NO_SECRETS.values(), ids=NO_SECRETS)
async def test_json_without_a_usable_secret_makes_no_token(stage: Scene, body: bytes) -> None:
    """502: neither its value nor its expiry is guessed."""
    stage.speak, stage.mints = says(http("200 OK", body)), False
    response = await stage.mint(BROKEN)
    assert (response.status_code, error(response)["code"]) == INVALID
    assert await stage.other_model_works()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("body", NO_ANSWERS.values(), ids=NO_ANSWERS)
async def test_an_answer_that_is_no_sdp_is_not_relayed(stage: Scene, body: bytes) -> None:
    """502, whatever it is called."""
    stage.speak, stage.mints = (
        says(http("201 Created", body, "Content-Type: application/sdp")),
        True,
    )
    response = await stage.call(await stage.token())
    assert (response.status_code, error(response)["code"]) == INVALID
    assert await stage.other_model_works()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("seconds", [-3600, -1, 0])
async def test_a_secret_that_is_over_makes_no_token(stage: Scene, seconds: int) -> None:
    """502: a token around it could never start a call."""
    stage.speak, stage.mints = says(minted(seconds)), False
    response = await stage.mint(BROKEN)
    assert (response.status_code, error(response)["code"]) == INVALID
    assert await stage.other_model_works()


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_good_is_relayed_whatever_it_is_called(stage: Scene) -> None:
    """A wrong type and interim answers are the provider's affair; ours says what a body is."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Wait\r\n\r\nHTTP/1.1 103 Hints\r\n\r\n"
    secret = minted().replace(b"Connection", b"Content-Type: text/html\r\nConnection")
    stage.speak, stage.mints = says(interim + secret), False
    token = await stage.token()
    stage.speak = says(interim + http("200 OK", ANSWER, "Content-Type: text/html"))
    response = await stage.call(token)
    assert (response.status_code, response.content) == (201, ANSWER)
    assert response.headers["content-type"] == "application/sdp"


Gone = Callable[[int], AbstractContextManager[None]]


@pytest.mark.parametrize(
    ("gone", "status", "code"),
    [
        pytest.param(lambda _: nullcontext(), 502, "upstream_unreachable", id="refused"),
        pytest.param(black_hole, 504, "upstream_timeout", id="black-hole"),
    ],
)
async def test_where_nobody_answers_nothing_is_lost(gone: Gone, status: int, code: str) -> None:
    """No connection, so no call: the token is good once the provider is back."""
    async with scene(says(), mints=True) as stage:
        token = await stage.token()
        await stage.shut()
        with gone(stage.port):
            began = time.monotonic()
            for response in (await stage.mint(BROKEN), await stage.call(token)):
                assert (response.status_code, error(response)["code"]) == (status, code)
            assert time.monotonic() - began < BOUND_SECONDS
            assert await stage.other_model_works()
        assert len(stage.broken.received) == 1
        server = await asyncio.start_server(begins, "127.0.0.1", stage.port)
        async with server:
            assert (await stage.call(token)).status_code == 201


async def begins(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A provider that is back."""
    await read_request(reader)
    writer.write(http("201 Created", ANSWER))
    await writer.drain()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("step", ["mint", "call"])
async def test_a_black_hole_keeps_nobody_else_waiting(step: str) -> None:
    """A hundred requests hang at one provider; calls at the other one begin meanwhile."""
    over = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await over.wait()

    async with scene(silent, mints=step == "call", seconds=LONG_SECONDS) as stage:
        tokens = [await stage.token() for _ in range(AT_ONCE)] if step == "call" else []
        before = len(stage.broken.received)
        asking = [
            asyncio.create_task(stage.call(tokens[number]) if tokens else stage.mint(BROKEN))
            for number in range(AT_ONCE)
        ]
        await until(lambda: len(stage.broken.received) == before + AT_ONCE)
        for _ in range(10):
            assert await stage.other_model_works()
        assert not any(task.done() for task in asking)
        over.set()
        answers = await asyncio.gather(*asking)
        assert {each.status_code for each in answers} == {502}
        await stage.lets_go()


@pytest.mark.parametrize(
    ("speak", "status"),
    [
        pytest.param(says(), 200, id="closes"),
        pytest.param(says_and_stalls(), 200, id="says-nothing"),
        pytest.param(says(http("429 Slow", LEAK)), 200, id="status-429"),
        pytest.param(says(http("500 No", LEAK)), 200, id="status-500"),
        pytest.param(says(http("401 No", LEAK)), 200, id="status-401"),
        pytest.param(says(http("200 OK", BOMB, GZIP)), 200, id="gzip-bomb"),
        pytest.param(says(minted(-1)), 200, id="secret-over"),
        pytest.param(says(http("400 No", LEAK)), 400, id="status-400"),
    ],
)
async def test_another_deployment_of_the_model_takes_over(speak: Speak, status: int) -> None:
    """The failing one was asked once; only what is the request's own fault is not tried again."""
    async with scene(speak, mints=False, spare=True) as stage:
        response = await stage.mint(BROKEN)
        assert response.status_code == status
        assert len(stage.broken.received) == 1
        if status == 200:
            assert (await stage.call(response.json()["value"])).status_code == 201
            assert len(stage.broken.received) == 1


@pytest.mark.parametrize("step", ["mint", "call"])
async def test_a_redirect_leads_nowhere(step: str) -> None:
    """No credential reaches the place a provider points to, through the service either."""
    async with scene(says(), mints=False) as elsewhere:
        target = f"Location: {elsewhere.broken.url}/v1/realtime/calls"
        moved = says(http("307 Elsewhere", b"", target))
        async with scene(moved, mints=step == "call") as stage:
            if step == "call":
                answer = await stage.call(await stage.token())
            else:
                answer = await stage.mint(BROKEN)
            assert (answer.status_code, error(answer)["code"]) == INVALID
        assert elsewhere.broken.received == []


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
