"""The unified interface: a caller's own credential, an offer, and a session or a model."""

import asyncio
import json
from typing import Any

import httpx
import pytest
import redis.asyncio

from signaller.policy import Rate, in_order
from signaller.secret import Secret
from signaller.settings import Timeouts
from tests.support.provider import ANSWER, FakeProvider, parts
from tests.support.redis import redis_server
from tests.support.service import (
    MASTER_KEY,
    MODEL,
    OFFER,
    PROVIDER_KEY,
    UPSTREAM_MODEL,
    Service,
    bearer,
    deployment,
    error,
    named,
    running,
)
from tests.support.serving import serving
from tests.support.timing import own_time

KEY, OTHER_KEY = "sk-canary-web-0123456789abcdef", "sk-canary-two-0123456789abcdef"
SESSION = {"type": "realtime", "model": MODEL, "instructions": "Be kind."}
SDP = {"content-type": "application/sdp"}


async def unified(
    service: Service,
    session: dict[str, Any] | None = None,
    *,
    key: str = KEY,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    """POST calls as OpenAI's SDKs do, under a caller's key."""
    return await service.call_with(key, SESSION if session is None else session, headers)


async def test_a_callers_key_and_a_session_start_a_call() -> None:
    """Upstream the session goes with the standard key; the answer is the provider's."""
    async with running(callers=(named("web", KEY),)) as service:
        response = await unified(service)
        assert (response.status_code, response.content) == (201, ANSWER)
        assert response.headers["location"].startswith("/v1/realtime/calls/rtc_")
        assert response.headers["content-type"] == "application/sdp"
        assert service.provider.mint.requests == []
        (sent,) = service.provider.call.requests
        assert sent.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
        given = parts(sent)
        assert given["sdp"] == OFFER
        assert json.loads(given["session"]) == SESSION | {"model": UPSTREAM_MODEL}


@pytest.mark.parametrize("key", [KEY, MASTER_KEY])
async def test_raw_sdp_and_a_model_will_do(key: str) -> None:
    """`?model=` in the URL; the session is that model's, with what the policy forces."""
    callers = (named("web", KEY, session={"instructions": "Ours."}),)
    async with running(callers=callers) as service:
        response = await service.call(key, path=f"/v1/realtime/calls?model={MODEL}")
        assert response.status_code == 201
        (sent,) = service.provider.call.requests
        session = json.loads(parts(sent)["session"])
        forced = {"instructions": "Ours."} if key == KEY else {}
        assert session == {"type": "realtime", "model": UPSTREAM_MODEL} | forced


async def test_without_a_model_it_is_a_401_that_says_what_to_do() -> None:
    """A caller's key is no token, and nothing says which call is meant."""
    async with running(callers=(named("web", KEY),)) as service:
        for response in (await service.call(KEY), await unified(service, {"type": "realtime"})):
            found = error(response)
            assert (response.status_code, found["code"]) == (401, "token_rejected")
            assert "?model=" in found["message"]
            assert "client_secrets" in found["message"]
            assert "token" not in found
        assert service.provider.requests == []


async def test_an_unknown_credential_is_no_caller() -> None:
    """The same 401 as for a bad token, before the body is read."""
    async with running() as service:
        response = await unified(service, key="sk-nobody")
        assert (response.status_code, error(response)["code"]) == (401, "token_rejected")
        assert service.provider.requests == []


async def test_without_any_credential_the_401_only_says_what_to_send() -> None:
    """Neither what a token may suffer from, nor how a caller proves who it is."""
    async with running() as service:
        response = await service.client.post("/v1/realtime/calls", content=OFFER, headers=SDP)
        assert (response.status_code, error(response)["code"]) == (401, "token_rejected")
        assert error(response)["message"] == (
            "No credential was found. Send a fresh token from POST "
            "/v1/realtime/client_secrets in one header 'Authorization: Bearer ek_...'."
        )
        assert service.provider.requests == []


async def test_the_call_is_its_callers() -> None:
    """The same credential ends it, and the master key; another caller's does not."""
    callers = (named("web", KEY), named("two", OTHER_KEY))
    async with running(callers=callers) as service:
        location = (await unified(service)).headers["location"]
        for key, status in ((OTHER_KEY, 404), (KEY, 200), (MASTER_KEY, 200)):
            ended = await service.client.delete(location, headers=bearer(key))
            assert ended.status_code == status
        assert service.provider.live_calls == set()


@pytest.mark.parametrize(
    ("policy", "session", "status", "code"),
    [
        ({"models": (("gpt-*",),)}, SESSION, 403, "model_not_allowed"),
        (
            {"models": ((MODEL,),)},
            SESSION | {"input_audio_transcription": {"model": "whisper-1"}},
            403,
            "model_not_allowed",
        ),
        ({}, SESSION | {"model": "none"}, 404, "model_not_found"),
        ({}, SESSION | {"type": "translation"}, 400, "invalid_request"),
        ({"origins": ("https://app.example",)}, SESSION, 403, "origin_not_allowed"),
    ],
)
async def test_the_policy_holds_here_too(
    policy: dict[str, Any], session: dict[str, Any], status: int, code: str
) -> None:
    """Before anything is asked of the provider."""
    async with running(callers=(named("web", KEY, **policy),)) as service:
        page = {"origin": service.url} if "origins" in policy else {}
        response = await unified(service, session, headers=page)
        assert (response.status_code, error(response)["code"]) == (status, code)
        assert service.provider.requests == []


@pytest.mark.parametrize("rate", ["mints_per_minute", "calls_per_minute"])
async def test_both_rates_count(rate: str) -> None:
    """It is a mint and a call."""
    async with running(callers=(named("web", KEY, **{rate: 1}),)) as service:
        accepted, refused = await unified(service), await unified(service)
        assert accepted.headers["x-ratelimit-remaining-requests"] == "0"
        assert (refused.status_code, error(refused)["code"]) == (429, "rate_limit_exceeded")
        assert "token" not in error(refused)
        assert len(service.provider.call.requests) == 1


async def test_on_azure_it_is_a_mint_and_a_call() -> None:
    """Azure's route takes no session with the offer; the caller need not know."""
    async with running(azure=True, callers=(named("web", KEY),)) as service:
        assert (await unified(service)).status_code == 201
        (minted,), (called,) = service.provider.mint.requests, service.provider.call.requests
        assert minted.json()["session"] == SESSION | {"model": UPSTREAM_MODEL}
        assert called.body == OFFER
        assert called.headers["authorization"].removeprefix("Bearer ") in service.provider.secrets


async def test_a_transcription_session_needs_no_model_of_its_own() -> None:
    """Its nested model is the one it is routed by."""
    nested = {"audio": {"input": {"transcription": {"model": MODEL}}}}
    async with running(callers=(named("web", KEY),)) as service:
        assert (await unified(service, {"type": "transcription"} | nested)).status_code == 201
        (sent,) = service.provider.call.requests
        session = json.loads(parts(sent)["session"])
        assert session["audio"]["input"]["transcription"]["model"] == UPSTREAM_MODEL


@pytest.mark.parametrize(("status", "others"), [(500, 1), (400, 0)])
async def test_another_deployment_gets_the_offer_only_where_nothing_began(
    status: int, others: int
) -> None:
    """A provider that answers with an error has begun no call; a bad request is nobody's fault."""
    failing, spare = FakeProvider(), FakeProvider()
    failing.call.answers(status, {})
    async with serving(failing.app) as first, serving(spare.app) as second:
        both = (deployment(first), deployment(second, id="d2", weight=0))
        async with running(deployments=both, callers=(named("web", KEY),)) as service:
            response = await unified(service)
            assert response.status_code == (201 if others else status)
            assert (len(failing.call.requests), len(spare.call.requests)) == (1, others)


async def test_an_offer_that_may_have_arrived_is_sent_to_nobody_else() -> None:
    """A connection that breaks after the request: whether a call began is not known."""
    failing, spare = FakeProvider(), FakeProvider()
    failing.call.answers(504, {})
    async with serving(failing.app) as first, serving(spare.app) as second:
        both = (deployment(first), deployment(second, id="d2", weight=0))
        async with running(deployments=both, callers=(named("web", KEY),)) as service:
            assert (await unified(service)).status_code == 504
            assert spare.call.requests == []


async def test_a_foreign_page_may_not_ask_in_a_callers_name() -> None:
    """As with a mint; one that is listed may."""
    listed = "https://app.example"
    callers = (named("web", KEY),)
    async with running(callers=callers, cors_origins=(listed,)) as service:
        refused = await unified(service, headers={"origin": "https://evil.example"})
        assert (refused.status_code, error(refused)["code"]) == (403, "origin_not_allowed")
        assert (await unified(service, headers={"origin": listed})).status_code == 201


async def test_the_end_user_goes_with_the_call() -> None:
    """OpenAI takes the header with whichever request brings the session."""
    callers = (named("web", KEY, safety_identifier=True),)
    async with running(callers=callers) as service:
        await unified(service, headers={"openai-safety-identifier": "ann"})
        (sent,) = service.provider.call.requests
        assert len(sent.headers["openai-safety-identifier"]) == 64
        refused = await unified(
            service, key=MASTER_KEY, headers={"openai-safety-identifier": "ann"}
        )
        assert (refused.status_code, error(refused)["param"]) == (400, "safety_identifier")


async def test_a_slow_provider_has_the_whole_time() -> None:
    """Another deployment could not take over a call that may have begun: nothing is kept for it."""
    slow, spare = FakeProvider(), FakeProvider()
    slow.call.holds()
    async with serving(slow.app) as first, serving(spare.app) as second:
        both = (deployment(first), deployment(second, id="d2", weight=0))
        timeouts = Timeouts(call_seconds=4)
        async with running(
            deployments=both, timeouts=timeouts, callers=(named("web", KEY),)
        ) as service:
            asking = asyncio.create_task(unified(service))
            await slow.call.arrived()
            done, _ = await asyncio.wait([asking], timeout=2.5)
            assert not done
            slow.call.release()
            assert (await asking).status_code == 201
            assert spare.call.requests == []


async def test_azures_mint_and_call_have_one_deadline() -> None:
    """What the mint has taken is not there for the call."""
    provider = FakeProvider()
    timeouts = Timeouts(call_seconds=2)
    async with running(
        provider, azure=True, timeouts=timeouts, callers=(named("web", KEY),)
    ) as service:
        provider.mint.holds()
        provider.call.holds()
        began = own_time()
        asking = asyncio.create_task(unified(service))
        await provider.mint.arrived()
        await asyncio.wait([asking], timeout=1)
        provider.mint.release()
        assert (await asking).status_code == 504
        assert own_time() - began < 2.9
        provider.call.release()


async def test_a_store_without_room_costs_no_hit() -> None:
    """It is known before anything is counted."""
    callers = (named("web", KEY, calls_per_minute=1),)
    with redis_server("--maxmemory-policy", "noeviction") as port:
        url = Secret(f"redis://127.0.0.1:{port}/0")
        async with (
            running(redis_url=url, callers=callers) as service,
            redis.asyncio.Redis(port=port) as full,
        ):
            await full.config_set("maxmemory", 1)
            for _ in range(3):
                assert (await unified(service)).status_code == 503
            assert service.provider.requests == []
            await full.config_set("maxmemory", 0)
            assert (await unified(service)).status_code == 201


@pytest.mark.parametrize("field", ["model", "nested"])
async def test_a_key_in_the_place_of_a_model_goes_nowhere(field: str) -> None:
    """A wildcard would send it to the provider; the error says where it stood, and not what."""
    nested = {"audio": {"input": {"transcription": {"model": MASTER_KEY}}}}
    session = SESSION | ({"model": MASTER_KEY} if field == "model" else nested)
    async with running() as base:
        url = base.settings.deployments[0].base_url
        wildcard = (deployment(url, model_name="*", upstream_model="*"),)
        async with running(deployments=wildcard, callers=(named("web", KEY),)) as service:
            token = await service.token()
            for credential in (KEY, token):
                if credential == token and field == "model":
                    continue
                refused = await service.call_with(credential, session)
                assert refused.status_code == 400
                places = {"model": "model", "nested": "session.audio.input.transcription.model"}
                assert error(refused)["param"] == places[field]
                assert MASTER_KEY not in refused.text
        assert base.provider.call.requests == []


@pytest.mark.parametrize("model", ["other", "", False])
async def test_two_models_that_differ_are_refused(model: object) -> None:
    """In the URL and in the session; a wrong type is not passed over for the other one."""
    async with running(callers=(named("web", KEY),)) as service:
        form = {
            "sdp": (None, OFFER, "application/sdp"),
            "session": (None, json.dumps({"model": model}).encode(), "application/json"),
        }
        refused = await service.client.post(
            f"/v1/realtime/calls?model={MODEL}", files=form, headers=bearer(KEY)
        )
        assert (refused.status_code, error(refused)["param"]) == (400, "session.model")
        assert service.provider.requests == []


async def test_a_wrong_credential_hears_of_both_ways() -> None:
    """Whoever meant to send a key is not told about tokens only."""
    async with running() as service:
        found = error(await unified(service, key="sk-nobody-0123456789"))
        assert "client_secrets" in found["message"]
        assert "API key" in found["message"]


async def test_a_secret_that_azure_refuses_is_no_tokens() -> None:
    """The caller has none; another deployment may do better."""
    failing, spare = FakeProvider(), FakeProvider()
    failing.call.answers(401, {})
    async with serving(failing.app) as first, serving(spare.app) as second:
        both = (
            deployment(first, provider="azure"),
            deployment(second, provider="azure", id="d2", weight=0),
        )
        async with running(deployments=both, callers=(named("web", KEY),)) as service:
            assert (await unified(service)).status_code == 201
            assert len(spare.call.requests) == 1


def test_a_persons_rates_come_before_those_of_all() -> None:
    """In a race, who is over their own takes nothing from the others."""
    shared, person = Rate(bucket="mints:app", per_minute=9), "calls of one:ada:app"
    assert in_order((shared, Rate(bucket=person, per_minute=1)))[0].bucket == person
