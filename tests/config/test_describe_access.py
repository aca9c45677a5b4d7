"""What `signaller check` prints about those who may call."""

import hashlib

import pytest

from signaller.config import describe, load_settings
from tests.config.reading import ENV, ours

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
    return describe(load_settings(ours(section), env or ENV))


def test_callers_and_gateway_in_words() -> None:
    """A line for each, nobody left out, and neither a key nor a digest."""
    section = SECTION
    for name, key in KEYS.items():
        section = section.replace(name, key)
    text = described(section)
    for line in (
        "CALLER       KNOWN BY    MAY",
        "web          2 keys      models *; from https://a, https://b; tokens start 1 call within "
        "30 s; 60 mints and 1 call a minute; session fixed in voice, b; a replay hangs up; "
        "may name end users",
        "mobile       gateway     no model; tokens start 2 calls; 600 mints and 1 call a minute",
        "one          1 key       models voice, a*, b*, c*, d* and 2 more; tokens live 20 s; "
        "60 mints and 1 call a minute",
        "master       master key  models *; 60 mints and 1 call a minute",
        "(any other)  gateway     models *; 60 mints and 1 call a minute",
        "gateway       JWTs of https://id.example for voice with scope call, by RS256 or ES256, "
        "keys from https://id.example/k; caller in sub, end user in sub, models in scope "
        "(model:...), token_uses in uses",
        "gateway       caller in x-caller, believed from 10.0.0.0/8, the Unix socket; "
        "end user in x-user",
        "metrics       /metrics with the master key or a key of their own ****; "
        "without a key at [::1]:9464",
    ):
        assert f"\n{line}\n" in text
    assert "canary" not in text
    assert KEYS["DIGEST"].removeprefix("sha256:") not in text
    assert "hidden" not in text


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        pytest.param("{callers: [{name: web, keys: [a-key-of-length-17]}]}", "none", id="caller"),
        pytest.param(
            "{gateway: {header: {name: x-caller, trusted: [unix]}}}", "none", id="gateway"
        ),
        pytest.param("{callers: [{name: master}]}", "none: nobody can get a token", id="master"),
    ],
)
def test_without_a_master_key(section: str, expected: str) -> None:
    """It is said what follows from that."""
    assert f"\nmaster key    {expected}\n" in described(section, {"OPENAI_API_KEY": "k"})


def test_an_entry_of_the_master_takes_the_place_of_its_line() -> None:
    """There is one master."""
    text = described("{callers: [{name: master, token_uses: 3}]}")
    assert "\nmaster  master key  any model; tokens start 3 calls\n" in text
    assert text.count("\nmaster  ") == 1
