"""Keys: made here, told from what anybody guesses, and each standing in one place only."""

import base64
import hashlib
import re
import secrets
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from signaller.config.faults import Findings, others_among, wrong
from signaller.secret import Secret

KEY_BYTES = 32
DIGEST = "sha256:"
PUBLICLY_KNOWN = (
    # LiteLLM's documentation, and so everybody's first guess.
    *("sk-1234", "sk-12345", "sk-123456", "sk-12345678", "sk-1234567890", "sk-my_special_key"),
    *("sk-my-special-key", "sk-master-key", "sk-litellm-master-key", "your-master-key"),
    *("changeme", "change-me", "password", "secret-key", "test-key", "master-key"),
)
_KNOWN_DIGESTS = {hashlib.sha256(each.encode()).digest(): each for each in PUBLICLY_KNOWN}
MIN_CHARS, SHORT_CHARS = 8, 16
MIN_DISTINCT = 5
"""Characters of a key; sixteen random digits have eight."""
MIN_DISTINCT_BYTES = 16
"""Of 32 random bytes thirty are distinct, and never fewer than twenty."""
SHORT = f"shorter than {SHORT_CHARS} characters, and so within reach of guessing"
_OWN = "a key of your own that nobody guesses"


def generate_token_key() -> str:
    """A new token key."""
    return secrets.token_urlsafe(KEY_BYTES)


def generate_caller_key() -> tuple[str, str]:
    """A new key for a caller, and the digest by which a configuration can know it."""
    key = f"sk-sgn-{secrets.token_urlsafe(KEY_BYTES)}"
    return key, f"{DIGEST}{digest_of(key).hex()}"


def digest_of(key: str) -> bytes:
    """What is kept of a key: random ones need no salt, and others get a warning."""
    return hashlib.sha256(key.encode()).digest()


def token_key(secret: Secret) -> Secret:
    """A token key, written in one way only, so that equal keys are equal texts."""
    unpadded = secret.reveal().rstrip("=")
    if not re.fullmatch(r"[A-Za-z0-9_-]{43}", unpadded):  # 6 bits each, 2 of them to spare
        raise wrong(f"{KEY_BYTES} bytes in base64url, as 'signaller keygen' makes them")
    raw = base64.urlsafe_b64decode(f"{unpadded}=")
    if has_pattern(raw, unpadded):
        raise wrong("random bytes, as 'signaller keygen' makes them", "bytes with a pattern")
    return Secret(base64.urlsafe_b64encode(raw).rstrip(b"=").decode())


class KnownKeys:
    """Where each key that lets somebody in stands, by its digest."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._places: dict[bytes, str] = {}

    def add_master(self, key: Secret, path: str, *, allow_public: bool) -> None:
        """The operator's key."""
        findings, value = self._findings, key.reveal()
        if odd := unsendable(value):
            findings.fault(path, *odd)
            return
        problem = known_or_short(value)
        if problem and not allow_public:
            switch = "(--allow-public-master-key takes any, to try things out)"
            findings.fault(path, f"{_OWN} {switch}", problem)
        elif problem:
            findings.warn(path, f"{problem}: anybody may get tokens")
        elif len(value) < SHORT_CHARS:
            findings.warn(path, SHORT)
        self._places[digest_of(value)] = "the master key"

    def add(self, key: Secret, path: str, *, may_be_digest: bool = True) -> bytes | None:
        """The digest of somebody else's key, which may be given as that; None after a fault."""
        value, before = key.reveal(), len(self._findings.faults)
        digest = None
        if value.lower().startswith(DIGEST):
            digits = value[len(DIGEST) :]
            if not may_be_digest:
                found = f"what looks like a digest ({DIGEST}...)"
                self._findings.fault(path, "the key itself", found)
            elif not re.fullmatch(r"[0-9a-fA-F]{64}", digits):
                found = f"something else, {len(digits)} long"
                self._findings.fault(path, f"64 hexadecimal digits after {DIGEST}", found)
            else:
                digest = bytes.fromhex(digits)
        elif odd := unsendable(value):
            self._findings.fault(path, *odd)
        elif problem := known_or_short(value):
            self._findings.fault(path, _OWN, problem)
        elif len(value) < SHORT_CHARS:
            self._findings.warn(path, SHORT)
        if len(self._findings.faults) > before:
            return None
        return self._add_digest(digest or digest_of(value), path)

    def _add_digest(self, digest: bytes, path: str) -> bytes | None:
        if public := _KNOWN_DIGESTS.get(digest):
            self._findings.fault(path, _OWN, f"the publicly known {public}")
        elif place := self._places.get(digest):
            self._findings.fault(path, "a key that stands nowhere else", f"{place} again")
        else:
            self._places[digest] = f"the key at {path}"
            return digest
        return None


def unsendable(key: str) -> tuple[str, str] | None:
    """What was expected and found of a key that cannot be sent, or be told from a token."""
    if not re.fullmatch(r"[!-~]+", key):
        return "ASCII without spaces or line breaks", others_among(key)
    if key.startswith("ek_"):
        return "a key that does not begin with 'ek_', as tokens do", "one that does"
    return None


def known_or_short(key: str) -> str | None:
    """What makes a key of somebody's no key at all; it is not quoted unless everybody knows it."""
    if key.lower() in PUBLICLY_KNOWN:
        return f"the publicly known {key.lower()}"
    if len(key) < MIN_CHARS:
        return f"one of {len(key)} characters"
    if len(set(key.lower().removeprefix("sk-"))) < MIN_DISTINCT:
        return f"one of fewer than {MIN_DISTINCT} different characters"
    return None


def has_pattern(raw: bytes, text: str) -> bool:
    """Whether 32 bytes, written as `text`, were written by hand rather than drawn at random."""
    repeats = any(raw[period:] == raw[:-period] for period in range(1, len(raw) // 2 + 1))
    is_text = raw.isascii() and raw.decode().isprintable()
    few = len(set(raw)) < MIN_DISTINCT_BYTES
    return repeats or is_text or few or _counts(raw) or _counts(text.encode())


def _counts(values: Sequence[int]) -> bool:
    """Whether most values differ from the one before by the same."""
    steps = Counter((after - before) % 256 for before, after in pairwise(values))
    return max(steps.values()) > len(values) // 2
