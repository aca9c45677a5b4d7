"""Token keys: 32 random bytes, written as base64url without padding."""

import base64
import binascii
import re
import secrets

from signaller.config.findings import Text
from signaller.secret import Secret

KEY_BYTES = 32


def generate_token_key() -> str:
    """A new token key."""
    return secrets.token_urlsafe(KEY_BYTES)


def token_key(text: Text) -> Secret | None:
    """A token key, padding removed; None after a fault."""
    unpadded = text.value.rstrip("=")
    if re.fullmatch(r"[A-Za-z0-9_-]+", unpadded):
        try:
            raw = base64.urlsafe_b64decode(unpadded + "=" * (-len(unpadded) % 4))
        except binascii.Error:  # one character too many
            raw = b""
        if len(raw) == KEY_BYTES:
            # Written in one way only, so that equal keys are equal texts.
            return Secret(base64.urlsafe_b64encode(raw).rstrip(b"=").decode())
    text.fault(f"{KEY_BYTES} bytes in base64url, as 'signaller keygen' makes them")
    return None
