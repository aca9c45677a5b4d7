"""A gateway's JWT (RFC 7519), judged as RFC 8725 asks."""

from collections.abc import Awaitable, Callable
from functools import partial

import jwt
from jwt.exceptions import InvalidSubjectError

from signaller.callers.claims import Bearer, read_claims, require_scope
from signaller.callers.credential_ids import credential_id
from signaller.callers.jwks import ALGORITHMS, PublicKey, parse_pem
from signaller.callers.key_sets import KeySets
from signaller.errors import ConfigError, InvalidJwt
from signaller.secret import Secret
from signaller.settings import JwtSettings

MAX_BYTES = 16 * 1024
"""What servers take in one header; the largest JWTs seen (Entra ID, many groups) have some 6 KB."""
LEEWAY_SECONDS = 10
"""Clocks under NTP differ by less than one; short-lived JWTs should not live much longer."""

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

    def _claims(self, text: str, key: PublicKey) -> dict[str, object]:
        claims: dict[str, object] = jwt.decode(
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
