"""Compact JWS (RFC 7515) in one form only: HMAC-SHA256 over the claims of a JWT (RFC 7519)."""

import hashlib
import hmac

from signaller import base64url

# PyJWT's, character by character: replicas of an earlier version read it and write it.
_HEADER = base64url.encode(b'{"alg":"HS256","typ":"JWT"}')


class JwsRejected(ValueError):
    """A string that is not a JWS of ours; the message is for the log, never for a client."""


def sign(payload: bytes, key: bytes) -> str:
    """The payload with its signature."""
    signed = f"{_HEADER}.{base64url.encode(payload)}"
    return f"{signed}.{_signature(signed, key)}"


def verify(compact: str, key: bytes) -> bytes:
    """The payload of what `sign` signed; everything else is JwsRejected.

    The header is compared, never interpreted: another algorithm, `none` included, `crit` or even
    another order of its members is simply not one of ours.
    """
    signed, _, signature = compact.rpartition(".")
    header, _, payload = signed.partition(".")
    if header != _HEADER:
        raise JwsRejected("the header is not ours")
    if not compact.isascii():
        raise JwsRejected("characters outside ASCII")
    # As text, not as bytes: a signature has one spelling.
    if not hmac.compare_digest(signature, _signature(signed, key)):
        raise JwsRejected("the signature does not match")
    try:
        return base64url.decode(payload)
    except ValueError as invalid:
        raise JwsRejected(f"the payload is {invalid}") from invalid


def _signature(signed: str, key: bytes) -> str:
    return base64url.encode(hmac.digest(key, signed.encode(), hashlib.sha256))
