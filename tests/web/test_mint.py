"""POST /v1/realtime/client_secrets."""

import asyncio
import time
from typing import Any

import pytest

from signaller.secret import Secret
from signaller.settings import Timeouts, TokenSettings
from tests.support.provider import FakeProvider
from tests.support.redis import free_port, redis_server
from tests.support.service import (
    MASTER_KEY,
    MODEL,
    PROVIDER_KEY,
    UPSTREAM_MODEL,
    deployment,
    error,
    running,
)
from tests.support.serving import serving
from tests.support.timing import own_time

PATHS = [f"{prefix}/realtime/client_secrets" for prefix in ("/v1", "", "/openai/v1")]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"model": MODEL}, id="LiteLLM's shape"),
        pytest.param({"session": {"type": "realtime", "model": MODEL}}, id="OpenAI's shape"),
    ],
)
@pytest.mark.parametrize("path", PATHS)
async def test_the_answer_is_a_superset_for_every_client(path: str, body: dict[str, Any]) -> None:
    """All the fields, on every alias and in both shapes of request."""
    async with running() as service:
        headers, began = {"authorization": f"Bearer {MASTER_KEY}"}, time.time()
        response = await service.client.post(path, json=body, headers=headers)
        answer = response.json()
        assert response.status_code == 200
        assert answer["value"].startswith("ek_")
        assert began - 1 <= answer["expires_at"] - 600 <= time.time() + 1
        assert answer["client_secret"] == {k: answer[k] for k in ("value", "expires_at")}
        assert answer["session"]["type"] == "realtime"
        assert "client_secret" not in answer["session"]
        assert answer["calls_url"] == f"{service.url}/v1/realtime/calls"
        assert response.headers["cache-control"] == "no-store"
        assert answer["value"] not in service.provider.secrets


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {MASTER_KEY}"},
        {"authorization": f"bearer {MASTER_KEY}"},
        {"authorization": f"BEARER  {MASTER_KEY}"},
        {"api-key": MASTER_KEY},
    ],
)
async def test_the_master_key_in_every_form(headers: dict[str, str]) -> None:
    """Bearer in any case, or Azure's header."""
    async with running() as service:
        assert (await service.mint(headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": f"Basic {MASTER_KEY}"},
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {MASTER_KEY}x"},
        {"authorization": f"Bearer {PROVIDER_KEY}"},
        {"authorization": "Bearer \xff"},
        {"api-key": "nope"},
    ],
)
async def test_without_the_key_nothing_is_minted(headers: dict[str, str]) -> None:
    """401 with what to send, and no word to the provider."""
    async with running() as service:
        encoded = {k: v.encode("latin-1") for k, v in headers.items()}
        response = await service.mint(headers=encoded)
        assert (response.status_code, error(response)["code"]) == (401, "invalid_api_key")
        assert service.provider.requests == []


async def test_a_service_without_a_master_key_says_so() -> None:
    """Nobody gets in, and the message tells the operator what to set."""
    async with running(master_key=None) as service:
        response = await service.mint()
        assert response.status_code == 401
        assert "SIGNALLER_MASTER_KEY" in error(response)["message"]


async def test_the_session_goes_upstream_with_the_deployments_model() -> None:
    """Untouched but for the model; the provider's secret outlives the token a little."""
    session = {
        "type": "realtime",
        "model": MODEL,
        "instructions": "Grüße 😀",
        "tools": [{"type": "function", "name": "f", "parameters": {"n": 1.5}}],
    }
    async with running() as service:
        await service.mint({"session": session, "expires_after": {"seconds": 120}})
        (sent,) = service.provider.mint.requests
        assert sent.json()["session"] == {**session, "model": UPSTREAM_MODEL}
        assert sent.json()["expires_after"] == {"anchor": "created_at", "seconds": 150}
        assert sent.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
        assert "openai-beta" not in sent.headers


@pytest.mark.parametrize(("asked", "ttl"), [(None, 30), (10, 10), (7200, 7200)])
async def test_expires_after_bounds_the_token(asked: int | None, ttl: int) -> None:
    """The default is configured, the bounds are OpenAI's."""
    body: dict[str, Any] = {"model": MODEL}
    if asked:
        body["expires_after"] = {"anchor": "created_at", "seconds": asked}
    async with running(token=TokenSettings(ttl_seconds=30)) as service:
        began = time.time()
        answer = (await service.mint(body)).json()
        assert began - 1 <= answer["expires_at"] - ttl <= time.time() + 1


async def test_a_token_never_outlives_the_providers_secret() -> None:
    """A provider that gives less than asked for rules."""
    async with running() as service:
        soon = int(time.time()) + 20
        service.provider.mint.answers(200, {"value": "ek_short", "expires_at": soon})
        assert (await service.mint()).json()["expires_at"] == soon


@pytest.mark.parametrize("seconds", [9, 7201, "60", None, True])
async def test_a_lifetime_out_of_bounds_names_its_field(seconds: object) -> None:
    """400 with param expires_after.seconds; None is no wish at all."""
    async with running() as service:
        response = await service.mint({"model": MODEL, "expires_after": {"seconds": seconds}})
        if seconds is None:
            assert response.status_code == 200
        else:
            assert (response.status_code, error(response)["param"]) == (
                400,
                "expires_after.seconds",
            )


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "invalid_json"),
        (b"", "application/json", 400, "invalid_json"),
        (b"[]", "application/json", 400, "invalid_json"),
        (b'{"model": NaN}', "application/json", 400, "invalid_json"),
        (b"\xff", "application/json", 400, "invalid_json"),
        (b"[" * 200_000, "application/json", 400, "invalid_json"),
        (b'{"n": 1e400}', "application/json", 400, "invalid_json"),
        (b'{"n": "\\ud800"}', "application/json", 400, "invalid_json"),
        (b'{"n": ' + b"[" * 64 + b"]" * 64 + b"}", "application/json", 400, "invalid_json"),
        (b'{"n": ' + b"9" * 5000 + b"}", "application/json", 400, "invalid_json"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b" " * (256 * 1024 + 1), "application/json", 413, "body_too_large"),
        (b'{"model": ""}', "application/json; charset=utf-8", 400, "invalid_request"),
        (b'{"model": 7}', "application/json", 400, "invalid_request"),
        (b'{"model": "' + "😀".encode() * 100 + b'"}', "application/json", 400, "invalid_request"),
        (b'{"model": "nope"}', "application/json", 404, "model_not_found"),
    ],
)
async def test_a_body_that_cannot_be_used(
    content: bytes, content_type: str, status: int, code: str
) -> None:
    """One clear error each, and nothing reaches the provider."""
    async with running() as service:
        headers = {"authorization": f"Bearer {MASTER_KEY}", "content-type": content_type}
        response = await service.mint(content=content, headers=headers)
        assert (response.status_code, error(response)["code"]) == (status, code)
        assert service.provider.requests == []


async def test_bad_json_is_placed() -> None:
    """The message says where."""
    async with running() as service:
        headers = {"authorization": f"Bearer {MASTER_KEY}", "content-type": "application/json"}
        response = await service.mint(content=b'{\n "model": }', headers=headers)
        assert "line 2, column 11" in error(response)["message"]


async def test_an_unknown_model_lists_what_there_is() -> None:
    """404 model_not_found with the names the caller may use."""
    async with running() as service:
        found = error(await service.mint({"model": "gpt-9"}))
        assert (found["code"], found["param"]) == ("model_not_found", "model")
        assert MODEL in found["message"]


@pytest.mark.parametrize("failure", ["refused", "timeout", "429", "503", "no secret"])
async def test_the_next_deployment_answers_when_one_fails(failure: str) -> None:
    """The client sees only success; the failing one then rests."""
    bad, good = FakeProvider(), FakeProvider()
    async with serving(bad.app) as serving_url, serving(good.app) as good_url:
        bad_url = serving_url
        match failure:
            case "refused":
                bad_url = f"http://127.0.0.1:{free_port()}"
            case "timeout":
                bad.mint.holds()
            case "no secret":
                bad.mint.answers(200, {})
            case status:
                bad.mint.answers(int(status), {})
        deployments = (
            deployment(bad_url, id="bad", weight=1000),
            deployment(good_url, id="good", weight=0),
        )
        timeouts = Timeouts(mint_seconds=2)
        async with running(deployments=deployments, timeouts=timeouts) as service:
            assert [(await service.mint()).status_code for _ in range(3)] == [200] * 3
            assert len(good.mint.requests) == 3
            assert len(bad.mint.requests) == (0 if failure == "refused" else 1)


async def test_one_callers_bad_request_rests_nothing() -> None:
    """A 400 or 404 from the provider is that caller's alone, passed on with its code and param."""
    provider = FakeProvider()
    body = {"error": {"message": "Bad voice.", "type": "t", "code": "bad_voice", "param": "voice"}}
    async with running(provider) as service:
        provider.mint.answers(400, body, times=1)
        refused = await service.mint()
        assert (refused.status_code, error(refused)) == (400, body["error"])
        assert (await service.mint()).status_code == 200


@pytest.mark.parametrize("status", [401, 403])
async def test_our_own_credential_refused_is_our_fault(status: int) -> None:
    """502 upstream_auth_failed, and the provider's text, which quotes the key, stays here."""
    async with running() as service:
        quoted = {"error": {"message": f"Incorrect API key provided: {PROVIDER_KEY}."}}
        service.provider.mint.answers(status, quoted)
        response = await service.mint()
        assert (response.status_code, error(response)["code"]) == (502, "upstream_auth_failed")
        assert PROVIDER_KEY not in response.text


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_overload_is_passed_on_at_once(status: int) -> None:
    """Status and Retry-After within a second, and one request only."""
    async with running() as service:
        service.provider.mint.answers(status, {}, headers={"retry-after": "7"})
        began = own_time()
        response = await service.mint()
        assert own_time() - began < 1
        assert (response.status_code, response.headers["retry-after"]) == (status, "7")
        assert len(service.provider.requests) == 1


async def test_a_timeout_is_a_504_and_the_deployments_own_limit_rules() -> None:
    """litellm_params.timeout wins over the configured one."""
    provider = FakeProvider()
    async with serving(provider.app) as url:
        provider.mint.holds()
        slow = deployment(url, timeout_seconds=0.3)
        async with running(deployments=(slow,)) as service:
            began = time.perf_counter()
            response = await service.mint()
            assert 0.2 < time.perf_counter() - began < 2
            assert (response.status_code, error(response)["code"]) == (504, "upstream_timeout")


@pytest.mark.parametrize(
    "answer", [{}, {"value": ""}, {"value": "ek_x"}, {"value": "ek_x", "expires_at": 1}, b"<html>"]
)
async def test_a_2xx_without_a_usable_secret_is_a_502(answer: Any) -> None:
    """No token is made of it."""
    async with running() as service:
        service.provider.mint.answers(200, answer)
        response = await service.mint()
        assert (response.status_code, error(response)["code"]) == (
            502,
            "upstream_invalid_response",
        )


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_every_2xx_is_wrapped(status: int) -> None:
    """The raw secret never reaches a client, whatever the status."""
    async with running() as service:
        expires_at = int(time.time()) + 600
        service.provider.mint.answers(status, {"value": "ek_raw", "expires_at": expires_at})
        response = await service.mint()
        assert response.status_code == 200
        assert "ek_raw" not in response.text


@pytest.mark.parametrize("status", [401, 403])
async def test_one_revoked_key_takes_no_model_down(status: int) -> None:
    """The other deployment answers; the one with the bad key does not rest."""
    bad, good = FakeProvider(), FakeProvider()
    async with serving(bad.app) as bad_url, serving(good.app) as good_url:
        bad.mint.answers(status, {})
        deployments = (
            deployment(bad_url, id="bad", weight=1000),
            deployment(good_url, id="good", weight=0),
        )
        async with running(deployments=deployments) as service:
            assert [(await service.mint()).status_code for _ in range(2)] == [200] * 2
            assert (len(bad.mint.requests), len(good.mint.requests)) == (2, 2)


async def test_a_full_redis_mints_nothing() -> None:
    """It answers reads, and yet: 503, readyz red, and the provider is not asked."""
    with redis_server("--maxmemory", "1", "--maxmemory-policy", "noeviction") as port:
        async with running(redis_url=Secret(f"redis://127.0.0.1:{port}/0")) as service:
            response = await service.mint()
            assert (response.status_code, error(response)["code"]) == (503, "store_unavailable")
            assert (await service.client.get("/readyz")).status_code == 503
            assert service.provider.requests == []


async def test_redis_gone_mints_nothing() -> None:
    """503 with Retry-After before the provider is asked; readyz red, healthz green."""
    url = Secret(f"redis://127.0.0.1:{free_port()}/0")
    async with running(redis_url=url) as service:
        response = await service.mint()
        assert (response.status_code, error(response)["code"]) == (503, "store_unavailable")
        assert response.headers["retry-after"] == "1"
        assert service.provider.requests == []
        ready, health = await asyncio.gather(
            service.client.get("/readyz"), service.client.get("/healthz")
        )
        assert (ready.status_code, health.status_code) == (503, 200)


async def test_azure_is_spoken_to_as_azure() -> None:
    """The GA path, no api-version, the key in its header."""
    async with running(azure=True) as service:
        token = await service.token()
        assert (await service.call(token)).status_code == 201
        minted, called = service.provider.requests
        assert minted.path == "/openai/v1/realtime/client_secrets"
        assert (minted.query, minted.headers["api-key"]) == ("", PROVIDER_KEY)
        assert called.path == "/openai/v1/realtime/calls"
        assert called.headers["authorization"].removeprefix("Bearer ") in service.provider.secrets


async def test_the_longest_session_comes_back_whole() -> None:
    """The provider's echo of it, with more in it, is no fault of the provider's."""
    async with running() as service:
        session = {"instructions": "\u00e9" * 120_000}
        response = await service.mint({"model": MODEL, "session": session})
        assert response.status_code == 200, response.text[:200]
        assert response.json()["session"]["instructions"] == session["instructions"]


async def test_a_session_comes_back_as_the_provider_has_it() -> None:
    """Numbers beyond 64 bits, letters beyond ASCII and beyond 16 bits included."""
    odd = {"big": 123456789012345678901234567890, "small": -(2**70), "text": "é\u2028😀"}
    async with running() as service:
        response = await service.mint({"session": {"type": "realtime", "model": MODEL, **odd}})
        assert response.status_code == 200, response.text
        session = response.json()["session"]
        assert {name: session[name] for name in odd} == odd
