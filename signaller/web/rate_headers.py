"""What is left of a caller's rate, in OpenAI's headers."""

from signaller.errors import RateLimitExceeded
from signaller.model import Allowance

NAMES = (
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
)


def rate_headers(allowance: Allowance | None) -> dict[str, str]:
    """Headers for a request that was let through; none without a rate."""
    if allowance is None:
        return {}
    return _headers(allowance.limit, allowance.remaining, allowance.reset_seconds)


def refusal_headers(error: RateLimitExceeded) -> dict[str, str]:
    """Headers for one that was not."""
    return _headers(error.limit, 0, error.reset_seconds)


def duration(seconds: float) -> str:
    """As OpenAI writes it: `120ms`, `6.5s`, `1m0s`."""
    milliseconds = max(0, round(seconds * 1000))
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes}m{rest // 1000}s" if minutes else f"{rest / 1000:g}s"


def _headers(limit: int, remaining: int, reset_seconds: float) -> dict[str, str]:
    values = (str(limit), str(remaining), duration(reset_seconds))
    return dict(zip(NAMES, values, strict=True))
