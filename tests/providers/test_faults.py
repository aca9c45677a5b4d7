"""Error answers: what is kept, what is hidden, and when to come back."""

import json
import time
from email.utils import formatdate

import httpx
import pytest

from signaller.errors import (
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamRefused,
    UpstreamUnavailable,
)
from signaller.masking import NOTHING_HELD
from signaller.providers.faults import Fault, as_error, parse_fault
from signaller.providers.openai import OpenAI
from signaller.secret import Secret
from signaller.settings import Timeouts
from tests.providers.canaries import API_KEY, EPHEMERAL, assert_silent, deployment, taking
from tests.support.provider import FakeProvider

NOW = 1_800_000_000.0
KNOWN = NOTHING_HELD.also(Secret(API_KEY), Secret(EPHEMERAL))


def judged(status: int, body: object, headers: dict[str, str] | None = None) -> UpstreamError:
    """The error for an answer."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    fault = parse_fault(status, headers or {}, raw, KNOWN, NOW)
    return as_error(fault, "mint at d1", KNOWN)


def saying(message: str) -> dict[str, object]:
    """An error body with this message."""
    return {"error": {"message": message, "type": "invalid_request_error", "code": "bad"}}


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422])
def test_a_refusal_keeps_what_the_provider_said(status: int) -> None:
    """Status, type, code, param and a harmless message reach the client."""
    body = {
        "error": {
            "message": "No 'session.audio[0]' for gpt-4o-mini-transcribe-2025-03-20.",
            "type": "invalid_request_error",
            "code": "unknown_parameter",
            "param": "session.audio[0]",
        }
    }
    error = judged(status, body)
    assert type(error) is UpstreamRefused
    assert (error.status, error.type, error.code, error.param, error.public) == (
        status,
        "invalid_request_error",
        "unknown_parameter",
        "session.audio[0]",
        body["error"]["message"],
    )
    assert (error.no_call_began, error.fails_over, error.should_retry) == (True, False, False)


@pytest.mark.parametrize("status", [301, 307, 308])
def test_what_has_to_be_sent_elsewhere_began_nothing(status: int) -> None:
    """The place pointed to is never asked."""
    error = judged(status, b"")
    assert (error.code, error.no_call_began) == ("upstream_invalid_response", True)


@pytest.mark.parametrize("status", [300, 302, 303, 304, 408, 502, 504, 522, 799])
def test_what_may_have_been_done_began_perhaps_a_call(status: int) -> None:
    """An answer to be fetched elsewhere, and gateways that stopped waiting."""
    assert not judged(status, b"").no_call_began


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(f"Key {API_KEY} is wrong", id="our-key"),
        pytest.param(f"Secret {EPHEMERAL} is wrong", id="the-ephemeral-secret"),
        pytest.param("Incorrect: sk-proj-ab**********wxyz", id="masked-key"),
        pytest.param("Try ek_68af296e8e408191a1120ab6383263c2", id="another-secret"),
        pytest.param("You sent Bearer hunter2", id="bearer"),
        pytest.param("You sent api-key: hunter2", id="api-key"),
        pytest.param("You sent API key provided: hunter2", id="api-key-in-words"),
        pytest.param("See eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", id="jwt"),
        pytest.param("It was 0123456789abcdef0123456789abcdef", id="hex"),
        pytest.param("It was Zm9vYmFyYmF6MTIz-Zm9vYmFyYmF6MTIz_Zm9", id="opaque"),
        pytest.param("x " * 245 + f"{'k' * 6} sk-{'a1' * 30}", id="at-the-cut"),
        pytest.param("", id="empty"),
        pytest.param(" \n\x00 ", id="blank"),
    ],
)
def test_a_message_that_might_hold_a_secret_is_replaced(message: str) -> None:
    """Our fixed sentence takes its place, and the log's line is masked."""
    error = judged(400, saying(message))
    assert error.public == "The provider refused the request."
    assert_silent(error)
    for word in message.split():
        if len(word) > 15:
            assert word not in str(error)


def test_a_long_or_wild_message_is_tamed() -> None:
    """At most 500 characters on one line, without what could not be encoded."""
    error = judged(400, b'{"error": {"message": "a\\u0000b\\n' + b"word " * 1000 + b'"}}')
    assert error.public.startswith("a b word")
    assert len(error.public) == 500


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>502</html>", id="html"),
        pytest.param(b"\xff\xfe", id="no-utf-8"),
        pytest.param(b"[]", id="list"),
        pytest.param({"error": None}, id="null"),
        pytest.param({"error": ["x"]}, id="list-in-error"),
        pytest.param({"error": {"message": {"a": 1}, "code": [], "type": {}}}, id="wrong-types"),
        pytest.param(b'{"error": {"message": "\\ud800"}}', id="lone-surrogate"),
        pytest.param(b"[" * 200_000, id="deep"),
    ],
)
def test_malformed_error_bodies_are_tolerated(body: object) -> None:
    """The status alone is enough for an error in the standard shape."""
    error = judged(400, body)
    assert (type(error), error.status, error.type) == (
        UpstreamRefused,
        400,
        "invalid_request_error",
    )
    assert (error.code, error.param) == ("upstream_refused", None)
    assert error.public == "The provider refused the request."


@pytest.mark.parametrize(
    ("body", "code", "public"),
    [
        pytest.param({"error": "No such thing"}, "upstream_refused", "No such thing", id="text"),
        pytest.param({"message": "Gone", "code": 410}, "410", "Gone", id="flat"),
        pytest.param(
            {"error": {"message": "Hm", "code": API_KEY}},
            "upstream_refused",
            "Hm",
            id="key-as-code",
        ),
        pytest.param(
            {"error": {"message": "Hm", "code": "two words"}}, "upstream_refused", "Hm", id="prose"
        ),
        pytest.param(
            {"error": {"message": "Hm", "code": "c" * 101}}, "upstream_refused", "Hm", id="long"
        ),
    ],
)
def test_other_shapes_are_normalised(body: object, code: str, public: str) -> None:
    """Errors as text, flat errors and codes that are none come out in one shape."""
    error = judged(400, body)
    assert (error.code, error.public) == (code, public)
    assert_silent(error)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("step", ["mint", "hangup"])
async def test_a_refused_credential_stays_in_the_log(
    client: httpx.AsyncClient, provider: FakeProvider, url: str, status: int, step: str
) -> None:
    """Where it is our own key, it is a 502 with our own sentence, and the quoted key is masked."""
    text = f"Incorrect API key provided: {API_KEY} (or {EPHEMERAL})"
    getattr(provider, step).answers(status, saying(text))
    with pytest.raises(UpstreamAuthFailed) as caught:
        await taking(step, OpenAI(client, Timeouts()), deployment(url))
    assert (caught.value.status, caught.value.code) == (502, "upstream_auth_failed")
    assert caught.value.public == UpstreamAuthFailed.public
    assert f"{step} at d1: {status}" in str(caught.value)
    assert_silent(caught.value)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, None, id="absent"),
        pytest.param({"retry-after": "7"}, 7, id="seconds"),
        pytest.param({"retry-after": "7", "retry-after-ms": "1500"}, 1.5, id="milliseconds"),
        pytest.param({"retry-after": formatdate(NOW + 30, usegmt=True)}, 30, id="date"),
        pytest.param({"retry-after": formatdate(NOW - 30, usegmt=True)}, 0, id="past"),
        pytest.param({"retry-after": "-5"}, 0, id="negative"),
        pytest.param({"retry-after": "999999"}, 3600, id="capped"),
        pytest.param({"retry-after": "nan"}, None, id="nan"),
        pytest.param({"retry-after": "inf"}, None, id="infinite"),
        pytest.param({"retry-after": "soon"}, None, id="nonsense"),
        pytest.param({"retry-after": ""}, None, id="empty"),
    ],
)
def test_retry_after_is_understood_and_bounded(
    headers: dict[str, str], expected: float | None
) -> None:
    """In every form that providers send, and never longer than a call may last."""
    error = judged(429, saying("Slow down"), headers)
    assert (type(error), error.retry_after) == (UpstreamUnavailable, expected)
    assert (error.status, error.public, error.fails_over) == (429, "Slow down", True)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 529])
def test_overload_keeps_its_status(status: int) -> None:
    """429 and 5xx pass on as they are; without a body, our sentence tells what to do."""
    error = judged(status, b"")
    assert (type(error), error.status, error.code) == (
        UpstreamUnavailable,
        status,
        "upstream_unavailable",
    )
    assert error.public == UpstreamUnavailable.public


def test_the_log_names_the_providers_request_id() -> None:
    """Support asks for it first."""
    error = judged(400, saying("Hm"), {"x-request-id": "req_8a1b2c3d"})
    assert "x-request-id=req_8a1b2c3d" in str(error)
    assert "Hm" in str(error)


@pytest.mark.parametrize(
    "given",
    ["req_0af7651916cd43dd8448eb211c80319c", "0af76519-16cd-43dd-8448-eb211c80319c"],
    ids=["openai", "azure"],
)
def test_request_ids_are_not_taken_for_keys(given: str) -> None:
    """As the providers make them: as long as keys, and as random."""
    assert f"x-request-id={given}" in str(judged(500, b"", {"x-request-id": given}))


@pytest.mark.parametrize(
    "given", [API_KEY, EPHEMERAL, f"req.{API_KEY}", API_KEY.upper(), "sk-other", "a" * 64, "a b"]
)
def test_a_key_as_request_id_is_not_logged(given: str) -> None:
    """It goes through the same masking as the provider's text."""
    error = judged(500, b"", {"x-request-id": given})
    assert "x-request-id=None" in str(error)
    assert given not in str(error)


MIB = 1024 * 1024


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"error":{"message":"' + b"a" * 2 * MIB + b'"}}', id="text"),
        pytest.param(b'{"error":{"message":"' + b"key " * (MIB // 2) + b'"}}', id="words"),
        pytest.param(b'{"error":{"message":"hm"},"a":[' + b"[]," * 600_000 + b"[]]}", id="lists"),
        pytest.param(b'{"error":{"message":"' + b"\\u0041" * 300_000 + b'"}}', id="escapes"),
        pytest.param(b'{"error":{"message":"' + b"key " * 4_000 + b'"}}', id="words-of-16-kib"),
        pytest.param(b'{"error":{"message":"hm"},"a":[' + b"[]," * 5_000 + b"[]]}", id="16-kib"),
    ],
)
def test_a_long_answer_takes_no_time(body: bytes) -> None:
    """While it is worked on nobody else is served: two megabytes took a third of a second."""
    began = time.process_time()
    error = judged(400, body)
    assert time.process_time() - began < 0.1
    assert (error.status, len(error.public) <= 500) == (400, True)


def test_an_explanation_takes_the_messages_place() -> None:
    """Where the provider's text does not help, ours does."""
    fault = Fault(status=404, code="DeploymentNotFound", message="hm")
    error = as_error(fault, "mint at d1", NOTHING_HELD, explanation="Do this.")
    assert (error.public, error.code, error.status) == ("Do this.", "DeploymentNotFound", 404)
