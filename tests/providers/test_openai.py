"""OpenAI's adapter against a provider on a real socket."""

import time
from dataclasses import replace
from dataclasses import replace as replaced
from typing import Any

import httpx
import pytest

from signaller.errors import UpstreamAuthFailed, UpstreamInvalidResponse
from signaller.model import Trace
from signaller.providers.http import ALWAYS
from signaller.providers.openai import OpenAI
from signaller.providers.surface import CLOCK_SECONDS
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
from tests.providers.raw import http, raw_server, says
from tests.support.provider import ANSWER, Body, FakeProvider

SOON = int(time.time()) + 3600
FOR_AN_HOUR = replace(ASKED, expires_after_seconds=3600)


@pytest.fixture
def openai(client: httpx.AsyncClient) -> OpenAI:
    """The adapter under test."""
    return OpenAI(client, Timeouts())


async def test_mint_sends_what_openai_documents(
    openai: OpenAI, provider: FakeProvider, url: str
) -> None:
    """Path, body and headers are the GA API's, and nothing else goes along."""
    secret = await openai.mint(deployment(url, organization="org-1", project="proj-1"), ASKED)
    (request,) = provider.requests
    assert (request.path, request.query) == ("/v1/realtime/client_secrets", "")
    assert request.json() == {
        "expires_after": {"anchor": "created_at", "seconds": 60},
        "session": ASKED.session,
    }
    assert {name: value for name, value in request.headers.items() if name != "content-length"} == {
        "host": url.removeprefix("http://"),
        "user-agent": "signaller/0.1.0",
        "accept-encoding": "identity",
        "authorization": f"Bearer {API_KEY}",
        "openai-organization": "org-1",
        "openai-project": "proj-1",
        "content-type": "application/json",
        "x-client-request-id": "req-1",
    }
    assert provider.secrets == {secret.value.reveal(): secret.expires_at}
    assert "client_secret" not in secret.session
    assert secret.session["id"] == "sess_1"


async def test_call_relays_bytes_both_ways(
    openai: OpenAI, provider: FakeProvider, url: str
) -> None:
    """Offer and answer are untouched; only the ephemeral secret goes along."""
    secret = await openai.mint(deployment(url, organization="org-1"), ASKED)
    answer = await openai.call(deployment(url, organization="org-1"), secret.value, OFFER, TRACE)
    (request,) = provider.call.requests
    assert request.path == "/v1/realtime/calls"
    assert request.body == OFFER.sdp
    assert request.headers["authorization"] == f"Bearer {secret.value.reveal()}"
    assert request.headers["content-type"] == "application/sdp"
    assert "openai-organization" not in request.headers
    assert "openai-beta" not in request.headers
    assert answer.sdp == ANSWER
    assert {answer.provider_call_id} == provider.live_calls


async def test_hang_up_is_idempotent(openai: OpenAI, provider: FakeProvider, url: str) -> None:
    """It uses the deployment's credential, and a call that has ended is no error."""
    secret = await openai.mint(deployment(url), ASKED)
    answer = await openai.call(deployment(url), secret.value, OFFER, TRACE)
    assert answer.provider_call_id is not None
    for _ in range(2):
        await openai.hang_up(deployment(url), answer.provider_call_id, TRACE)
    assert provider.live_calls == set()
    first, _ = provider.hangup.requests
    assert first.headers["authorization"] == f"Bearer {API_KEY}"
    assert first.body == b""


async def test_hang_up_quotes_the_id(openai: OpenAI) -> None:
    """An id cannot lead to another route."""
    async with raw_server(says(http("200 OK"))) as raw:
        await openai.hang_up(deployment(raw.url), "a/b?c#d", TRACE)
    assert raw.received[0].startswith(b"POST /v1/realtime/calls/a%2Fb%3Fc%23d/hangup HTTP/1.1")


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"value": EPHEMERAL, "expires_at": SOON}, id="ga"),
        pytest.param({"client_secret": {"value": EPHEMERAL, "expires_at": SOON}}, id="nested"),
        pytest.param(
            {"value": EPHEMERAL, "client_secret": {"expires_at": SOON}, "session": None}, id="mixed"
        ),
    ],
)
async def test_any_2xx_is_wrapped(
    openai: OpenAI, provider: FakeProvider, url: str, status: int, body: Body
) -> None:
    """The secret is found wherever providers put it; a missing session is the one asked for."""
    provider.mint.answers(status, body)
    secret = await openai.mint(deployment(url), FOR_AN_HOUR)
    assert (secret.value, secret.expires_at) == (Secret(EPHEMERAL), SOON)
    assert secret.session == ASKED.session


@pytest.mark.parametrize("expires_at", [10**18, 2**63, 10**400, 4_102_444_800])
async def test_a_life_that_nobody_asked_for_is_cut(
    openai: OpenAI, provider: FakeProvider, url: str, expires_at: int
) -> None:
    """To what was asked for, and what the provider's clock may be ahead of ours."""
    provider.mint.answers(200, f'{{"value": "{EPHEMERAL}", "expires_at": {expires_at}}}')
    secret = await openai.mint(deployment(url), ASKED)
    longest = ASKED.expires_after_seconds + CLOCK_SECONDS
    assert time.time() < secret.expires_at <= time.time() + longest


async def test_what_is_sent_is_what_was_said_to_be_sent(
    openai: OpenAI, provider: FakeProvider, url: str
) -> None:
    """Secrets are shared by it, so nothing that reaches the provider may be missing there."""
    at = deployment(url, organization="org-1", project="proj-1")
    traced = Trace(request_id="r", traceparent="00-1-2-01", tracestate="a=b")
    asked = replace(ASKED, trace=traced, safety_identifier="5f3c")
    said = openai.mint_request(at, asked)
    await openai.mint(at, asked)
    (request,) = provider.requests
    assert f"{url}{request.path}" == said.url
    assert request.body == said.content
    assert said.tracing.keys() == {"X-Client-Request-Id", "traceparent", "tracestate"}
    headers = {name.lower(): value for name, value in {**said.headers, **said.tracing}.items()}
    always = {"host", "content-length", *(name.lower() for name in ALWAYS)}
    assert {key: request.headers[key] for key in request.headers.keys() - always} == headers


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "http://127.0.0.1:2"},
        {"api_key": Secret("sk-other")},
        {"organization": "org-1"},
        {"project": "org-1"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_place_is_another_meaning(openai: OpenAI, change: dict[str, Any]) -> None:
    """So are another session, life and end user, but not another trace."""
    at = deployment("http://127.0.0.1:1")
    meaning = openai.mint_request(at, ASKED).meaning
    assert openai.mint_request(replaced(at, **change), ASKED).meaning != meaning
    other = replace(ASKED, trace=Trace(request_id="r", traceparent="00-1-2-01"))
    assert openai.mint_request(at, other).meaning == meaning
    for differs in (
        replace(ASKED, session={}),
        replace(ASKED, expires_after_seconds=61),
        replace(ASKED, safety_identifier="5f3c"),
    ):
        assert openai.mint_request(at, differs).meaning != meaning


def test_a_request_does_not_show_its_credential(openai: OpenAI) -> None:
    """Not even to whoever prints it."""
    assert API_KEY not in repr(openai.mint_request(deployment("http://127.0.0.1:1"), ASKED))


async def test_the_session_holds_no_secret(
    openai: OpenAI, provider: FakeProvider, url: str
) -> None:
    """`client_secret` goes at any depth, the secret under any other name, and a type is there."""
    session = {
        "client_secret": {"value": EPHEMERAL},
        "audio": [{"client_secret": "x", "rate": 24000}],
        "echo": f"key={EPHEMERAL}",
        EPHEMERAL: True,
    }
    provider.mint.answers(
        200, {"value": EPHEMERAL, "expires_at": SOON, "session": session, "key": EPHEMERAL}
    )
    asked = replace(ASKED, session={"type": "transcription"})
    secret = await openai.mint(deployment(url), asked)
    assert secret.session == {
        "audio": [{"rate": 24000}],
        "echo": "key=****",
        "type": "transcription",
    }
    assert EPHEMERAL not in repr(secret)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"expires_at": SOON}, id="no-value"),
        pytest.param({"value": "", "expires_at": SOON}, id="empty-value"),
        pytest.param({"value": 7, "expires_at": SOON}, id="number-as-value"),
        pytest.param({"value": f"{EPHEMERAL}\r\nX: y", "expires_at": SOON}, id="line-in-value"),
        pytest.param({"value": "ek_ü", "expires_at": SOON}, id="no-ascii-value"),
        pytest.param({"value": "e" * 5000, "expires_at": SOON}, id="long-value"),
        pytest.param({"value": EPHEMERAL}, id="no-expiry"),
        pytest.param({"value": EPHEMERAL, "expires_at": str(SOON)}, id="text-as-expiry"),
        pytest.param({"value": EPHEMERAL, "expires_at": True}, id="true-as-expiry"),
        pytest.param({"value": EPHEMERAL, "expires_at": 1_600_000_000}, id="expired"),
        pytest.param({"value": EPHEMERAL, "expires_at": -(10**18)}, id="before-all-time"),
        pytest.param({"value": EPHEMERAL, "expires_at": 1e18}, id="fraction"),
        pytest.param('["ek"]', id="list"),
        pytest.param(f'{{"value": "{EPHEMERAL}", "expires_at": NaN}}', id="nan"),
        pytest.param(f'{{"value": "{EPHEMERAL}", "x": 1e999}}', id="infinite"),
        pytest.param(f'{{"value": "{EPHEMERAL}", "x": "\\ud800"}}', id="lone-surrogate"),
        pytest.param(f'{{"value": "{EPHEMERAL}", "x": {"[" * 100}{"]" * 100}}}', id="nested-deep"),
        pytest.param(f'{{"value": "{EPHEMERAL}", "x": "', id="cut-off"),
    ],
)
async def test_a_mint_without_a_usable_secret_is_invalid(
    openai: OpenAI, provider: FakeProvider, url: str, body: Body
) -> None:
    """No token ever stands for a secret that is missing, expired or unusable."""
    provider.mint.answers(200, body)
    with pytest.raises(UpstreamInvalidResponse) as caught:
        await openai.mint(deployment(url), ASKED)
    assert type(caught.value) is UpstreamInvalidResponse
    assert_silent(caught.value)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        pytest.param("/v1/realtime/calls/rtc_1", "rtc_1", id="path"),
        pytest.param("https://api.example/v1/realtime/calls/rtc_1/?a=b/c", "rtc_1", id="url"),
        pytest.param("rtc_1", "rtc_1", id="relative"),
        pytest.param("/v1/realtime/calls/", None, id="no-id"),
        pytest.param("/v1/realtime/calls/..", None, id="dots"),
        pytest.param("http://[", None, id="no-url"),
        pytest.param("/v1/realtime/calls/" + "a" * 300, None, id="long"),
        pytest.param(None, None, id="absent"),
    ],
)
async def test_the_call_id_is_the_last_segment(
    openai: OpenAI, provider: FakeProvider, url: str, location: str | None, expected: str | None
) -> None:
    """As SDKs take it, of any 2xx and any content type; an answer without one still counts."""
    headers = {"content-type": "text/plain"} | ({"location": location} if location else {})
    provider.call.answers(200, ANSWER, headers=headers)
    answer = await openai.call(deployment(url), Secret(EPHEMERAL), OFFER, TRACE)
    assert (answer.sdp, answer.provider_call_id) == (ANSWER, expected)


@pytest.mark.parametrize("body", [b"", b"{}", b"v=01\r\n", b" v=0\r\n", b"<html>v=0\r\n"])
async def test_an_answer_that_is_no_sdp_is_invalid(
    openai: OpenAI, provider: FakeProvider, url: str, body: bytes
) -> None:
    """A 2xx without an answer leaves the token spent."""
    provider.call.answers(201, body)
    with pytest.raises(UpstreamInvalidResponse) as caught:
        await openai.call(deployment(url), Secret(EPHEMERAL), OFFER, TRACE)
    assert not caught.value.no_call_began


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(None, id="absent"),
        pytest.param(Secret(f"{API_KEY}\r\nX-Evil: 1"), id="line"),
        pytest.param(Secret(f"{API_KEY}ü"), id="no-ascii"),
    ],
)
async def test_a_key_that_no_header_can_carry_is_not_sent(
    openai: OpenAI, provider: FakeProvider, url: str, key: Secret | None
) -> None:
    """A configured key that is missing or mangled is the operator's fault, and stays unseen."""
    with pytest.raises(UpstreamAuthFailed) as caught:
        await openai.mint(deployment(url, api_key=key), ASKED)
    assert provider.requests == []
    assert_silent(caught.value)
