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
from tests.faults.provider.bodies import BOMB
from tests.faults.provider.scene import (
    BROKEN,
    EPHEMERAL,
    LONG_SECONDS,
    Scene,
    black_hole,
    minted,
    scene,
)
from tests.faults.provider.table import EACH, GZIP, INVALID, LEAK, NO_ANSWERS, NO_SECRETS, Fault
from tests.providers.raw import Speak, http, raw_server, read_request, says, says_and_stalls
from tests.support.provider import ANSWER
from tests.support.service import MASTER_KEY, PROVIDER_KEY, error

BOUND_SECONDS = 10
"""Ten times the time-out for a busy machine, and less than any default one."""
AT_ONCE = 100


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
