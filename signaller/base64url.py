"""Base64url without padding (RFC 7515, 2), in its one canonical form."""

import binascii

# Whatever is base64 but not base64url becomes what is neither.
_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")
_FROM_STANDARD = bytes.maketrans(b"+/", b"-_")


def encode(raw: bytes) -> str:
    """The text of some bytes."""
    text = binascii.b2a_base64(raw, newline=False)
    return text.translate(_FROM_STANDARD).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """The bytes of a text. Raises ValueError for any other than `encode` would write."""
    try:
        standard = text.encode("ascii").translate(_TO_STANDARD)
        raw = binascii.a2b_base64(standard + b"=" * (-len(standard) % 4), strict_mode=True)
    except ValueError as invalid:  # binascii.Error is one, and UnicodeEncodeError
        raise ValueError("not base64url") from invalid
    # The last character may have bits that nobody reads: two texts would be the same bytes.
    rest = len(raw) % 3
    if rest and encode(raw[-rest:]) != text[-rest - 1 :]:
        raise ValueError("not canonical base64url")
    return raw
