"""What of a caller's session goes upstream."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaller.errors import InvalidRequest
from signaller.model import Deployment, Provider
from signaller.realtime.deployments import resolve
from signaller.realtime.sessions import MintRequest, parse_mint_request, upstream_session


def deployment(model_name: str = "voice", upstream_model: str = "gpt-realtime-2") -> Deployment:
    """An OpenAI deployment."""
    return Deployment(
        id="d",
        model_name=model_name,
        provider="openai",
        upstream_model=upstream_model,
        base_url="http://127.0.0.1:1",
    )


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"model": "voice"}, id="LiteLLM's"),
        pytest.param({"session": {"type": "realtime", "model": "voice"}}, id="OpenAI's"),
        pytest.param({"model": "voice", "session": {"voice": "x"}}, id="both"),
        pytest.param({"model": "voice", "session": None, "expires_after": None}, id="nulls"),
    ],
)
def test_both_shapes_name_the_model(body: dict[str, Any]) -> None:
    """A session without a type is a realtime one."""
    request = parse_mint_request(body)
    assert (request.model, request.session["type"]) == ("voice", "realtime")


TRANSCRIPTION = "session.audio.input.transcription"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "model"),
        ({"model": 7}, "model"),
        ({"model": ""}, "model"),
        ({"model": "x" * 255}, "model"),
        ({"model": "m", "session": []}, "session"),
        ({"session": {"model": {}}}, "session.model"),
        ({"model": "m", "session": {"type": "translation"}}, "session.type"),
        ({"model": "m", "session": {"type": None}}, "session.type"),
        ({"model": "m", "session": {"audio": 1}}, "session.audio"),
        ({"model": "m", "session": {"audio": {"input": 1}}}, "session.audio.input"),
        ({"model": "m", "session": {"audio": {"input": {"transcription": 1}}}}, TRANSCRIPTION),
        (
            {"model": "m", "session": {"audio": {"input": {"transcription": {"model": 1}}}}},
            f"{TRANSCRIPTION}.model",
        ),
        ({"model": "m", "expires_after": 60}, "expires_after"),
        ({"model": "m", "expires_after": {"anchor": "x", "seconds": 60}}, "expires_after.anchor"),
        *(
            ({"model": "m", "expires_after": {"seconds": seconds}}, "expires_after.seconds")
            for seconds in (9, 7201, 60.0, "60", True, -1)
        ),
    ],
)
def test_a_wrong_field_is_named(body: dict[str, Any], param: str) -> None:
    """The error's param is the field's path."""
    with pytest.raises(InvalidRequest) as refused:
        parse_mint_request(body)
    assert refused.value.param == param


@pytest.mark.parametrize("seconds", [10, 60, 7200])
def test_the_bounds_of_expires_after_are_allowed(seconds: int) -> None:
    """10 to 7200, both included."""
    body = {"model": "m", "expires_after": {"anchor": "created_at", "seconds": seconds}}
    assert parse_mint_request(body).ttl_seconds == seconds


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["voice", "tools", "instructions", "x"]), JSON))
def test_a_session_goes_upstream_untouched_but_for_the_model(session: dict[str, Any]) -> None:
    """Nothing the client asked for is lost or added, type and model aside."""
    request = parse_mint_request({"model": "voice", "session": session})
    sent = sent_upstream(request)
    assert sent == {**session, "type": "realtime", "model": "gpt-realtime-2"}


def sent_upstream(
    request: MintRequest, aliases: Mapping[tuple[Provider, str], str] | None = None
) -> dict[str, Any]:
    """The session as the provider gets it."""
    return upstream_session(request.session, request.model, deployment(), aliases or {})


def test_a_nested_alias_is_resolved_and_its_neighbours_kept() -> None:
    """The transcription model of a realtime session may be an alias too."""
    audio = {"input": {"transcription": {"model": "scribe", "language": "de"}, "format": "pcm"}}
    request = parse_mint_request({"model": "voice", "session": {"audio": audio}})
    sent = upstream_session(
        request.session, request.model, deployment(), {("openai", "scribe"): "gpt-4o-transcribe"}
    )
    transcription = {"model": "gpt-4o-transcribe", "language": "de"}
    assert sent["audio"] == {"input": {"transcription": transcription, "format": "pcm"}}
    assert audio["input"]["transcription"] == {"model": "scribe", "language": "de"}


def test_a_nested_name_that_is_no_alias_is_the_providers_own() -> None:
    """An unknown nested model goes upstream as it is."""
    audio = {"input": {"transcription": {"model": "whisper-1"}}}
    request = parse_mint_request({"model": "voice", "session": {"audio": audio}})
    assert sent_upstream(request)["audio"] == audio


def test_a_transcription_session_is_routed_by_its_nested_model() -> None:
    """It has no other; the provider gets its own name for it, and no `model` beside."""
    audio = {"input": {"transcription": {"model": "voice"}}}
    request = parse_mint_request({"session": {"type": "transcription", "audio": audio}})
    assert request.model == "voice"
    assert sent_upstream(request) == {
        "type": "transcription",
        "audio": {"input": {"transcription": {"model": "gpt-realtime-2"}}},
    }


@pytest.mark.parametrize(
    ("pattern", "upstream", "model", "served"),
    [
        ("voice", "gpt-realtime-2", "voice", "gpt-realtime-2"),
        ("voice", "gpt-realtime-2", "voices", None),
        ("*", "*", "gpt-realtime", "gpt-realtime"),
        ("openai/*", "*", "openai/gpt-realtime", "gpt-realtime"),
        ("openai/*", "*", "azure/gpt-realtime", None),
        ("gpt-*-x", "gpt-*", "gpt-4-x", "gpt-4"),
        ("aa*aa", "*", "aaa", None),
        ("*", "fixed", "anything", "fixed"),
    ],
)
def test_patterns(pattern: str, upstream: str, model: str, served: str | None) -> None:
    """What a pattern's star matched fills the upstream model's star."""
    found = resolve(deployment(pattern, upstream), model)
    assert (found and found.upstream_model) == served
