"""Ephemeral secrets: issued, and honoured until they expire."""

import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from signaller.loopback.faults import Refusal
from signaller.loopback.session import Json
from signaller.model import Provider

_MAX_SECRETS = 10_000  # the oldest leaves: this is one developer's machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """One secret's session, until it expires."""

    session: Json
    expires_at: int


def lifetime(expires_after: object) -> int:
    """Seconds, from a mint's `expires_after`; raises Refusal."""
    if expires_after is None:
        return 600
    if not isinstance(expires_after, dict):
        raise Refusal(
            400,
            "invalid_type",
            "Invalid type for 'expires_after': expected an object.",
            param="expires_after",
        )
    if expires_after.get("anchor", "created_at") != "created_at":
        raise Refusal(
            400,
            "invalid_value",
            "Invalid value for 'expires_after.anchor'. Supported values are: 'created_at'.",
            param="expires_after.anchor",
        )
    seconds = expires_after.get("seconds", 600)
    # bool is an int to Python, not to JSON
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 10 <= seconds <= 7200:
        raise Refusal(
            400,
            "integer_out_of_range",
            "Invalid 'expires_after.seconds': expected an integer between 10 and 7200.",
            param="expires_after.seconds",
        )
    return seconds


class Issuance:
    """Remembers what it issued; several calls may start with one secret."""

    def __init__(self, *, provider: Provider, clock: Callable[[], float]) -> None:
        self._prefix = "ek_" if provider == "openai" else ""
        self._clock = clock
        self._issued: dict[str, Issued] = {}

    def issue(self, session: Json, seconds: int) -> tuple[str, Issued]:
        """A new secret."""
        now = int(self._clock())
        for value in [v for v, issued in self._issued.items() if issued.expires_at <= now]:
            del self._issued[value]
        if len(self._issued) >= _MAX_SECRETS:
            del self._issued[next(iter(self._issued))]
        value = self._prefix + secrets.token_hex(16)
        issued = Issued(session=session, expires_at=now + seconds)
        self._issued[value] = issued
        return value, issued

    def honour(self, value: str) -> Issued | None:
        """What the secret stands for, None once it has expired."""
        issued = self._issued.get(value)
        if issued is None or issued.expires_at <= self._clock():
            return None
        return issued


def same(given: str, expected: str) -> bool:
    """Whether two credentials are equal, in constant time."""
    return hmac.compare_digest(given.encode(), expected.encode())
