"""No key that the file may hold is lost on the way to the settings."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from signaller.config import load_settings
from signaller.config.schema import rows
from signaller.settings import Settings
from tests.config.reading import ENV, KEY, OTHER_KEY, entry
from tests.support.certificate import self_signed

PEM = "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----"
PROXY = "http://proxy.corp:3128"
CERTIFICATE, THE_KEY = "certificate", "its key"
"""Stand for files that each test makes."""

FULL: dict[str, Any] = {
    "redis_url": "redis://127.0.0.1:6379/0",
    "redis": {"password": "canary-of-redis"},
    "token_keys": [KEY],
    "callers": [{"name": "web", "keys": ["web-key-canary-0123"]}],
    "gateway": {
        "jwt": {
            "issuer": "https://id.example",
            "audience": "voice",
            "algorithms": ["RS256"],
            "jwks_url": "https://id.example/jwks.json",
            "claims": {"models": "scope"},
        },
        "header": {"name": "X-Consumer-Id", "trusted": ["unix"]},
    },
    "metrics": {"port": 9464},
}
"""What is there before a key is changed, so that each may stand alone beside it."""

POLICY: dict[str, object] = {
    "models": ["gpt-*"],
    "origins": ["https://app.example"],
    "token_ttl_seconds": 300,
    "token_uses": 2,
    "mints_per_minute": 60,
    "calls_per_minute": 60,
    "session": {"instructions": "Be brief."},
    "on_replay": "hangup",
    "warm_secrets": False,
    "safety_identifier": True,
    "calls_at_once": 5,
    "max_call_seconds": 300,
    "supervision": "required",
    "max_idle_seconds": 60,
    "warn_seconds": 20,
    "warn_with": "The call is about to end.",
    "session_drift": "note",
}
OTHERS: dict[str, object] = {
    "redis_url": "redis://127.0.0.1:6379/1",
    "redis.username": "voice",
    "redis.password": "another-canary",
    "token_keys": [OTHER_KEY],
    "token.ttl_seconds": 300,
    "token.uses": 2,
    "warm_secrets.seconds": 600,
    "warm_secrets.across_callers": True,
    "calls.kept_seconds": 3600,
    "calls.watched_at_once": 100,
    "supervision": "best_effort",
    "timeouts.connect_seconds": 1,
    "timeouts.mint_seconds": 1,
    "timeouts.call_seconds": 1,
    "timeouts.store_seconds": 1,
    "callers": [],
    "callers[].name": "mobile",
    "callers[].keys": ["another-canary-0123"],
    "gateway.jwt.issuer": "https://other.example",
    "gateway.jwt.audience": "other",
    "gateway.jwt.algorithms": ["ES256"],
    "gateway.jwt.jwks_url": "https://other.example/jwks.json",
    "gateway.jwt.public_key": PEM.format("AAAA"),
    "gateway.jwt.required_scope": "call",
    "gateway.jwt.claims.caller": "azp",
    "gateway.jwt.claims.end_user": "user",
    "gateway.jwt.claims.models": "models",
    "gateway.jwt.claims.models_prefix": "model:",
    "gateway.jwt.claims.origins": "origins",
    "gateway.jwt.claims.token_ttl_seconds": "ttl",
    "gateway.jwt.claims.token_uses": "uses",
    "gateway.jwt.claims.mints_per_minute": "mints",
    "gateway.jwt.claims.calls_per_minute": "calls",
    "gateway.jwt.claims.calls_at_once": "places",
    "gateway.jwt.claims.max_call_seconds": "length",
    "gateway.jwt.claims.max_idle_seconds": "silence",
    "gateway.header.name": "X-Other",
    "gateway.header.trusted": ["10.0.0.0/8"],
    "gateway.header.end_user": "X-End-User",
    "gateway.only_listed": True,
    "metrics.key": "metrics-key-canary",
    "metrics.port": 9465,
    "metrics.host": "::1",
    "egress.proxy": "http://other.corp:3128",
    "egress.ca_file": CERTIFICATE,
    "egress.client_cert": CERTIFICATE,
    "egress.client_key": THE_KEY,
    "egress.environment": False,
    "cors_origins": ["https://app.example"],
    "public_url": "https://voice.example",
    **{f"policy.{key}": value for key, value in POLICY.items()},
    **{f"callers[].{key}": value for key, value in POLICY.items()},
}
"""Each key under `signaller:` with a value that neither its default nor the one above is."""


def understood(ours: dict[str, Any]) -> Settings:
    """What a file comes to, without what is only said about it."""
    text = entry(name="gpt-realtime") + yaml.safe_dump({"signaller": ours})
    settings = load_settings(text, {**ENV, "HTTPS_PROXY": PROXY})
    return replace(settings, warnings=(), notes=())


def changed(ours: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """The same section with another value at a path; `[]` stands for the first of a list."""
    whole = deepcopy(ours)
    *above, last = path.replace("[]", ".0").split(".")
    place: Any = whole
    for step in above:
        place = place[0] if step == "0" else place.setdefault(step, {})
    place[last] = value
    return whole


def neighbours(path: str, certificate: Path) -> dict[str, Any]:
    """What must stand beside a key for it to be right."""
    ours = deepcopy(FULL)
    if path == "gateway.jwt.public_key":  # in place of the URL
        del ours["gateway"]["jwt"]["jwks_url"]
        ours["gateway"]["jwt"]["public_key"] = PEM.format("BBBB")
    if path == "egress.client_key":
        ours["egress"] = {"client_cert": str(certificate)}
    return ours


def declared() -> Iterator[str]:
    """Every key under `signaller:`, as the tables of the documentation have it."""
    return (key.removeprefix("signaller.") for key, _, _ in rows("signaller"))


def test_every_key_has_its_example_here() -> None:
    """Whoever adds a key is told by the next test whether it arrives."""
    assert sorted(OTHERS) == sorted(declared())


@pytest.mark.parametrize("path", sorted(OTHERS))
def test_every_key_changes_the_settings(path: str, tmp_path: Path) -> None:
    """Declared, accepted and then dropped is the one thing that a key may not be."""
    pair = self_signed(tmp_path)
    both = tmp_path / "both.pem"
    both.write_text(pair.certificate.read_text() + pair.key.read_text())
    before = neighbours(path, both)
    value = {CERTIFICATE: str(both), THE_KEY: str(pair.key)}.get(str(OTHERS[path]), OTHERS[path])
    assert understood(changed(before, path, value)) != understood(before)
