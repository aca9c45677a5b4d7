"""What no line, header or body may show: credentials, whoever sent them and in whatever form.

The secrets that we hold are found wherever they stand in a text. Of callers' keys only digests are
held: they are found as whole words. Either may be written in capitals (hexadecimal keys), percent-
encoded or in base64. Keys that are not ours are known by how they begin.
"""

import base64
import binascii
import contextlib
import hashlib
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from urllib.parse import unquote

from signaller.secret import MASK, Secret

SHORTEST = 10
"""Characters of a secret that is looked for. A shorter one is within reach of guessing anyway, and
may well be a word that means something else."""
LONGEST_TEXT = 64 * 1024
"""What is longer is cut: nothing that we show has a quarter of it."""

_KEYS = re.compile(
    r"(?<![A-Za-z0-9])(?:sk|ek|rk)[-_][A-Za-z0-9_*.-]{12,}"
    r"|sk-(?:proj|svcacct|admin|ant|sgn)-[A-Za-z0-9_*.-]{8,}"
    r"|eyJ[A-Za-z0-9_-]{8,}[A-Za-z0-9_.-]*"  # a JWT, or a token's JWE
)
_WORD = re.compile(r"\S+")
_LONG = re.compile(r"[!-~]{16}")
# A caller's key may be quoted, or be a part of something.
_CANDIDATES = tuple(
    re.compile(pattern)
    for pattern in (
        r"[!-~]{16,}",
        r"[A-Za-z0-9._~+/=-]{16,}",  # RFC 6750, 2.1
        r"[A-Za-z0-9_-]{16,}",
        r"[A-Za-z0-9]{16,}",
    )
)
_ADDRESS = re.compile(r"[a-z+]+://")
_PASSWORD = re.compile(r"://[^:/]*:(.+)@|password=([^&]+)")
_HEX = re.compile(r"[0-9A-Fa-f]+")
# A path or dashes around it belong to both alphabets (RFC 4648, 4 and 5).
_BASE64 = tuple(
    re.compile(pattern)
    for pattern in (r"[A-Za-z0-9+/_-]{16,}", r"[A-Za-z0-9_-]{16,}", r"[A-Za-z0-9]{16,}")
)
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# nginx's ids have 32 characters in one piece, UUIDs 12; what has more may be a key.
_KEY_LIKE = re.compile(r"(?:^|[._-])(?:ek_|sk-)|[A-Za-z0-9]{41}")
_STANDARD = str.maketrans("-_", "+/")  # RFC 4648: section 5's alphabet to section 4's
_ONE_FORM = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ-_", "abcdefghijklmnopqrstuvwxyz+/")


@dataclass(frozen=True, slots=True)
class Masking:
    """The credentials that one configuration, or one request, holds."""

    _forms: tuple[str, ...] = field(default=(), repr=False)
    """Secrets as texts are compared with them."""
    _digests: frozenset[bytes] = field(default=frozenset(), repr=False)
    """SHA-256 of keys that are not held themselves."""

    @classmethod
    def of(cls, held: object) -> "Masking":
        """Of every `Secret` in a frozen value, wherever it stands; bytes in it are digests."""
        leaves = tuple(_leaves(held))
        digests = frozenset(one for one in leaves if isinstance(one, bytes))
        return cls(_digests=digests).also(*(one for one in leaves if isinstance(one, Secret)))

    def also(self, *secrets: Secret | None) -> "Masking":
        """The same, and what somebody has just brought or been given."""
        forms = [form for secret in secrets if secret for form in _forms_of(secret)]
        return Masking(tuple(dict.fromkeys((*self._forms, *forms))), self._digests)

    def masked(self, text: str) -> str:
        """The text without the words that hold a credential."""
        if len(text) < SHORTEST:
            return text
        text = _KEYS.sub(MASK, cut(text, LONGEST_TEXT))
        if not self.finds(text):
            return text
        text = _WORD.sub(lambda word: MASK if self.finds(word[0]) else word[0], text)
        return MASK if self.finds(text) else text  # a secret of several words

    def finds(self, text: str) -> bool:
        """Whether one of these secrets is in it; a key that is not ours does not count."""
        return any(self._finds(reading) for reading in _readings(text[:LONGEST_TEXT]))

    def request_id(self, text: str | None) -> str | None:
        """An id that somebody gave a request; None if it is no id, or may be a key."""
        if not text or not _REQUEST_ID.fullmatch(text) or _KEY_LIKE.search(text):
            return None
        return text if text == self.masked(text) else None

    def _finds(self, text: str) -> bool:
        form = text.translate(_ONE_FORM)
        if any(secret in form for secret in self._forms):
            return True
        if not self._digests or not _LONG.search(text):
            return False
        return not self._digests.isdisjoint(_word_digests(text))


NOTHING_HELD = Masking()


class MaskingFilter(logging.Filter):
    """Takes what must not be shown out of every part of a line: message, fields and traceback."""

    def __init__(self, masking: Masking) -> None:
        super().__init__()
        self.masking = masking
        """A reload puts another one in its place."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record, and let it pass."""
        mask = self.masking.masked
        record.msg, record.args = mask(record.getMessage()), None
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            record.fields = {
                name: value if name in MADE_HERE else self._masked(value)
                for name, value in fields.items()
            }
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = mask(record.exc_text)
        return True

    def _masked(self, value: object) -> object:
        if isinstance(value, str):
            return self.masking.masked(value)
        if isinstance(value, tuple | list):
            return type(value)(map(self._masked, value))
        return value


MADE_HERE = frozenset(
    ("request_id", "trace_id", "grant", "call", "credential_id", "deployment", "outcome")
)
"""Fields that we write ourselves, or that were checked on arrival; they are not masked."""


@contextlib.contextmanager
def masked_logs(masking: Masking) -> Iterator[MaskingFilter]:
    """Mask all that is logged while the block lasts, whoever logs it."""
    added, handlers = MaskingFilter(masking), list(logging.getLogger().handlers)
    for handler in handlers:
        handler.addFilter(added)
    try:
        yield added
    finally:
        for handler in handlers:
            handler.removeFilter(added)


def cut(text: str, characters: int) -> str:
    """So much of a text at most, and no piece of a word: it may be a piece of a key."""
    if len(text) <= characters:
        return text
    parts = text[:characters].rsplit(maxsplit=1)
    return parts[0] if len(parts) == 2 else ""


def _leaves(value: object) -> Iterator[Secret | bytes]:
    if isinstance(value, Secret | bytes):
        yield value
    elif is_dataclass(value):
        for member in fields(value):
            yield from _leaves(getattr(value, member.name))
    elif isinstance(value, tuple):
        for member in value:
            yield from _leaves(member)


def _forms_of(secret: Secret) -> Iterator[str]:
    """As texts are compared; of an address, the passwords in it."""
    text = secret.reveal()
    held = [text]
    if _ADDRESS.match(text):
        held = [unquote(found[0] or found[1]) for found in _PASSWORD.findall(text)]
    return (each.translate(_ONE_FORM) for each in held if len(each) >= SHORTEST)


def _readings(text: str) -> Iterator[str]:
    """The text as it stands, and what it says to whoever decodes it."""
    yield text
    if "%" in text:
        text = unquote(text)
        yield text
    if not _LONG.search(text):
        return
    for run in {run for pattern in _BASE64 for run in pattern.findall(text)}:
        try:
            decoded = base64.b64decode(run.translate(_STANDARD) + "=" * (-len(run) % 4))
        except binascii.Error:
            continue
        if decoded.isascii():  # other bytes are no key of anybody's
            yield decoded.decode()


def _word_digests(text: str) -> Iterator[bytes]:
    words = {word for pattern in _CANDIDATES for word in pattern.findall(text)}
    for word in words:
        yield hashlib.sha256(word.encode()).digest()
        if _HEX.fullmatch(word):
            yield hashlib.sha256(word.lower().encode()).digest()
            yield hashlib.sha256(word.upper().encode()).digest()
