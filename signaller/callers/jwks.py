"""JSON Web Key Sets (RFC 7517), and which algorithms (RFC 7518, 8037) their keys are good for."""

from collections.abc import Mapping
from dataclasses import dataclass

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from jwt.algorithms import AllowedPublicKeys, get_default_algorithms

from signaller.strict_json import parse_object

ALGORITHMS: Mapping[str, tuple[str, str | None]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""The key type and the curve that each needs. There is no symmetric one, and never will be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A key that signatures can be checked with."""

    id: str | None
    algorithms: frozenset[str]
    """Those it is good for."""
    key: AllowedPublicKeys


def parse_jwks(body: bytes) -> tuple[PublicKey, ...]:
    """The usable keys of a set, even if it has none; ValueError for what is no set.

    Keys that are not understood, not for signatures or not public are passed over (RFC 7517, 5).
    """
    jwks = parse_object(body).get("keys")
    if not isinstance(jwks, list):
        raise ValueError("the JWKS has no list of keys")
    return tuple(key for key in map(_parse, jwks) if key is not None)


def parse_pem(pem: str, algorithms: tuple[str, ...]) -> PublicKey | None:
    """A public key and which of the algorithms it is good for; None if there is no such."""
    if "PRIVATE KEY" in pem:
        return None
    fitting = {name: key for name in algorithms if (key := _from_pem(pem, name)) is not None}
    if not fitting:
        return None
    return PublicKey(id=None, algorithms=frozenset(fitting), key=next(iter(fitting.values())))


def _parse(jwk: object) -> PublicKey | None:
    if not isinstance(jwk, dict) or not _may_verify(jwk):
        return None
    key_id, algorithms = jwk.get("kid"), _algorithms(jwk)
    if not algorithms or not (key_id is None or isinstance(key_id, str)):
        return None
    try:
        parsed = jwt.PyJWK(jwk, algorithms[0])
    except (jwt.PyJWTError, UnsupportedAlgorithm):
        return None
    if parsed.Algorithm.check_key_length(parsed.key) is not None:  # RFC 7518, 3.3
        return None
    return PublicKey(id=key_id, algorithms=frozenset(algorithms), key=parsed.key)


def _may_verify(jwk: Mapping[str, object]) -> bool:
    """It is for signatures (RFC 7517, 4.2 and 4.3), and not a private key that everybody has."""
    operations = jwk.get("key_ops", ["verify"])
    verifies = isinstance(operations, list) and "verify" in operations
    return jwk.get("use", "sig") == "sig" and verifies and "d" not in jwk


def _algorithms(jwk: Mapping[str, object]) -> list[str]:
    key_type, only = jwk.get("kty"), jwk.get("alg")
    return [
        name
        for name, (needed, curve) in ALGORITHMS.items()
        if key_type == needed and curve in (None, jwk.get("crv")) and only in (None, name)
    ]


def _from_pem(pem: str, algorithm: str) -> AllowedPublicKeys | None:
    known = get_default_algorithms()[algorithm]
    try:
        key: AllowedPublicKeys = known.prepare_key(pem)
    except (jwt.PyJWTError, ValueError, UnsupportedAlgorithm):  # the last: a curve of its own
        return None
    return key if known.check_key_length(key) is None else None
