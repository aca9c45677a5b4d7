"""What `signaller check` prints about those who may call."""

import hashlib

import pytest

from signaller.config import describe, load_settings
from tests.config.reading import ENV, service_file
from tests.config.test_describe import listed

SECTION = """{
  cors_origins: [https://a, https://b],
  policy: {models: ["*"], mints_per_minute: 60, calls_per_minute: 1},
  callers: [
    {name: web, keys: [WEB, "DIGEST"], origins: [https://a, https://b], token_ttl_seconds: 30,
     token_uses: 1, on_replay: hangup, safety_identifier: true, session: {voice: hidden, b: 1}},
    {name: mobile, mints_per_minute: 600, models: [], token_uses: 2},
    {name: one, keys: [ONE], models: [voice, a*, b*, c*, d*, e*, f*], token_ttl_seconds: 20},
  ],
  gateway: {
    jwt: {issuer: https://id.example, audience: voice, jwks_url: "https://id.example/k?canary",
          algorithms: [RS256, ES256], required_scope: call,
          claims: {models: scope, models_prefix: "model:", token_uses: uses}},
    header: {name: X-Caller, trusted: [10.0.0.0/8, unix], end_user: X-User},
  },
  metrics: {key: METRICS, port: 9464, host: "::1"},
}"""
KEYS = {
    "WEB": "web-key-canary-0123",
    "DIGEST": f"sha256:{hashlib.sha256(b'x').hexdigest()}",
    "ONE": "one-key-canary-0123",
    "METRICS": "metrics-key-canary",
}


def described(section: str, env: dict[str, str] | None = None) -> str:
    """What is said of a section of ours."""
    return describe(load_settings(service_file(section), env or ENV))


def test_callers_and_gateway_in_words() -> None:
    """A line for each, nobody left out, and neither a key nor a digest."""
    section = SECTION
    for name, key in KEYS.items():
        section = section.replace(name, key)
    text = described(section)
    for line in (
        "CALLER       KNOWN BY    MAY",
        "web          2 keys      models *; origins https://a, https://b; token_ttl_seconds 30; "
        "token_uses 1; mints_per_minute 60; calls_per_minute 1; session overrides voice, b; "
        "on_replay hangup; safety_identifier true",
        "mobile       gateway     models none; token_uses 2; mints_per_minute 600; "
        "calls_per_minute 1",
        "one          1 key       models voice, a*, b*, c*, d* and 2 more; token_ttl_seconds 20; "
        "mints_per_minute 60; calls_per_minute 1",
        "master       master key  models *; mints_per_minute 60; calls_per_minute 1",
        "(any other)  gateway     models *; mints_per_minute 60; calls_per_minute 1",
    ):
        assert f"\n{line}\n" in text
    for key, value in (
        ("gateway.jwt.issuer", "https://id.example"),
        ("gateway.jwt.audience", "voice"),
        ("gateway.jwt.algorithms", "RS256, ES256"),
        ("gateway.jwt.jwks_url", "https://id.example/k"),
        ("gateway.jwt.required_scope", "call"),
        ("gateway.jwt.claims.caller", "sub"),
        ("gateway.jwt.claims.end_user", "sub"),
        ("gateway.jwt.claims.models", "scope"),
        ("gateway.jwt.claims.models_prefix", "model:"),
        ("gateway.jwt.claims.token_uses", "uses"),
        ("gateway.header.name", "x-caller"),
        ("gateway.header.trusted", "10.0.0.0/8, unix"),
        ("gateway.header.end_user", "x-user"),
        ("metrics.key", "****"),
        ("metrics.port", "9464"),
        ("metrics.host", "::1"),
    ):
        assert listed(text)[f"signaller.{key}"][0] == value
    assert "canary" not in text
    assert KEYS["DIGEST"].removeprefix("sha256:") not in text
    assert "hidden" not in text


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        pytest.param("{callers: [{name: web, keys: [a-key-of-length-17]}]}", False, id="caller"),
        pytest.param("{gateway: {header: {name: x-caller, trusted: [unix]}}}", False, id="gateway"),
        pytest.param("{callers: [{name: master}]}", True, id="master"),
    ],
)
def test_without_a_master_key(section: str, expected: bool) -> None:
    """It is said what follows from that."""
    text = described(section, {"OPENAI_API_KEY": "k"})
    assert listed(text)["general_settings.master_key"] == ("none", "default")
    assert ("nobody can get a token" in text) is expected


def test_an_entry_of_the_master_takes_the_place_of_its_line() -> None:
    """There is one master."""
    text = described("{callers: [{name: master, token_uses: 3}]}")
    assert "\nmaster  master key  token_uses 3\n" in text
    assert text.count("\nmaster  ") == 1
