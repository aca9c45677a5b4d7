"""What of a provider's text may be shown, and to whom."""

import re

from signaller.masking import Masking, cut
from signaller.secret import MASK

MESSAGE_CHARACTERS = 500
LONGEST_TEXT = 4 * MESSAGE_CHARACTERS
"""What is looked at of a text: more than is shown, as masks are shorter than what they hide."""

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


def mask_secrets(text: str, masking: Masking) -> str:
    """Text for the log: known secrets and everything that looks like one replaced."""
    plain = masking.masked(_MARKED.sub(MASK, _plain(text)))
    return _RUN.sub(_mask_opaque, plain)[:MESSAGE_CHARACTERS]


def showable(text: str | None, masking: Masking) -> str | None:
    """Text for the client, or None when it is empty or might hold a secret."""
    plain = _plain(text or "")[:MESSAGE_CHARACTERS]
    return plain if plain and plain == mask_secrets(text or "", masking) else None


def identifier(value: object, masking: Masking) -> str | None:
    """A provider's type, code or param when it is a short name and nothing else."""
    if isinstance(value, int):
        value = str(value)
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        return None
    return showable(value, masking)


def _plain(text: str) -> str:
    """One line without control characters; lone surrogates could not be encoded again.

    A long text is cut first: it is worked on while nobody else is served.
    """
    text = cut(text, LONGEST_TEXT)
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _mask_opaque(run: re.Match[str]) -> str:
    """Mask long runs of letters and digits, but not names such as gpt-4o-realtime-preview-2024."""
    text = run.group()
    mixed = any(c.isalpha() for c in text) and any(c.isdigit() for c in text)
    wordy = all(_WORD.fullmatch(piece) for piece in re.split("[-_/]", text))
    return MASK if mixed and not wordy else text
