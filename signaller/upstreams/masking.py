"""What of a provider's text may be shown, and to whom."""

import re
from collections.abc import Iterable

from signaller.secret import MASK, Secret

MESSAGE_CHARACTERS = 500

_MARKED = re.compile(
    r"\b(?:sk|ek|rk|org|proj)[-_][A-Za-z0-9_*.-]{4,}"  # OpenAI's prefixes, masked ones included
    r"|\beyJ[A-Za-z0-9_-]{8,}[A-Za-z0-9_.-]*"  # a JWT
    r"|\bbearer\s+\S+"
    r"|\bapi[-_ ]?key\S{0,2}(?:\s+provided)?\s*[:=]\s*\S+",
    re.IGNORECASE,
)
_RUN = re.compile(r"[A-Za-z0-9_+/=-]{32,}")
_WORD = re.compile(r"[A-Za-z]{1,20}|[0-9]{1,8}|[A-Za-z0-9]{0,4}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_.\[\]-]{1,100}")


def mask_secrets(text: str, secrets: Iterable[Secret]) -> str:
    """Text for the log: known secrets and everything that looks like one replaced."""
    for secret in secrets:
        if secret:
            text = text.replace(secret.reveal(), MASK)
    return _RUN.sub(_mask_opaque, _MARKED.sub(MASK, _printable(text)))[:MESSAGE_CHARACTERS]


def showable(text: str | None, secrets: Iterable[Secret]) -> str | None:
    """Text for the client, or None when it is empty or might hold a secret."""
    plain = _printable(text or "")[: 4 * MESSAGE_CHARACTERS]
    masked = mask_secrets(plain, secrets)
    return masked if masked and masked == plain[:MESSAGE_CHARACTERS] else None


def identifier(value: object, secrets: Iterable[Secret]) -> str | None:
    """A provider's type, code or param when it is a short name and nothing else."""
    if isinstance(value, int):
        value = str(value)
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        return None
    return showable(value, secrets)


def _printable(text: str) -> str:
    """One line without control characters; lone surrogates could not be encoded again."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _mask_opaque(run: re.Match[str]) -> str:
    """Mask long runs of letters and digits, but not names such as gpt-4o-realtime-preview-2024."""
    text = run.group()
    mixed = any(c.isalpha() for c in text) and any(c.isdigit() for c in text)
    wordy = all(_WORD.fullmatch(piece) for piece in re.split("[-_/]", text))
    return MASK if mixed and not wordy else text
