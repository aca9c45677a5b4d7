"""The token a client holds, `ek_` + a compact JWE around a signed JWT, and the secret it unseals.

Checked in order: length, form, header, tag (all `jwe`), signature, claims. Every failure is the
same TokenRejected; the reason is for the log only. A forged token costs one AES-GCM pass at most.

Whoever can write to the store can change a record. So the provider's secret is bound to the whole
record, and the claims, which are signed, take the place of what the record says of the same things.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, Literal

import jwt
from jwt.algorithms import HMACAlgorithm

from signaller.errors import TokenRejected
from signaller.model import Grant, SessionType, Terms
from signaller.ports import Clock
from signaller.secret import Secret
from signaller.strict_json import reader, write_json
from signaller.tokens.jwe import (
    ContentKey,
    JweRejected,
    base64url_decode,
    base64url_encode,
    decrypt,
    derive,
    encrypt,
)

PREFIX = "ek_"  # the Agents SDK refuses any other key in a browser
ISSUER: Final = "signaller"
AUDIENCE: Final = "realtime/calls"

MAX_SEALED_CHARS = 300 * 1024
"""Metadata of 16 pairs at their longest, every character a JSON escape of six, has 74 Ki in here;
providers' secrets have some hundred characters, a session in the place of one 64 Ki, twice as many
where each is escaped; and base64 makes a third more of it."""
DIGEST_BYTES = 16
"""Of SHA-256: nobody finds other metadata with the same 128 bits."""

_ALGORITHM = "HS256"
_JWT_HEADER = base64url_encode(b'{"alg":"HS256","typ":"JWT"}') + "."
"""As PyJWT writes it: the only one that is read, so that no header chooses how it is checked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClaims:
    """What a token says: which grant it names, for whom, and the key that unseals it."""

    grant_id: str
    caller: str
    credential_id: str
    """The proof that the caller had brought; once it is withdrawn, the token is void."""
    deployment_id: str
    """Where the secret was minted; what that provider cannot do is refused before it is asked."""
    credential_fingerprint: str
    """Of the deployment's credential that minted its secret."""
    model: str
    nested_models: tuple[str, ...]
    """Those that its session names below its own, as the caller names them."""
    session_type: SessionType
    uses: int
    """How many calls it was minted for; how many are left, only the store knows."""
    origins: tuple[str, ...]
    """The only `Origin`s that may use the token; none named: any."""
    issued_at: int
    expires_at: int
    metadata_digest: str
    """Of its metadata (`digest_of`); empty: it has none."""
    seal_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Payload:
    """The claims as a JWT names them (RFC 7519, 4.1): every one is required, and of its type."""

    iss: Literal["signaller"]
    aud: Literal["realtime/calls"]
    sub: str
    iat: int
    exp: int
    jti: str
    dep: str
    cre: str
    mdl: str
    nst: tuple[str, ...]
    ses: SessionType
    use: int
    org: tuple[str, ...]
    crd: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Described(_Payload):
    """Those of a token with metadata; all others are as they were before there was any."""

    met: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sealed:
    """What only the token opens."""

    secret: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsealed:
    """A grant as its token tells it, and what the token opens."""

    grant: Grant
    secret: Secret
    """The provider's ephemeral one."""
    metadata: Mapping[str, str]


class _Hmac(HMACAlgorithm):
    """PyJWT's HS256 for keys that are known to be secrets.

    PyJWT would look at each use whether the key is in truth a public one, in PEM or DER; ours were
    derived here.
    """

    def prepare_key(self, key: str | bytes) -> bytes:
        """The key as it is."""
        return key.encode() if isinstance(key, str) else key


_jws = jwt.PyJWS(algorithms=[_ALGORITHM], options={"enforce_minimum_key_length": True})
_jws.unregister_algorithm(_ALGORITHM)
_jws.register_algorithm(_ALGORITHM, _Hmac(hashlib.sha256))
# `reader` reads the claims and not jwt.decode, which takes `true` or 1.5 for a time and asks the
# system for it: our clock is an argument, and an expired token still ends its call.
_read_payload = reader(_Described)
_read_sealed = reader(_Sealed)


@dataclass(frozen=True, slots=True)
class _Keys:
    """One master of the ring, split by purpose."""

    encryption: ContentKey
    signature: bytes

    @classmethod
    def from_master(cls, master: Secret) -> "_Keys":
        key = master_bytes(master)
        kid = base64url_encode(derive(key, "key id")[:6])
        return cls(ContentKey(derive(key, "token encryption"), kid), derive(key, "token signature"))


class Tokens:
    """Mints and opens tokens under a ring of master keys: the first seals, all open."""

    def __init__(self, ring: Sequence[Secret], clock: Clock) -> None:
        self._ring = [_Keys.from_master(master) for master in ring]
        self._clock = clock

    def mint(self, claims: TokenClaims) -> Secret:
        """The token for these claims."""
        keys = self._ring[0]
        payload = _Payload(
            iss=ISSUER,
            aud=AUDIENCE,
            sub=claims.caller,
            iat=claims.issued_at,
            exp=claims.expires_at,
            jti=claims.grant_id,
            dep=claims.deployment_id,
            cre=claims.credential_fingerprint,
            mdl=claims.model,
            nst=claims.nested_models,
            ses=claims.session_type,
            use=claims.uses,
            org=claims.origins,
            crd=claims.credential_id,
            key=base64url_encode(claims.seal_key),
        )
        if claims.metadata_digest:
            payload = _described(payload, claims.metadata_digest)
        signed = _jws.encode(write_json(payload), keys.signature, _ALGORITHM)
        return Secret(PREFIX + encrypt(signed.encode(), keys.encryption))

    def read(self, token: Secret, *, even_if_expired: bool = False) -> TokenClaims:
        """The claims of a token of ours. Raises TokenRejected.

        `even_if_expired` is for ending a call: its token outlives the time to start one.
        """
        text = token.reveal()
        if not text.startswith(PREFIX):
            raise TokenRejected("the token has no ek_ prefix")
        reason = ""  # an exception would keep this frame alive, and with it the token
        for keys in self._ring:
            try:
                signed = decrypt(text.removeprefix(PREFIX), [keys.encryption])
            except JweRejected as rejected:
                reason = str(rejected)
                continue
            claims = _verify(signed, keys.signature)
            # At the boundary it is over: `start_by` is exclusive, in the store too.
            if not even_if_expired and claims.expires_at <= self._clock():
                raise TokenRejected(
                    f"grant {claims.grant_id} of {claims.caller}: the token has expired"
                )
            return claims
        raise TokenRejected(f"not a token of ours: {reason}")


def _described(payload: _Payload, digest: str) -> _Described:
    plain = {each.name: getattr(payload, each.name) for each in fields(payload)}
    return _Described(**plain, met=digest)


def master_bytes(master: Secret) -> bytes:
    """The 32 bytes of one master of the ring, from which keys for each purpose are derived."""
    return base64url_decode(master.reveal())


def digest_of(metadata: Mapping[str, str]) -> str:
    """What binds metadata to a token, whatever the order of its pairs; empty for none."""
    if not metadata:
        return ""
    whole = hashlib.sha256(write_json(sorted(metadata.items()))).digest()
    return base64url_encode(whole[:DIGEST_BYTES])


def seal(grant: Grant, secret: Secret, metadata: Mapping[str, str], seal_key: bytes) -> Grant:
    """The grant with these in it, under a key that only its token will carry."""
    sealed = encrypt(
        write_json(_Sealed(secret=secret.reveal(), metadata=metadata)),
        ContentKey(seal_key),
        bound_to=_bound(grant),
        max_chars=MAX_SEALED_CHARS,
    )
    return replace(grant, sealed_secret=sealed)


def unseal(found: Grant, claims: TokenClaims) -> Unsealed:
    """The grant as its token tells it, and what was sealed. Raises TokenRejected if changed."""
    terms = Terms(
        model=claims.model,
        session_type=claims.session_type,
        uses=claims.uses,
        start_by=claims.expires_at,
        origins=claims.origins,
    )
    grant = replace(
        found,
        id=claims.grant_id,
        caller=claims.caller,
        deployment_id=claims.deployment_id,
        credential_fingerprint=claims.credential_fingerprint,
        terms=terms,
    )
    try:
        key = ContentKey(claims.seal_key)
        opened = decrypt(
            found.sealed_secret, [key], bound_to=_bound(grant), max_chars=MAX_SEALED_CHARS
        )
        sealed = _read_sealed(opened)
        if digest_of(sealed.metadata) != claims.metadata_digest:
            raise ValueError("its metadata is not the token's")
    except ValueError as broken:  # JweRejected is one
        raise TokenRejected(f"grant {claims.grant_id}: its record does not open") from broken
    return Unsealed(grant=grant, secret=Secret(sealed.secret), metadata=sealed.metadata)


def _bound(grant: Grant) -> bytes:
    """Every member but the secret itself."""
    return write_json(replace(grant, sealed_secret=""))


def _verify(signed: bytes, key: bytes) -> TokenClaims:
    try:
        payload = _read_payload(_verified(signed.decode("ascii"), key))
        seal_key = base64url_decode(payload.key)
    except (jwt.PyJWTError, ValueError) as invalid:
        raise TokenRejected(f"the token's claims are not ours: {invalid}") from invalid
    return TokenClaims(
        grant_id=payload.jti,
        caller=payload.sub,
        credential_id=payload.crd,
        deployment_id=payload.dep,
        credential_fingerprint=payload.cre,
        model=payload.mdl,
        nested_models=payload.nst,
        session_type=payload.ses,
        uses=payload.use,
        origins=payload.org,
        issued_at=payload.iat,
        expires_at=payload.exp,
        metadata_digest=payload.met,
        seal_key=seal_key,
    )


def _verified(compact: str, key: bytes) -> bytes:
    """The payload of a JWT of ours, which is spelt in one way: PyJWT would also take padding."""
    if not compact.startswith(_JWT_HEADER) or "=" in compact:
        raise ValueError("the JWT's form is not ours")
    payload: bytes = _jws.decode(compact, key, [_ALGORITHM])
    return payload
