"""Key sets as issuers publish them: which keys are used, and for what."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import get_default_algorithms

from signaller.callers.jwks import parse_jwks
from signaller.settings import ALGORITHMS
from tests.callers.issuing import segment, signing_key

EC = signing_key().jwk()
RSA = signing_key("RS256").jwk()


def usable(*jwks: object) -> dict[str | None, set[str]]:
    """The ids of the keys that a set offers, and what they are good for."""
    keys = parse_jwks(json.dumps({"keys": jwks}).encode())
    return {key.id: set(key.algorithms) for key in keys}


@pytest.mark.parametrize("algorithm", ["RS256", "PS512", "ES256", "ES384", "ES512", "EdDSA"])
def test_a_key_with_an_algorithm_is_for_that_one(algorithm: str) -> None:
    """RFC 7517, 4.4."""
    key = signing_key(algorithm)
    assert usable(key.jwk()) == {key.id: {algorithm}}


def test_a_key_without_an_algorithm_is_for_all_that_fit() -> None:
    """An RSA key verifies PKCS #1 and PSS; a curve has one algorithm."""
    rsa = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
    assert usable(signing_key("RS256").jwk(alg=None)) == {"RS256-1": rsa}
    assert usable(signing_key().jwk(alg=None)) == {"ES256-1": {"ES256"}}


UNUSABLE_CHANGES: tuple[tuple[str, dict[str, object]], ...] = (
    ("ES256", {"use": "enc"}),
    ("ES256", {"use": 7}),
    ("ES256", {"key_ops": ["deriveKey"]}),
    ("ES256", {"key_ops": "verify"}),
    ("ES256", {"alg": "HS256"}),
    ("ES256", {"alg": "RS256"}),
    ("ES256", {"alg": "ES384"}),
    ("ES256", {"alg": ["ES256"]}),
    ("ES256", {"alg": "none"}),
    ("ES256", {"alg": "ES256K"}),
    ("ES256", {"crv": "P-384"}),
    ("ES256", {"crv": ["P-256"]}),
    ("ES256", {"kty": "RSA"}),
    ("ES256", {"kty": ["EC"]}),
    ("ES256", {"kid": 7}),
    ("ES256", {"x": ""}),
    ("ES256", {"x": 7}),
    ("ES256", {"x": "AAAA"}),
    ("ES256", {"y": "A" * 43}),
    ("ES256", {"d": "A" * 43}),
    ("RS256", {"n": "AQAB"}),
    ("RS256", {"n": "A" * 100_000}),
    ("RS256", {"n": segment(b"\xff" * 128)}),
    ("RS256", {"n": None}),
    ("RS256", {"e": "AA"}),
    ("RS256", {"e": []}),
    ("RS256", {"d": "AQAB"}),
    ("EdDSA", {"crv": "Ed448"}),
    ("EdDSA", {"x": "AAAA"}),
)


@pytest.mark.parametrize(
    "other",
    [
        *(signing_key(algorithm).jwk(**changes) for algorithm, changes in UNUSABLE_CHANGES),
        {"kty": "oct", "kid": "s", "k": "AAAA"},
        {"kty": "oct", "kid": "s", "k": "AAAA", "alg": "HS256"},
        {},
        [],
        "key",
        None,
    ],
    ids=[
        *(f"{algorithm} {str(changes)[:30]}" for algorithm, changes in UNUSABLE_CHANGES),
        *("oct", "HS256", "{}", "[]", "text", "null"),
    ],
)
def test_a_key_that_cannot_be_used_is_passed_over(other: object) -> None:
    """It spoils neither the set nor its neighbours (RFC 7517, 5); alone it is a set of none."""
    assert usable(other, RSA) == {"RS256-1": {"RS256"}}
    assert usable(other) == {}


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_private_key_that_everybody_can_read_is_passed_over(algorithm: str) -> None:
    """Whoever found it can sign with it."""
    key = signing_key(algorithm)
    private = get_default_algorithms()[algorithm].to_jwk(key.private, as_dict=True)
    leaked = private | key.jwk()
    assert "d" in leaked
    assert usable(leaked) == {}


def test_a_set_may_be_empty() -> None:
    """That is how an issuer withdraws its last key."""
    assert parse_jwks(b'{"keys": []}') == ()


@pytest.mark.parametrize("extra", [{"use": None}, {"key_ops": ["verify"]}, {"x5t": "?"}], ids=str)
def test_a_key_may_say_less_or_more(extra: dict[str, Any]) -> None:
    """What is optional may be absent, and what is unknown is ignored."""
    assert usable(signing_key().jwk(**extra)) == {"ES256-1": {"ES256"}}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"<html>",
        b'{"keys": {}}',
        b'{"keys": "AAAA"}',
        b'{"keys": [NaN]}',
        b'{"keys": ' + b"[" * 100_000,
        b'{"keys": [' + b"9" * 10_000 + b"]}",
        json.dumps(EC).encode(),
    ],
    ids=lambda body: ascii(body[:20]),
)
def test_what_is_no_set_is_refused(body: bytes) -> None:
    """Whatever an issuer's proxy says instead."""
    with pytest.raises(ValueError, match=r"JSON|JWKS|decode|Expecting|digits"):
        parse_jwks(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["EC", "RSA", "AQAB"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
members = st.sampled_from(["kty", "kid", "use", "alg", "key_ops", "crv", "x", "y", "n", "e", "d"])
hostile = st.builds(
    lambda base, changes: base | changes,
    st.sampled_from([{}, EC, RSA]),
    st.dictionaries(members, json_values | st.sampled_from(["P-256", "sig"])),
)


@given(st.lists(hostile | json_values, max_size=4))
def test_no_set_gives_more_than_public_keys_for_asymmetric_algorithms(keys: list[object]) -> None:
    """Or it is refused as a whole, and nothing else happens."""
    try:
        parsed = parse_jwks(json.dumps({"keys": keys}).encode())
    except ValueError:
        parsed = ()
    assert len(parsed) <= len(keys)
    assert all(key.algorithms and key.algorithms <= set(ALGORITHMS) for key in parsed)
    assert all(hasattr(key.key, "verify") for key in parsed)
