"""A provider's answer to a mint, as an ephemeral secret and a session without it."""

from collections.abc import Mapping

from signaller.errors import UpstreamInvalidResponse
from signaller.model import EphemeralSecret, SessionRequest
from signaller.secret import MASK, Secret
from signaller.strict_json import parse_object

MAX_DEPTH = 96
"""More than a client may send: the provider wraps what it echoes."""
CLOCK_SECONDS = 60
"""By how much a provider's clock may be ahead of ours."""
LONGEST_SECRET = 2048
"""Known ones have some 40 characters; it must fit into a sealed grant (`jwe`)."""


def parse_minted(body: bytes, asked: SessionRequest, now: float) -> EphemeralSecret:
    """Any 2xx is read so; UpstreamInvalidResponse unless it holds a secret that can be used.

    One that is said to live for longer than was asked for is not kept for so long.
    """
    try:
        answer = parse_object(body, max_depth=MAX_DEPTH)
    except ValueError:
        # The error holds the body, and the body may hold a secret: it is not chained.
        raise UpstreamInvalidResponse("the mint's answer is not a JSON object") from None
    nested = answer.get("client_secret")
    inner: Mapping[str, object] = nested if isinstance(nested, Mapping) else {}
    value = _secret(answer.get("value") or inner.get("value"))
    expires_at = answer.get("expires_at") or inner.get("expires_at")
    # bool is an int to Python, but true is no time
    if not isinstance(expires_at, int) or isinstance(expires_at, bool):
        raise UpstreamInvalidResponse("the mint's answer has no integer 'expires_at'")
    if expires_at <= now:
        raise UpstreamInvalidResponse(
            f"the minted secret expired {int(now) - max(expires_at, 0)} s ago: is our clock right?"
        )
    longest = int(now) + asked.expires_after_seconds + CLOCK_SECONDS
    session = answer.get("session")
    return EphemeralSecret(
        value=Secret(value),
        expires_at=min(expires_at, longest),
        session=_session(
            session if isinstance(session, Mapping) else asked.session, asked.session, value
        ),
    )


def _secret(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_SECRET:
        raise UpstreamInvalidResponse("the mint's answer has no usable 'value'")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise UpstreamInvalidResponse("the mint's 'value' cannot be sent in a header")
    return value


def _session(
    given: Mapping[str, object], asked: Mapping[str, object], value: str
) -> Mapping[str, object]:
    session = {
        name: _without(member, value) for name, member in given.items() if _keep(name, value)
    }
    if not isinstance(session.get("type"), str):  # SDKs discriminate on it
        session["type"] = asked.get("type", "realtime")
    return session


def _without(member: object, value: str) -> object:
    """The member without `client_secret` at any depth, and without the secret anywhere."""
    if isinstance(member, dict):  # `Mapping` would ask the member's class about it
        return {
            name: _without(inner, value) for name, inner in member.items() if _keep(name, value)
        }
    if isinstance(member, list):
        return [_without(inner, value) for inner in member]
    return member.replace(value, MASK) if isinstance(member, str) else member


def _keep(name: str, value: str) -> bool:
    return name != "client_secret" and value not in name
