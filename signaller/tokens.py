"""The token a client holds: `ek_` + a compact JWE around a signed JWT.

Checked in order: length, form, header, tag (all `jwe`), signature, claims. Every failure is the
same TokenRejected; the reason is for the log only. A forged token costs one AES-GCM pass at most.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jwt
from jwt.algorithms import HMACAlgorithm

from signaller.errors import TokenRejected
from signaller.jwe import KEY_BYTES, ContentKey, JweRejected, decrypt, derive, encrypt
from signaller.ports import Clock
from signaller.secret import Secret

PREFIX = "ek_"  # the Agents SDK refuses any other key in a browser
ISSUER = "signaller"
AUDIENCE = "realtime/calls"
ALGORITHM = "HS256"
CLAIMS = ("iss", "aud", "sub", "iat", "exp", "jti", "mdl", "org", "crd", "key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a token says: which grant it names, for whom, and the key that unseals it."""

    grant_id: str
    caller: str
    credential_id: str
    """The proof that the caller had brought: withdrawn, it voids the token."""
    model: str
    origins: tuple[str, ...]
    """The only `Origin`s that may use the token; none named: any."""
    issued_at: int
    expires_at: int
    seal_key: bytes


class _UnderDerivedKey(HMACAlgorithm):
    """HMAC under a key that `jwe.derive` made."""

    def prepare_key(self, key: str | bytes) -> bytes:
        """The key as it is: PyJWT would parse it as a certificate, twice a token, to refuse one."""
        if not isinstance(key, bytes) or len(key) != KEY_BYTES:
            raise jwt.InvalidKeyError("not a derived key")
        return key


class _SignedClaims(jwt.PyJWT):
    """PyJWT with one algorithm, and with what is required of every token of ours."""

    def __init__(self) -> None:
        # PyJWT would read the machine's clock; ours is an argument.
        super().__init__({"require": list(CLAIMS), "verify_exp": False, "verify_iat": False})
        self._jws = jwt.PyJWS([])
        self._jws.register_algorithm(ALGORITHM, _UnderDerivedKey(HMACAlgorithm.SHA256))


SIGNED_CLAIMS = _SignedClaims()


@dataclass(frozen=True, slots=True)
class _Keys:
    """One master of the ring, split by purpose."""

    encryption: ContentKey
    signature: bytes

    @classmethod
    def from_master(cls, master: Secret) -> "_Keys":
        key = master_bytes(master)
        kid = _encode(derive(key, "key id")[:6])
        return cls(ContentKey(derive(key, "token encryption"), kid), derive(key, "token signature"))


class Tokens:
    """Mints and opens tokens under a ring of master keys: the first seals, all open."""

    def __init__(self, ring: Sequence[Secret], clock: Clock) -> None:
        self._ring = [_Keys.from_master(master) for master in ring]
        self._clock = clock

    def mint(self, claims: Claims) -> Secret:
        """The token for these claims."""
        keys = self._ring[0]
        payload = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": claims.caller,
            "iat": claims.issued_at,
            "exp": claims.expires_at,
            "jti": claims.grant_id,
            "mdl": claims.model,
            "org": claims.origins,
            "crd": claims.credential_id,
            "key": _encode(claims.seal_key),
        }
        signed = SIGNED_CLAIMS.encode(payload, keys.signature, algorithm=ALGORITHM)
        return Secret(PREFIX + encrypt(signed.encode(), keys.encryption))

    def read(self, token: Secret, *, even_if_expired: bool = False) -> Claims:
        """The claims of a token of ours. Raises TokenRejected.

        `even_if_expired` is for ending a call: its token outlives the time to start one.
        """
        text = token.reveal()
        if not text.startswith(PREFIX):
            raise TokenRejected("the token has no ek_ prefix")
        reason = ""  # not the exception: it and this frame would keep each other, and the token
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


def master_bytes(master: Secret) -> bytes:
    """The 32 bytes of one master of the ring, from which keys for each purpose are derived."""
    return _decode(master.reveal())


def _verify(signed: bytes, key: bytes) -> Claims:
    try:
        payload = SIGNED_CLAIMS.decode(
            signed, key, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER
        )
        return _claims(payload)
    except (jwt.PyJWTError, ValueError, TypeError) as invalid:
        raise TokenRejected(f"the token's claims are not ours: {invalid}") from invalid


def _claims(payload: Mapping[str, object]) -> Claims:
    match payload:
        case {
            "jti": str(jti),
            "sub": str(sub),
            "crd": str(crd),
            "mdl": str(mdl),
            "org": list(org),
            "iat": int(iat),
            "exp": int(exp),
            "key": str(key),
        }:
            return Claims(
                grant_id=jti,
                caller=sub,
                credential_id=crd,
                model=mdl,
                origins=_texts(org),
                issued_at=iat,
                expires_at=exp,
                seal_key=_decode(key),
            )
        case _:
            raise ValueError("a claim has the wrong type")


def _texts(values: list[object]) -> tuple[str, ...]:
    texts = tuple(value for value in values if isinstance(value, str))
    if len(texts) != len(values):
        raise ValueError("a claim has an entry of the wrong type")
    return texts


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as invalid:
        raise ValueError("not base64url") from invalid
