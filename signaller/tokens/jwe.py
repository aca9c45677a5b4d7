"""Compact JWE (RFC 7516) in one form only: direct encryption, AES-256-GCM."""

import binascii
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAX_COMPACT_CHARS: Final = 6144
"""Our tokens have about 1000, with every claim at its longest 4300; servers and proxies cut header
lines at 8 KiB."""

KEY_BYTES: Final = 32
IV_BYTES: Final = 12  # RFC 7518 section 5.3: 96 bits
TAG_BYTES: Final = 16  # RFC 7518 section 5.3: 128 bits


# From base64url to base64; `+`, `/` and `=` become `!`, which the decoder refuses.
_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")
_FROM_STANDARD = bytes.maketrans(b"+/", b"-_")


class JweRejected(ValueError):
    """A string that is not a JWE of ours; the message is for the log, never for a client."""


@dataclass(frozen=True, slots=True)
class ContentKey:
    """A content encryption key and the one protected header it seals and opens under."""

    key: bytes = field(repr=False)
    kid: str | None = None
    header: bytes = field(init=False, repr=False)
    """The protected header as its base64url segment, which is also the AAD."""
    cipher: AESGCM = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.key) != KEY_BYTES:
            raise ValueError(f"A256GCM takes a key of {KEY_BYTES} bytes, not {len(self.key)}")
        object.__setattr__(self, "header", _protected(self.kid))
        object.__setattr__(self, "cipher", AESGCM(self.key))


@lru_cache(maxsize=64)  # as many as there are keys: a ring, and the nameless one of each grant
def _protected(kid: str | None) -> bytes:
    members = {"alg": "dir", "enc": "A256GCM"} | ({} if kid is None else {"kid": kid})
    return base64url_encode(json.dumps(members, separators=(",", ":")).encode()).encode("ascii")


def encrypt(
    plaintext: bytes,
    key: ContentKey,
    *,
    bound_to: bytes = b"",
    max_chars: int = MAX_COMPACT_CHARS,
) -> str:
    """Seal a plaintext; what would come out too long for `decrypt` is a ValueError.

    `bound_to` is additional authenticated data that both sides know and that does not travel: it
    is joined to the header as in RFC 7516, 5.1 (14). With it, the result opens for us alone.
    """
    # A random IV is safe for 2^32 messages under one key (NIST SP 800-38D section 8.3).
    iv = os.urandom(IV_BYTES)
    header = key.header
    ciphertext, tag = seal_content(key.cipher, iv, _aad(header, bound_to), plaintext)
    compact = ".".join((header.decode("ascii"), "", *map(base64url_encode, (iv, ciphertext, tag))))
    if len(compact) > max_chars:
        raise ValueError(f"a JWE of {len(compact)} characters, more than {max_chars}")
    return compact


def decrypt(
    compact: str,
    keys: Sequence[ContentKey],
    *,
    bound_to: bytes = b"",
    max_chars: int = MAX_COMPACT_CHARS,
) -> bytes:
    """Open what `encrypt` sealed, bound to the same; everything else is JweRejected.

    The header is compared, never interpreted: another algorithm, `zip`, `crit` or even another
    order of its members is simply not one of ours.
    """
    if len(compact) > max_chars:
        raise JweRejected(f"{len(compact)} characters, more than {max_chars}")
    if not compact.isascii():
        raise JweRejected("characters outside ASCII")
    segments = compact.split(".")
    if len(segments) != 5:
        raise JweRejected(f"{len(segments)} segments instead of 5")
    header = segments[0].encode("ascii")
    candidates = [key for key in keys if key.header == header]
    if not candidates:
        raise JweRejected("the protected header is not that of any key")
    if segments[1]:
        raise JweRejected("an encrypted key, which 'dir' does not have")
    iv, ciphertext, tag = map(_decode, segments[2:])
    if len(iv) != IV_BYTES:
        raise JweRejected(f"an IV of {len(iv)} bytes instead of {IV_BYTES}")
    if len(tag) != TAG_BYTES:
        raise JweRejected(f"a tag of {len(tag)} bytes instead of {TAG_BYTES}")
    failure: InvalidTag | None = None
    for key in candidates:
        try:
            return open_content(key.cipher, iv, _aad(header, bound_to), ciphertext, tag)
        except InvalidTag as error:
            failure = error
    try:
        raise JweRejected("the authentication tag does not match") from failure
    finally:
        # The exception refers to this frame: without `del` the two keep each other, and the token,
        # alive until a garbage collection.
        del failure


def derive(master: bytes, purpose: str) -> bytes:
    """A 32-byte key for one purpose (HKDF-SHA256, RFC 5869); purposes share no keys."""
    info = b"signaller " + purpose.encode("utf-8")
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(master)


def base64url_encode(raw: bytes) -> str:
    """The text of some bytes, without padding (RFC 7515, 2)."""
    text = binascii.b2a_base64(raw, newline=False)
    return text.translate(_FROM_STANDARD).rstrip(b"=").decode("ascii")


def base64url_decode(text: str) -> bytes:
    """The bytes of a text. Raises ValueError for any other than `base64url_encode` would write."""
    try:
        standard = text.encode("ascii").translate(_TO_STANDARD)
        raw = binascii.a2b_base64(standard + b"=" * (-len(standard) % 4), strict_mode=True)
    except ValueError as invalid:  # binascii.Error is one, and UnicodeEncodeError
        raise ValueError("not base64url") from invalid
    # The last character may have bits that nobody reads: two texts would be the same bytes.
    rest = len(raw) % 3
    if rest and base64url_encode(raw[-rest:]) != text[-rest - 1 :]:
        raise ValueError("not canonical base64url")
    return raw


def seal_content(cipher: AESGCM, iv: bytes, aad: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
    """Ciphertext and tag (RFC 7518 section 5.3)."""
    sealed = cipher.encrypt(iv, plaintext, aad)
    return sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]


def open_content(cipher: AESGCM, iv: bytes, aad: bytes, ciphertext: bytes, tag: bytes) -> bytes:
    """The plaintext, or `cryptography`'s InvalidTag (RFC 7518 section 5.3)."""
    return cipher.decrypt(iv, ciphertext + tag, aad)


def _aad(header: bytes, bound_to: bytes) -> bytes:
    return header + b"." + base64url_encode(bound_to).encode("ascii") if bound_to else header


def _decode(segment: str) -> bytes:
    try:
        return base64url_decode(segment)
    except ValueError as invalid:
        raise JweRejected(f"a segment is {invalid}") from invalid
