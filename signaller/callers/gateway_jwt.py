"""A gateway's JWT (RFC 7519), judged as RFC 8725 asks, and what its claims say of its bearer.

PyJWT verifies it: signature, issuer, audience and times. Ours are the choice of the key, the words
of a refusal, and the claims that narrow a policy.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

import jwt
from jwt.exceptions import InvalidSubjectError

from signaller.callers.jwks import KeySets, PublicKey, parse_pem
from signaller.callers.names import NAME_RULE, credential_id, escaped_length, is_name
from signaller.errors import ConfigError, InvalidJwt, ScopeMissing
from signaller.policy import MAX_MODELS, MAX_ORIGINS, MAX_ORIGINS_CHARS, Narrowing
from signaller.secret import Secret
from signaller.settings import ALGORITHMS, ClaimNames, JwtSettings

MAX_BYTES = 16 * 1024
"""What servers take in one header; the largest JWTs seen (Entra ID, many groups) have some 6 KB."""
LEEWAY_SECONDS = 10
"""Clocks under NTP differ by less than one; short-lived JWTs should not live much longer."""
MAX_NUMBER = 1_000_000_000
"""Beyond any limit with a meaning, and far below the 64 bits that stores count with."""

JwtClaims = Mapping[str, object]
FindKeys = Callable[[str | None], Awaitable[tuple[PublicKey, ...]]]
"""The keys with an id. Raises IssuerUnavailable."""

# The first that fits: PyJWT's classes inherit from one another.
_SENTENCES: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "The JWT has expired."),
    (jwt.ImmatureSignatureError, "The JWT is not valid yet: nbf or iat lies in the future."),
    (jwt.InvalidIssuedAtError, "The JWT's claim 'iat' must be a number."),
    (jwt.InvalidIssuerError, "The JWT is not from the issuer that this service trusts (issuer)."),
    (jwt.InvalidAudienceError, "The JWT is not for this service (audience)."),
    (InvalidSubjectError, "The JWT's claim 'sub' must be text."),
    (jwt.InvalidSignatureError, "The JWT's signature does not verify."),
    (jwt.DecodeError, "The JWT is malformed."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Of whom a JWT speaks, and what it takes away from their policy."""

    name: str
    end_user: str | None
    narrowing: Narrowing


def looks_like_jwt(secret: Secret) -> bool:
    """Whether it has the three segments of a signed JWT (RFC 7515, 7.1)."""
    return secret.reveal().count(".") == 2


class GatewayJwt:
    """Verifies JWTs of one issuer. Raises ConfigError for a key that fits no algorithm."""

    def __init__(self, settings: JwtSettings, key_sets: KeySets) -> None:
        self._settings = settings
        self.credential_id = credential_id(
            "jwt", settings.issuer, settings.audience, settings.jwks_url, settings.public_key
        )
        # Whatever a configuration allows, a symmetric algorithm is none.
        self._algorithms = tuple(name for name in settings.algorithms if name in ALGORITHMS)
        self._find = _source(settings, self._algorithms, key_sets)

    async def verify(self, secret: Secret) -> Bearer:
        """Of whom a JWT speaks. Raises InvalidJwt, ScopeMissing and IssuerUnavailable."""
        text = secret.reveal()
        if len(text) > MAX_BYTES:
            raise InvalidJwt(public=f"The JWT is longer than {MAX_BYTES} bytes.")
        if not text.isascii():
            raise InvalidJwt(public="The JWT is malformed.")
        try:
            header = jwt.get_unverified_header(text)
            algorithm, key = header.get("alg"), await self._key(header)
            if algorithm not in key.algorithms:
                raise InvalidJwt(public="The JWT's key is not for the algorithm it is signed with.")
            claims = self._claims(text, key)
        except jwt.PyJWTError as error:
            raise _refusal(error) from error
        if self._settings.required_scope is not None:
            require_scope(claims, self._settings.required_scope)
        return read_claims(claims, self._settings.claims)

    async def _key(self, header: dict[str, object]) -> PublicKey:
        if header.get("alg") not in self._algorithms:
            raise InvalidJwt(
                public="The JWT must be signed with one of the algorithms "
                f"{', '.join(self._algorithms)}."
            )
        key_id = header.get("kid")
        keys = await self._find(key_id if isinstance(key_id, str) else None)
        if not keys:
            raise InvalidJwt(
                public="The JWT's header names no key (kid) that its issuer publishes."
                if "kid" in header
                else "The JWT's header names no key (kid), and its issuer publishes none, "
                "or more than one."
            )
        # Keys of different types may share an id (RFC 7517, 4.5).
        return next((key for key in keys if header["alg"] in key.algorithms), keys[0])

    def _claims(self, text: str, key: PublicKey) -> JwtClaims:
        claims: JwtClaims = jwt.decode(
            text,
            key.key,
            algorithms=[name for name in self._algorithms if name in key.algorithms],
            issuer=self._settings.issuer,
            audience=self._settings.audience,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
        )
        return claims


def _source(settings: JwtSettings, algorithms: tuple[str, ...], key_sets: KeySets) -> FindKeys:
    if settings.jwks_url is not None:
        return partial(key_sets.find, settings.jwks_url)
    key = parse_pem(settings.public_key or "", algorithms)
    if key is None:
        raise ConfigError(
            [
                "signaller.gateway.jwt.public_key: expected a public key in PEM (RSA: of 2048 "
                f"bits or more) that fits one of {', '.join(settings.algorithms)}"
            ]
        )

    async def the_only(_key_id: str | None) -> tuple[PublicKey, ...]:
        return (key,)

    return the_only


def _refusal(error: jwt.PyJWTError) -> InvalidJwt:
    if isinstance(error, jwt.MissingRequiredClaimError):
        return InvalidJwt(public=f"The JWT lacks the claim '{error.claim}'.")
    public = next((text for kind, text in _SENTENCES if isinstance(error, kind)), InvalidJwt.public)
    return InvalidJwt(f"{public} ({type(error).__name__})", public=public)


def read_claims(claims: JwtClaims, names: ClaimNames) -> Bearer:
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
            calls_at_once=_number(claims, names.calls_at_once),
            max_call_seconds=_number(claims, names.max_call_seconds),
            max_idle_seconds=_number(claims, names.max_idle_seconds),
        ),
    )


def require_scope(claims: JwtClaims, scope: str) -> None:
    """Find a scope in `scope` (RFC 8693, 4.2) or `scp`. Raises ScopeMissing and InvalidJwt."""
    granted = (_texts(claims, claim, separator=" ") or () for claim in ("scope", "scp"))
    if not any(scope in scopes for scopes in granted):
        raise ScopeMissing


def _name(claims: JwtClaims, claim: str) -> str | None:
    if claim not in claims:
        return None
    value = claims[claim]
    if not is_name(value):
        raise _wrong(claim, f"text of {NAME_RULE}")
    return value


def _number(claims: JwtClaims, claim: str | None) -> int | None:
    if claim is None or claim not in claims:
        return None
    value = claims[claim]
    # To Python, true is the number 1.
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_NUMBER:
        raise _wrong(claim, f"a whole number from 1 to {MAX_NUMBER}")
    return value


def _models(claims: JwtClaims, names: ClaimNames) -> tuple[str, ...] | None:
    texts = _texts(claims, names.models, separator=" ")
    if texts is None:
        return None
    prefix = names.models_prefix
    models = tuple(text.removeprefix(prefix) for text in texts if text.startswith(prefix))
    if len(models) > MAX_MODELS:
        raise InvalidJwt(public=f"The JWT names more than {MAX_MODELS} models.")
    return models


def _origins(claims: JwtClaims, claim: str | None) -> tuple[str, ...] | None:
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


def _texts(
    claims: JwtClaims, claim: str | None, *, separator: str | None
) -> tuple[str, ...] | None:
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
