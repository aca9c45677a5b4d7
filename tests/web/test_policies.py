"""What callers may do, from the mint to the call."""

import asyncio
import json
import logging
import time
from typing import Any

import pytest

from signaller.policy import Policy
from signaller.settings import TokenSettings
from tests.support.provider import ANSWER
from tests.support.service import (
    MASTER_KEY,
    MODEL,
    OFFER,
    UPSTREAM_MODEL,
    Service,
    bearer,
    deployment,
    error,
    named,
    running,
)

KEY, OTHER = "sk-sgn-canary-web-0123456789", "sk-sgn-canary-app-0123456789"
HERE, THERE = "https://app.example", "https://evil.example"


def calling(**policy: Any) -> Any:
    """A running service with one caller that has this policy."""
    return running(callers=(named("web", KEY, **policy), named("app", OTHER)))


async def minted(service: Service, body: object = None, **headers: str) -> Any:
    """A mint as the caller `web`."""
    return await service.mint(body, headers=bearer(KEY) | headers)


@pytest.mark.parametrize(
    ("patterns", "status"),
    [
        ((("voice",),), 200),
        ((("vo*", "gpt-*"),), 200),
        ((("gpt-*",),), 403),
        (((),), 403),
        ((("voice",), ("gpt-*",)), 403),
    ],
)
async def test_a_model_must_be_allowed(patterns: Any, status: int) -> None:
    """403 before anything is asked of a provider."""
    async with calling(models=patterns) as service:
        response = await minted(service)
        assert response.status_code == status
        if status == 403:
            assert error(response)["code"] == "model_not_allowed"
            assert error(response)["param"] == "model"
        assert len(service.provider.requests) == (status == 200)


async def test_a_model_that_is_not_there_is_not_given_away() -> None:
    """A caller learns of the models it may use, and of no others."""
    async with calling(models=(("gpt-*", "voice"),)) as service:
        hidden, absent = (
            await minted(service, {"model": "x"}),
            await minted(service, {"model": "gpt-x"}),
        )
    assert (hidden.status_code, absent.status_code) == (403, 404)
    async with calling(models=(("gpt-*",),)) as service:
        for model in (MODEL, "gpt-x"):
            assert "voice." not in error(await minted(service, {"model": model}))["message"]


async def test_models_lists_what_the_caller_may_use() -> None:
    """Names of the configuration, and where that has a pattern, the policy's own."""
    deployments = (
        deployment("http://127.0.0.1:1", id="a", model_name="voice"),
        deployment("http://127.0.0.1:1", id="b", model_name="gpt-*", upstream_model="gpt-*"),
    )
    callers = (named("web", KEY, models=(("gpt-mini", "o1"),)), named("app", OTHER))
    async with running(deployments=deployments, callers=callers) as service:
        listed = [
            [
                model["id"]
                for model in (await service.client.get(path, headers=bearer(key))).json()["data"]
            ]
            for path, key in (("/v1/models", KEY), ("/v1/models", OTHER))
        ]
    assert listed == [["gpt-mini"], ["voice", "gpt-*"]]


@pytest.mark.parametrize(
    ("policy", "asked", "lives"),
    [
        ({}, None, 600),
        ({}, 300, 300),
        ({"token_ttl_seconds": 30}, None, 30),
        ({"token_ttl_seconds": 30}, 300, 30),
        ({"token_ttl_seconds": 30}, 10, 10),
        ({"token_ttl_seconds": 120}, None, 120),
        ({"token_ttl_seconds": 120}, 300, 120),
    ],
)
async def test_the_policy_rules_over_the_life_of_a_token(
    policy: dict[str, int], asked: int | None, lives: int
) -> None:
    """A request may ask for less, never for more."""
    body: dict[str, Any] = {"model": MODEL}
    if asked:
        body["expires_after"] = {"anchor": "created_at", "seconds": asked}
    async with calling(**policy) as service:
        began = time.time()
        answer = (await minted(service, body)).json()
        assert began - 1 <= answer["expires_at"] - lives <= time.time() + 1


async def test_the_policy_rules_over_uses() -> None:
    """So many calls, and not one more."""
    async with running(
        callers=(named("web", KEY, token_uses=2), named("app", OTHER)),
        token=TokenSettings(uses=1),
    ) as service:
        token = (await minted(service)).json()["value"]
        assert [(await service.call(token)).status_code for _ in range(3)] == [201, 201, 401]


@pytest.mark.parametrize(
    ("origin", "status"),
    [(HERE, 200), (None, 200), (THERE, 403), ("null", 403), (f"{HERE}:1", 403)],
)
async def test_a_page_must_be_allowed_to_mint(origin: str | None, status: int) -> None:
    """A backend has no origin: its key is enough."""
    async with calling(origins=(HERE, "https://second.example")) as service:
        response = await minted(service, **({"origin": origin} if origin else {}))
        assert response.status_code == status
        if status == 403:
            assert error(response)["code"] == "origin_not_allowed"
        assert len(service.provider.requests) == (status == 200)


async def test_a_token_is_pinned_to_its_origin() -> None:
    """From elsewhere it is refused, and stays good where it belongs."""
    async with calling(origins=(HERE,)) as service:
        token = (await minted(service)).json()["value"]
        for origin in (THERE, "null", f"{HERE}.evil.example"):
            refused = await service.call(token, origin=origin)
            assert (refused.status_code, error(refused)["code"]) == (403, "origin_not_allowed")
            assert "names none" not in error(refused)["message"]
        refused = await service.call(token)  # a client without an origin
        assert refused.status_code == 403
        assert "and this request names none" in error(refused)["message"]
        assert not service.provider.call.requests
        assert (await service.call(token, origin=HERE)).status_code == 201


async def test_a_page_that_mints_gets_a_token_for_itself_alone() -> None:
    """Not for the other pages of its caller."""
    second = "https://second.example"
    async with calling(origins=(HERE, second)) as service:
        token = (await minted(service, origin=HERE)).json()["value"]
        assert (await service.call(token, origin=second)).status_code == 403
        assert (await service.call(token, origin=HERE)).status_code == 201


async def test_without_listed_origins_any_will_do() -> None:
    """A phone has none."""
    async with calling() as service:
        for headers in ({}, {"origin": THERE}):
            token = (await minted(service)).json()["value"]
            assert (await service.call(token, **headers)).status_code == 201


FORCED = {"instructions": "Be kind.", "audio": {"output": {"voice": "marin"}}, "tools": []}
ASKED = {
    "instructions": "Be rude.",
    "audio": {"output": {"voice": "ash", "speed": 1.2}, "input": {"format": {"type": "audio/pcm"}}},
    "tools": [{"type": "function", "name": "f"}],
    "temperature": 0.7,
}
SENT = {
    "type": "realtime",
    "model": UPSTREAM_MODEL,
    "instructions": "Be kind.",
    "audio": {
        "output": {"voice": "marin", "speed": 1.2},
        "input": {"format": {"type": "audio/pcm"}},
    },
    "tools": [],
    "temperature": 0.7,
}


async def test_forced_fields_are_merged_over_the_session() -> None:
    """What is not forced stays as it was asked for."""
    async with calling(session=FORCED) as service:
        await minted(service, {"model": MODEL, "session": ASKED})
        assert service.provider.mint.requests[0].json()["session"] == SENT


async def test_a_session_beside_the_offer_is_no_way_around() -> None:
    """It takes the minted one's place, the forced fields over it."""
    async with calling(session=FORCED, safety_identifier=True) as service:
        body = {"model": MODEL, "safety_identifier": "ada"}
        token = (await minted(service, body)).json()["value"]
        files = {
            "sdp": (None, OFFER, "application/sdp"),
            "session": (None, json.dumps({"type": "realtime", **ASKED}), "application/json"),
        }
        await service.client.post("/v1/realtime/calls", files=files, headers=bearer(token))
        (request,) = service.provider.call.requests
        sent = request.body.split(b"\r\n\r\n")[-1].split(b"\r\n--")[0]
        assert json.loads(sent) == SENT
        # In this flow it is the call that tells OpenAI who the end user is.
        minted_for = service.provider.mint.requests[0].headers["openai-safety-identifier"]
        assert request.headers["openai-safety-identifier"] == minted_for


NESTED = "session.audio.input.transcription.model"


def transcribed_by(model: str) -> dict[str, Any]:
    """A session with a model of its own for what is said."""
    return {"audio": {"input": {"transcription": {"model": model}}}}


@pytest.mark.parametrize("kind", ["realtime", "transcription"])
async def test_a_nested_model_must_be_allowed_too(kind: str) -> None:
    """Another field is no way around the list of models."""
    async with calling(models=(("voice", "scribe-*"),)) as service:
        for nested, status in (("scribe-1", 200), ("forbidden", 403)):
            session = {"type": kind, **transcribed_by(nested)}
            response = await minted(service, {"model": MODEL, "session": session})
            assert response.status_code == status
        assert (error(response)["code"], error(response)["param"]) == ("model_not_allowed", NESTED)
        assert len(service.provider.requests) == 1


async def test_a_nested_model_beside_the_offer_must_be_allowed_too() -> None:
    """By what the policy was when the token was minted; the token stays good."""
    async with calling(models=(("voice", "scribe-*"),)) as service:
        token = (await minted(service)).json()["value"]
        for nested, status in (("forbidden", 403), ("scribe-1", 201)):
            session = json.dumps({"type": "realtime", **transcribed_by(nested)})
            files = {
                "sdp": (None, OFFER, "application/sdp"),
                "session": (None, session, "application/json"),
            }
            if status == 201:
                headers = {"location": "/v1/realtime/calls/rtc_1"}
                service.provider.call.answers(201, ANSWER, headers=headers)
            response = await service.client.post(
                "/v1/realtime/calls", files=files, headers=bearer(token)
            )
            assert response.status_code == status, response.text
        assert len(service.provider.call.requests) == 1


async def test_a_forced_model_for_transcription_needs_no_leave() -> None:
    """It is the operator who names it."""
    async with calling(models=(("voice",),), session=transcribed_by("scribe-1")) as service:
        await minted(service)
        sent = service.provider.mint.requests[0].json()["session"]
        assert sent["audio"] == transcribed_by("scribe-1")["audio"]


async def test_the_end_user_reaches_the_provider_as_a_hash() -> None:
    """The raw id goes nowhere; with no end user, there is no header."""
    async with calling(safety_identifier=True) as service:
        named_user = {"model": MODEL, "safety_identifier": "ada@example.com"}
        for body in (named_user, named_user, {"model": MODEL}):
            await minted(service, body)
        first, again, nobody = (request.headers for request in service.provider.mint.requests)
        assert first["openai-safety-identifier"] == again["openai-safety-identifier"]
        assert len(first["openai-safety-identifier"]) == 64
        assert "openai-safety-identifier" not in nobody
        assert b"ada@example.com" not in b"".join(r.body for r in service.provider.requests)


async def test_an_end_user_is_named_only_where_the_policy_says_so() -> None:
    """400 that names the field, before anything is minted."""
    async with calling() as service:
        response = await minted(service, {"model": MODEL, "safety_identifier": "ada"})
        assert (response.status_code, error(response)["param"]) == (400, "safety_identifier")
        assert not service.provider.requests


@pytest.mark.parametrize("given", [7, "", "x" * 257, ["ada"], {}])
async def test_an_end_user_is_a_short_text(given: object) -> None:
    """Anything else is a 400."""
    async with calling(safety_identifier=True) as service:
        response = await minted(service, {"model": MODEL, "safety_identifier": given})
        assert (response.status_code, error(response)["param"]) == (400, "safety_identifier")


async def test_the_default_policy_is_everybodys() -> None:
    """The master's too; an entry of its own rules over it."""
    async with running(policy=Policy(models=((),))) as service:
        assert (await service.mint()).status_code == 403
    master = named("master", models=(("voice",),))
    async with running(policy=Policy(models=((),)), callers=(master,)) as service:
        assert (await service.mint()).status_code == 200


async def test_a_rate_of_mints_is_kept() -> None:
    """OpenAI's headers tell what is left; the one too many is refused before the provider."""
    async with calling(mints_per_minute=2) as service:
        responses = [await minted(service) for _ in range(3)]
        assert [response.status_code for response in responses] == [200, 200, 429]
        assert len(service.provider.mint.requests) == 2
        assert (await service.mint(headers=bearer(OTHER))).status_code == 200
    limits = [response.headers["x-ratelimit-limit-requests"] for response in responses]
    left = [response.headers["x-ratelimit-remaining-requests"] for response in responses]
    assert (limits, left) == (["2"] * 3, ["1", "0", "0"])
    refused = responses[2]
    assert error(refused)["code"] == "rate_limit_exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["x-ratelimit-reset-requests"].endswith("s")
    assert "x-should-retry" not in refused.headers


async def test_requests_that_are_refused_anyway_do_not_count() -> None:
    """A typo costs nothing."""
    async with calling(mints_per_minute=1, models=(("voice",),)) as service:
        for body in ({"model": "other"}, {"model": 7}, {"session": 7}):
            assert (await minted(service, body)).status_code in (400, 403)
        assert (await minted(service)).status_code == 200


async def test_a_rate_of_calls_is_kept_and_its_token_given_back() -> None:
    """The second caller of the minute waits, and then its token still serves."""
    async with calling(calls_per_minute=1) as service:
        first, second = [(await minted(service)).json()["value"] for _ in range(2)]
        accepted, refused = await service.call(first), await service.call(second)
        assert accepted.headers["x-ratelimit-remaining-requests"] == "0"
        assert (refused.status_code, error(refused)["code"]) == (429, "rate_limit_exceeded")
        assert len(service.provider.call.requests) == 1
        looked = await service.client.post(
            "/v1/realtime/client_secrets/introspect", json={"token": second}, headers=bearer(KEY)
        )
        assert looked.json()["uses_left"] == 1


async def test_replays_do_not_use_up_the_rate_of_calls() -> None:
    """Whoever holds a spent token cannot lock its caller out."""
    async with calling(calls_per_minute=2) as service:
        first, second = [(await minted(service)).json()["value"] for _ in range(2)]
        assert (await service.call(first)).status_code == 201
        assert {(await service.call(first)).status_code for _ in range(5)} == {401}
        assert (await service.call(second)).status_code == 201


async def test_a_caller_ends_its_own_calls_only() -> None:
    """Another's do not exist for it; the master may end any."""
    async with calling() as service:
        for key, status in ((OTHER, 404), (KEY, 200)):
            token = (await minted(service)).json()["value"]
            location = (await service.call(token)).headers["location"]
            ended = await service.client.post(f"{location}/hangup", headers=bearer(key))
            assert ended.status_code == status
        assert len(service.provider.live_calls) == 1


async def test_guessing_keys_leaves_a_trace(caplog: pytest.LogCaptureFixture) -> None:
    """Wherever it is tried."""
    caplog.set_level(logging.INFO, "signaller.audit")
    async with calling() as service:
        for path in ("/v1/models", "/metrics"):
            assert (await service.client.get(path, headers=bearer("guess"))).status_code == 401
            assert (await service.client.get(path, headers=bearer(MASTER_KEY))).status_code == 200
    lines = [(line.getMessage(), line.__dict__["fields"]["outcome"]) for line in caplog.records]
    assert lines == [("models", "invalid_api_key"), ("metrics", "invalid_api_key")]


async def test_a_storm_of_replays_hangs_up_once() -> None:
    """Whoever holds a spent token cannot make the service busy the provider."""
    async with calling(on_replay="hangup") as service:
        token = (await minted(service)).json()["value"]
        assert (await service.call(token)).status_code == 201
        service.provider.hangup.holds()
        storm = [asyncio.create_task(service.call(token)) for _ in range(30)]
        await service.provider.hangup.arrived()
        service.provider.hangup.release()
        assert {response.status_code for response in await asyncio.gather(*storm)} == {401}
        assert (await service.call(token)).status_code == 401
        assert len(service.provider.hangup.requests) == 1
        assert service.provider.live_calls == set()
