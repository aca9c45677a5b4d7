"""A provider's error answer, as one of our errors: what of it may be shown, and to whom."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from signaller.errors import (
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRefused,
    UpstreamUnavailable,
)
from signaller.masking import Masking, cut
from signaller.secret import MASK
from signaller.strict_json import parse_object

LONGEST_BODY = 16 * 1024
"""Known errors have some 500 bytes. A longer body than this is not read: whoever reads two
megabytes of it serves nobody else for a third of a second."""
MESSAGE_CHARACTERS = 500
LONGEST_TEXT = 4 * MESSAGE_CHARACTERS
"""What is looked at of a text: more than is shown, as masks are shorter than what they hide."""
LONGEST_REST_SECONDS = 3600
"""A wrong date must not put a deployment out of use for longer than a call may last."""
ELSEWHERE = frozenset({301, 307, 308})
"""The request has to be sent to another place, and here nothing was done with it. The others of 3xx
may follow upon what was done (RFC 9110, 15.4): 303 does, 302 often."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An error answer: short names that may be shown, and a message that may not, as it stands."""

    status: int
    type: str | None = None
    code: str | None = None
    param: str | None = None
    message: str = ""
    request_id: str | None = None
    retry_after: float | None = None


def parse_fault(
    status: int, headers: Mapping[str, str], body: bytes, masking: Masking, now: float
) -> Fault:
    """Whatever can be made out; the body may be of any shape, or none."""
    try:
        answer = parse_object(body) if len(body) <= LONGEST_BODY else {}
    except ValueError:
        answer = {}
    error = answer.get("error", answer)
    fields: Mapping[str, object] = error if isinstance(error, Mapping) else {"message": error}
    message = fields.get("message")
    return Fault(
        status=status,
        type=identifier(fields.get("type"), masking),
        code=identifier(fields.get("code"), masking),
        param=identifier(fields.get("param"), masking),
        message=cut(message, LONGEST_TEXT) if isinstance(message, str) else "",
        request_id=masking.request_id(headers.get("x-request-id")),
        retry_after=retry_after(headers, now),
    )


def as_error(
    fault: Fault, step: str, masking: Masking, *, explanation: str | None = None
) -> UpstreamError:
    """The error for it; `explanation` is a sentence of ours that takes the message's place."""
    said = mask_secrets(fault.message, masking) or "nothing"
    detail = (
        f"{step}: {fault.status} type={fault.type} code={fault.code} param={fault.param} "
        f"x-request-id={fault.request_id}, saying: {said}"
    )
    if fault.status in (401, 403):
        return UpstreamAuthFailed(detail, public=explanation)
    if not 400 <= fault.status < 600:
        unusable = UpstreamInvalidResponse(detail)
        unusable.no_call_began = fault.status in ELSEWHERE
        return unusable
    public = explanation or showable(fault.message, masking)
    if fault.status == 429 or fault.status >= 500:
        return UpstreamUnavailable(
            detail,
            status=fault.status,
            type=fault.type,
            code=fault.code,
            param=fault.param,
            public=public,
            retry_after=fault.retry_after,
        )
    return UpstreamRefused(
        detail,
        status=fault.status,
        type=fault.type,
        code=fault.code,
        param=fault.param,
        public=public or "The provider refused the request.",
    )


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds from `retry-after-ms` (OpenAI, Azure) or Retry-After (RFC 9110, 10.2.3)."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is None and value is not None:
        seconds = _seconds_until(value, now)
    return None if seconds is None else _bounded(seconds)


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "nan")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _seconds_until(date: str, now: float) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() - now
    except (ValueError, OverflowError):
        return None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), float(LONGEST_REST_SECONDS))


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
