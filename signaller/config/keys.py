"""Keys that are made here: 32 random bytes, written as base64url without padding."""

import base64
import binascii
import hashlib
import re
import secrets

from signaller.config.findings import Text
from signaller.config.guessable import has_pattern
from signaller.secret import Secret

KEY_BYTES = 32


def generate_token_key() -> str:
    """A new token key."""
    return secrets.token_urlsafe(KEY_BYTES)


def generate_caller_key() -> tuple[str, str]:
    """A new key for a caller, and the digest by which a configuration can know it."""
    key = f"sk-sgn-{secrets.token_urlsafe(KEY_BYTES)}"
    return key, f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def token_key(text: Text) -> Secret | None:
    """A token key, padding removed; None after a fault."""
    unpadded = text.value.rstrip("=")
    if re.fullmatch(r"[A-Za-z0-9_-]+", unpadded):
        try:
            raw = base64.urlsafe_b64decode(unpadded + "=" * (-len(unpadded) % 4))
        except binascii.Error:  # one character too many
            raw = b""
        if len(raw) == KEY_BYTES and has_pattern(raw, unpadded):
            text.fault("random bytes, as 'signaller keygen' makes them", "bytes with a pattern")
            return None
        if len(raw) == KEY_BYTES:
            # Written in one way only, so that equal keys are equal texts.
            return Secret(base64.urlsafe_b64encode(raw).rstrip(b"=").decode())
    text.fault(f"{KEY_BYTES} bytes in base64url, as 'signaller keygen' makes them")
    return None
