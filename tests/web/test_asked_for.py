"""Nothing that a client asks for is lost in silence: it is done, or refused by name."""

import json
from typing import Any

import pytest

from tests.support.provider import parts
from tests.support.service import (
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

KEY = "sk-canary-web-0123456789abcdef"
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("instructions", "Be kind.", "session.instructions"),
        ("voice", "marin", "session.audio.output.voice"),
        ("expires_in", 600, "expires_after.seconds"),
        ("turn_detection", {"type": "server_vad"}, "session.audio.input.turn_detection"),
        ("input_audio_transcription", {}, "session.audio.input.transcription"),
        ("modalities", ["audio"], "session.output_modalities"),
        ("tools", [], "session.tools"),
        ("max_response_output_tokens", 9, "session.max_output_tokens"),
        ("type", "realtime", "session.type"),
        ("user", "ann", "safety_identifier"),
        (
            "temperature",
            0.8,
            "expires_after, max_call_seconds, metadata, model, safety_identifier, session",
        ),
    ],
)
async def test_a_field_beside_the_session_is_refused_by_name(
    field: str, value: object, place: str
) -> None:
    """400 that says where it belongs; the rate is not touched, the provider not asked."""
    async with running(callers=(named("web", KEY, mints_per_minute=1),)) as service:
        response = await service.mint({"model": MODEL, field: value}, headers=bearer(KEY))
        found = error(response)
        assert (response.status_code, found["code"]) == (400, "unknown_parameter")
        assert found["param"] == field
        assert place in found["message"]
        assert service.provider.requests == []
        assert (await service.mint(headers=bearer(KEY))).status_code == 200


async def test_two_models_that_differ_are_refused() -> None:
    """Which one was meant, nobody can tell; the same one twice is fine."""
    async with running() as service:
        refused = await service.mint({"model": MODEL, "session": {"model": "other"}})
        assert (refused.status_code, error(refused)["param"]) == (400, "session.model")
        same = await service.mint({"model": MODEL, "session": {"model": MODEL}})
        assert same.status_code == 200


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
async def test_a_mint_must_say_that_it_is_json(content_type: str | None) -> None:
    """A page can send any of these to another site without asking it first."""
    async with running() as service:
        headers = bearer(
            service.settings.master_key.reveal() if service.settings.master_key else ""
        )
        given = headers | ({"content-type": content_type} if content_type else {})
        refused = await service.mint(content=json.dumps({"model": MODEL}).encode(), headers=given)
        assert (refused.status_code, error(refused)["code"]) == (415, "unsupported_media_type")
        assert service.provider.requests == []


async def test_an_empty_mint_is_for_the_only_model() -> None:
    """Where the caller may use exactly one."""
    async with running(callers=(named("web", KEY), named("two", KEY + "2"))) as service:
        response = await service.mint({}, headers=bearer(KEY))
        assert response.status_code == 200
        assert response.json()["session"]["model"] == UPSTREAM_MODEL


async def test_with_two_models_an_empty_mint_names_none() -> None:
    """The policy may leave one; a pattern is never one."""
    callers = (named("web", KEY), named("two", KEY + "2", models=(("other",),)))
    async with running() as base:
        url = base.settings.deployments[0].base_url
        both = (deployment(url), deployment(url, id="d2", model_name="other"))
        any_name = (deployment(url, model_name="*", upstream_model="*"),)
        async with running(deployments=both, callers=callers) as service:
            refused = await service.mint({}, headers=bearer(KEY))
            assert (refused.status_code, error(refused)["param"]) == (400, "model")
            assert (await service.mint({}, headers=bearer(KEY + "2"))).status_code == 200
        async with running(deployments=any_name, callers=callers) as service:
            assert (await service.mint({}, headers=bearer(KEY))).status_code == 400


@pytest.mark.parametrize("model", [None, MODEL, UPSTREAM_MODEL])
async def test_a_session_beside_the_offer_may_name_the_model_as_the_mint_answered(
    model: str | None,
) -> None:
    """The provider's own name for it is what our mint has told."""
    async with running() as service:
        token = await service.token()
        session = {"instructions": "Be kind."} | ({"model": model} if model else {})
        called = await service.call_with(token, session)
        assert called.status_code == 201
        sent = json.loads(parts(service.provider.call.requests[0])["session"])
        assert sent["model"] == UPSTREAM_MODEL


@pytest.mark.parametrize("preamble", [b"\r\n", b"A message in parts.\r\n", b"a\r\n--b\r\n"])
async def test_a_preamble_before_the_first_part_is_legal(preamble: bytes) -> None:
    """It means nothing (RFC 2046, 5.1.1)."""
    body = (
        preamble
        + b'--xyz\r\nContent-Disposition: form-data; name="sdp"\r\n\r\n'
        + OFFER
        + b"\r\n--xyz--\r\n"
    )
    async with running() as service:
        token = await service.token()
        headers = bearer(token) | {"content-type": "multipart/form-data; boundary=xyz"}
        called = await service.client.post("/v1/realtime/calls", content=body, headers=headers)
        assert called.status_code == 201
        assert service.provider.call.requests[0].body == OFFER


NESTED: list[dict[str, Any]] = [
    {"audio": {"input": {"transcription": {"model": "scribe"}}}},
    {"input_audio_transcription": {"model": "scribe"}},
    {"delegate": {"model": "scribe"}},
    {"agents": [{"model": "scribe"}]},
]
PLACES = [
    "session.audio.input.transcription.model",
    "session.input_audio_transcription.model",
    "session.delegate.model",
    "session.agents[0].model",
]


@pytest.mark.parametrize(("session", "place"), list(zip(NESTED, PLACES, strict=True)), ids=PLACES)
async def test_a_model_is_held_against_the_policy_wherever_it_stands(
    session: dict[str, Any], place: str
) -> None:
    """At a mint, and beside an offer."""
    async with running(callers=(named("web", KEY, models=((MODEL,),)),)) as service:
        refused = await service.mint({"model": MODEL, "session": session}, headers=bearer(KEY))
        assert (refused.status_code, error(refused)["code"]) == (403, "model_not_allowed")
        assert error(refused)["param"] == place
        assert service.provider.requests == []


@pytest.mark.parametrize("session", NESTED, ids=PLACES)
async def test_an_alias_is_resolved_wherever_it_stands(session: dict[str, Any]) -> None:
    """The provider gets its own name."""
    aliases = {("openai", "scribe"): "gpt-4o-transcribe"}
    async with running(aliases=aliases) as service:
        await service.mint({"model": MODEL, "session": session})
        sent = json.dumps(service.provider.mint.requests[0].json()["session"])
        assert "scribe" in json.dumps(session)
        assert "gpt-4o-transcribe" in sent
        assert '"scribe"' not in sent


@pytest.mark.parametrize("session", NESTED, ids=PLACES)
async def test_a_provider_before_a_nested_name_never_goes_upstream(session: dict[str, Any]) -> None:
    """As LiteLLM's users write names; an alias is known with it and without."""
    written = json.loads(json.dumps(session).replace("scribe", "openai/scribe"))
    for aliases, sent in (({}, "scribe"), ({("openai", "scribe"): "whisper-9"}, "whisper-9")):
        async with running(aliases=aliases) as service:
            await service.mint({"model": MODEL, "session": written})
            upstream = json.dumps(service.provider.mint.requests[0].json()["session"])
            assert f'"{sent}"' in upstream
            assert "openai/" not in upstream


async def test_a_tools_own_words_are_no_models() -> None:
    """The schema of a tool may have a property of that name."""
    tool = {"type": "function", "name": "f", "parameters": {"properties": {"model": {}}}}
    session = {"tools": [tool], "prompt": {"variables": {"model": "x"}}}
    async with running(callers=(named("web", KEY, models=((MODEL,),)),)) as service:
        response = await service.mint({"model": MODEL, "session": session}, headers=bearer(KEY))
        assert response.status_code == 200
        assert service.provider.mint.requests[0].json()["session"]["tools"] == [tool]


@pytest.mark.parametrize(
    ("setting", "query", "sent"),
    [
        ("client", "", ""),
        ("client", "?webrtcfilter=on", "webrtcfilter=on"),
        ("client", "?webrtcfilter=off", ""),
        ("on", "", "webrtcfilter=on"),
        ("on", "?webrtcfilter=off", "webrtcfilter=on"),
        ("off", "?webrtcfilter=on", ""),
    ],
)
async def test_azures_filter_goes_to_azure(setting: str, query: str, sent: str) -> None:
    """The operator's word rules over the browser's."""
    async with running() as base:
        url = base.settings.deployments[0].base_url
        azure = deployment(url, provider="azure", webrtcfilter=setting)
        async with running(deployments=(azure,)) as service:
            token = await service.token()
            called = await service.call(token, path=f"/v1/realtime/calls{query}")
            assert called.status_code == 201
        assert base.provider.call.requests[0].query == sent


@pytest.mark.parametrize("query", ["on", "yes", "", "on&webrtcfilter=on"])
async def test_a_filter_that_nobody_applies_is_refused(query: str) -> None:
    """OpenAI has none: the client would see what it was to hide."""
    async with running() as service:
        token = await service.token()
        path = f"/v1/realtime/calls?webrtcfilter={query}"
        refused = await service.call(token, path=path)
        assert (refused.status_code, error(refused)["param"]) == (400, "webrtcfilter")
        assert error(refused)["token"] == "unspent"
        assert (await service.call(token)).status_code == 201


async def test_other_parameters_are_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Their names, not their values."""
    caplog.set_level("INFO")
    async with running() as service:
        token = await service.token()
        path = "/v1/realtime/calls?model=x&region=canary&debug=1"
        assert (await service.call(token, path=path)).status_code == 201
    (line,) = [record for record in caplog.records if record.msg == "call"]
    assert line.__dict__["fields"]["ignored_parameters"] == ["debug", "region"]
    assert "canary" not in str(line.__dict__["fields"])


async def test_the_safety_identifier_may_come_as_a_header() -> None:
    """As OpenAI's API takes it; it counts as the field does, and two that differ are a 400."""
    header = {"openai-safety-identifier": "ann"}
    callers = (named("web", KEY, safety_identifier=True), named("two", KEY + "2"))
    async with running(callers=callers) as service:
        for body in ({"model": MODEL}, {"model": MODEL, "safety_identifier": "ann"}):
            assert (await service.mint(body, headers=bearer(KEY) | header)).status_code == 200
        by_header, by_field = service.provider.mint.requests
        sent = by_header.headers["openai-safety-identifier"]
        assert sent == by_field.headers["openai-safety-identifier"] != "ann"
        differs = {"model": MODEL, "safety_identifier": "bob"}
        for given, key in ((differs, KEY), ({"model": MODEL}, KEY + "2")):
            refused = await service.mint(given, headers=bearer(key) | header)
            assert (refused.status_code, error(refused)["param"]) == (400, "safety_identifier")


async def minted_from(service: Service, origin: str) -> int:
    """The status of a mint by a page of this origin."""
    return (await service.mint(headers=bearer(KEY) | {"origin": origin})).status_code


async def test_a_page_that_nobody_named_may_not_mint() -> None:
    """A gateway's cookie would make it a request across sites."""
    listed, own = "https://app.example", "capacitor://localhost"
    callers = (named("web", KEY, origins=(own,)), named("two", KEY + "2"))
    public_url = "https://voice.example"
    async with running(callers=callers, cors_origins=(listed,), public_url=public_url) as service:
        for origin in ("https://evil.example", "null", "https://voice.example.evil.example"):
            for key in (KEY, KEY + "2"):
                refused = await service.mint(headers=bearer(key) | {"origin": origin})
                found = error(refused)
                assert (refused.status_code, found["code"]) == (403, "origin_not_allowed")
        assert await minted_from(service, own) == 200
        for origin in (listed, service.url, public_url):
            answered = await service.mint(headers=bearer(KEY + "2") | {"origin": origin})
            assert answered.status_code == 200


async def test_any_page_may_where_all_are_named() -> None:
    """`*` is the operator's word."""
    async with running(callers=(named("web", KEY),), cors_origins=("*",)) as service:
        assert await minted_from(service, "https://anywhere.example") == 200


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://voice.example", "voice.example:443"),
        ("http://voice.example", "voice.example:80"),
        ("https://voice.example", "voice.example"),
        ("https://voice.example:8443", "voice.example:8443"),
        ("https://VOICE.example", "voice.example"),
    ],
)
async def test_our_own_page_may_ask_behind_whatever_names_the_port(origin: str, host: str) -> None:
    """Proxies write a default port that browsers leave out."""
    async with running(callers=(named("web", KEY),)) as service:
        headers = bearer(KEY) | {"origin": origin, "host": host}
        assert (await service.mint(headers=headers)).status_code == 200
        elsewhere = headers | {"host": "voice.example:9999"}
        assert (await service.mint(headers=elsewhere)).status_code == 403


async def test_a_nested_model_may_go_by_the_providers_name_too() -> None:
    """As our mint has answered it, in a transcription session beside the offer."""
    nested = {"audio": {"input": {"transcription": {"model": UPSTREAM_MODEL}}}}
    callers = (named("web", KEY, models=((MODEL,),)),)
    async with running(callers=callers) as service:
        minted = await service.mint(
            {"model": MODEL, "session": {"type": "transcription"}}, headers=bearer(KEY)
        )
        called = await service.call_with(minted.json()["value"], nested)
        assert called.status_code == 201
        sent = json.loads(parts(service.provider.call.requests[0])["session"])
        assert sent["audio"]["input"]["transcription"]["model"] == UPSTREAM_MODEL


@pytest.mark.parametrize("name", ["second", "minutes"])
async def test_a_slip_in_expires_after_is_refused_by_name(name: str) -> None:
    """Otherwise the token would live for ten minutes, and nobody would know why."""
    async with running() as service:
        refused = await service.mint({"model": MODEL, "expires_after": {name: 60}})
        found = error(refused)
        assert (refused.status_code, found["code"]) == (400, "unknown_parameter")
        assert found["param"] == f"expires_after.{name}"


async def test_a_long_name_is_not_quoted_in_part() -> None:
    """Half of a key would not be recognised as one."""
    key = "0123456789abcdef" * 4
    async with running(callers=(named("web", key),)) as service:
        refused = await service.mint({"model": MODEL, key: 1}, headers=bearer(key))
        assert refused.status_code == 400
        assert key[:16] not in refused.text


FORM = {"content-type": "multipart/form-data; boundary=xyz"}
SDP_PART = b'--xyz\r\nContent-Disposition: form-data; name="sdp"\r\n\r\n' + OFFER + b"\r\n"
SESSION_PART = (
    b'--xyz\r\nContent-Disposition: form-data; name="%b"\r\n\r\n{"instructions": "Be safe."}\r\n'
)


@pytest.mark.parametrize("lost", [1, 4, 5, 9, 20, 60])
async def test_a_form_that_is_cut_off_is_refused(lost: int) -> None:
    """The session at its end would be lost in silence."""
    body = (SDP_PART + SESSION_PART % b"session" + b"--xyz--")[:-lost]
    async with running() as service:
        token = await service.token()
        refused = await service.client.post(
            "/v1/realtime/calls", content=body, headers=bearer(token) | FORM
        )
        assert (refused.status_code, error(refused)["token"]) == (400, "unspent")
        assert service.provider.call.requests == []


async def test_a_part_by_another_name_is_refused() -> None:
    """`Session` is not `session`."""
    body = SDP_PART + SESSION_PART % b"Session" + b"--xyz--\r\n"
    async with running() as service:
        token = await service.token()
        refused = await service.client.post(
            "/v1/realtime/calls", content=body, headers=bearer(token) | FORM
        )
        found = error(refused)
        assert (found["code"], found["param"]) == ("unknown_parameter", "Session")


async def test_a_person_is_the_same_in_a_header_and_in_a_field() -> None:
    """UTF-8 in both; two headers name nobody."""
    header = {"openai-safety-identifier": "jos\u00e9".encode()}
    callers = (named("web", KEY, safety_identifier=True),)
    async with running(callers=callers) as service:
        given = [(name.encode(), value.encode()) for name, value in bearer(KEY).items()]
        sent = [*given, *((name.encode(), value) for name, value in header.items())]
        both = {"model": MODEL, "safety_identifier": "jos\u00e9"}
        assert (await service.mint(both, headers=sent)).status_code == 200
        twice = [*sent, *((name.encode(), value) for name, value in header.items())]
        assert (await service.mint(headers=twice)).status_code == 400


async def test_a_session_that_names_too_many_models_is_refused() -> None:
    """They travel in the token, which has a limit."""
    async with running() as service:
        session = {"agents": [{"model": f"model-{number}"} for number in range(100)]}
        refused = await service.mint({"model": MODEL, "session": session})
        assert (refused.status_code, error(refused)["param"]) == (400, "session")
