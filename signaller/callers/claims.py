"""What the claims of a JWT say of its bearer, once its signature is known to be good."""

from collections.abc import Mapping
from dataclasses import dataclass

from signaller.callers.bounded import NAME_RULE, escaped_length, is_name
from signaller.errors import InvalidJwt, ScopeMissing
from signaller.policy import MAX_MODELS, MAX_ORIGINS, MAX_ORIGINS_CHARS, Narrowing
from signaller.settings import ClaimNames

MAX_NUMBER = 1_000_000_000
"""Beyond any limit with a meaning, and far below the 64 bits that stores count with."""

Claims = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Of whom a JWT speaks, and what it takes away from their policy."""

    name: str
    end_user: str | None
    narrowing: Narrowing


def read_claims(claims: Claims, names: ClaimNames) -> Bearer:
    """The bearer. Raises InvalidJwt: a claim of the wrong type must not mean 'no limit'."""
    name = _name(claims, names.caller)
    if name is None:
        raise InvalidJwt(public=f"The JWT lacks the claim '{names.caller}'.")
    return Bearer(
        name=name,
        end_user=_name(claims, names.end_user),
        narrowing=Narrowing(
            models=_models(claims, names),
            origins=_origins(claims, names.origins),
            token_ttl_seconds=_number(claims, names.token_ttl_seconds),
            token_uses=_number(claims, names.token_uses),
            mints_per_minute=_number(claims, names.mints_per_minute),
            calls_per_minute=_number(claims, names.calls_per_minute),
        ),
    )


def require_scope(claims: Claims, scope: str) -> None:
    """Find a scope in `scope` (RFC 8693, 4.2) or `scp`. Raises ScopeMissing and InvalidJwt."""
    granted = (_texts(claims, claim, separator=" ") or () for claim in ("scope", "scp"))
    if not any(scope in scopes for scopes in granted):
        raise ScopeMissing


def _name(claims: Claims, claim: str) -> str | None:
    if claim not in claims:
        return None
    value = claims[claim]
    if not is_name(value):
        raise _wrong(claim, f"text of {NAME_RULE}")
    return value


def _number(claims: Claims, claim: str | None) -> int | None:
    if claim is None or claim not in claims:
        return None
    value = claims[claim]
    # To Python, true is the number 1.
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_NUMBER:
        raise _wrong(claim, f"a whole number from 1 to {MAX_NUMBER}")
    return value


def _models(claims: Claims, names: ClaimNames) -> tuple[str, ...] | None:
    texts = _texts(claims, names.models, separator=" ")
    if texts is None:
        return None
    prefix = names.models_prefix
    models = tuple(text.removeprefix(prefix) for text in texts if text.startswith(prefix))
    if len(models) > MAX_MODELS:
        raise InvalidJwt(public=f"The JWT names more than {MAX_MODELS} models.")
    return models


def _origins(claims: Claims, claim: str | None) -> tuple[str, ...] | None:
    origins = _texts(claims, claim, separator=None)
    if origins is None:
        return None
    if not "".join(origins).isascii():  # as browsers send them (RFC 6454, 6.2); others never match
        raise _wrong(claim or "", "origins in ASCII")
    if len(origins) > MAX_ORIGINS or sum(map(escaped_length, origins)) > MAX_ORIGINS_CHARS:
        raise InvalidJwt(
            public=f"The JWT names more than {MAX_ORIGINS} origins, "
            f"or more than {MAX_ORIGINS_CHARS} characters of them as JSON."
        )
    return origins


def _texts(claims: Claims, claim: str | None, *, separator: str | None) -> tuple[str, ...] | None:
    """A list of texts, or one text: split where there is a separator; None without the claim."""
    if claim is None or claim not in claims:
        return None
    value = claims[claim]
    if isinstance(value, str):
        value = [value] if separator is None else list(filter(None, value.split(separator)))
    # Nothing unprintable goes further: half of a surrogate pair could not even be stored.
    if not isinstance(value, list) or not all(
        isinstance(each, str) and each.isprintable() for each in value
    ):
        raise _wrong(claim, "text or a list of texts")
    return tuple(value)


def _wrong(claim: str, expected: str) -> InvalidJwt:
    return InvalidJwt(public=f"The JWT's claim '{claim}' must be {expected}.")
