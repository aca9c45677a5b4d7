"""Base64url without padding (RFC 7515, 2), in its one canonical form."""

import binascii

_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_FROM_STANDARD = bytes.maketrans(b"+/", b"-_")


def encode(raw: bytes) -> str:
    """The text of some bytes."""
    text = binascii.b2a_base64(raw, newline=False)
    return text.translate(_FROM_STANDARD).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """The bytes of a text. Raises ValueError for any other than `encode` would write.

    So no two texts are the same bytes: not by characters outside the alphabet, which `binascii`
    passes over, nor by the unused bits of the last one.
    """
    try:
        standard = text.encode("ascii").translate(_TO_STANDARD)
        raw = binascii.a2b_base64(standard + b"=" * (-len(standard) % 4))
    except ValueError as invalid:  # binascii.Error is one, and UnicodeEncodeError
        raise ValueError("not base64url") from invalid
    if encode(raw) != text:
        raise ValueError("not canonical base64url")
    return raw
