"""Keys that let somebody in: each stands once in a configuration, as itself or as its SHA-256."""

import hashlib
import re

from signaller.config.findings import Text, fits_header
from signaller.config.guessable import PUBLICLY_KNOWN, SHORT_CHARS, known_or_short
from signaller.config.master_key import looks_like_token
from signaller.secret import Secret

DIGEST = "sha256:"
_HEX = re.compile(r"[0-9a-f]{64}", re.I)


def digest_of(key: str) -> bytes:
    """What is kept of a key: random ones need no salt, and others get a note."""
    return hashlib.sha256(key.encode()).digest()


class KnownKeys:
    """Where each key stands, by its digest."""

    def __init__(self, master_key: Secret | None) -> None:
        self._places: dict[bytes, str] = {}
        if master_key:
            self._places[digest_of(master_key.reveal())] = "the master key"

    def read_digest(self, text: Text) -> bytes | None:
        """The digest of a caller's key, given either way; None after a fault."""
        if not text.value.lower().startswith(DIGEST):
            key = self.read_key(text)
            return digest_of(key.reveal()) if key else None
        digits = text.value[len(DIGEST) :]
        if not _HEX.fullmatch(digits):
            text.fault(
                f"64 hexadecimal digits after {DIGEST}", f"something else, {len(digits)} long"
            )
            return None
        digest = bytes.fromhex(digits)
        return digest if self._is_new(text, digest) else None

    def read_key(self, text: Text) -> Secret | None:
        """A key that is given as itself; None after a fault."""
        if not fits_header(text) or looks_like_token(text):
            return None
        if problem := known_or_short(text.value):
            text.fault("a key of your own that nobody guesses", problem)
            return None
        if not self._is_new(text, digest_of(text.value)):
            return None
        if len(text.value) < SHORT_CHARS:
            text.findings.warn(
                text.path, f"shorter than {SHORT_CHARS} characters, and so within reach of guessing"
            )
        return Secret(text.value)

    def _is_new(self, text: Text, digest: bytes) -> bool:
        if known := next((each for each in PUBLICLY_KNOWN if digest == digest_of(each)), None):
            text.fault("a key of your own that nobody guesses", f"the publicly known {known}")
        elif place := self._places.get(digest):
            text.fault("a key that stands nowhere else", f"{place} again")
        else:
            self._places[digest] = f"the key at {text.path}"
            return True
        return False
