"""The token a client holds: `ek_` + a compact JWE around a signed JWT.

Checked in order: length, form, header, tag (all `jwe`), signature, claims. Every failure is the
same TokenRejected; the reason is for the log only. A forged token costs one AES-GCM pass at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from signaller import base64url
from signaller.errors import TokenRejected
from signaller.json_writer import write_json
from signaller.jwe import ContentKey, JweRejected, decrypt, derive, encrypt
from signaller.jws import sign, verify
from signaller.model import SessionType
from signaller.ports import Clock
from signaller.secret import Secret

PREFIX = "ek_"  # the Agents SDK refuses any other key in a browser
ISSUER: Final = "signaller"
AUDIENCE: Final = "realtime/calls"


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says: which grant it names, for whom, and the key that unseals it."""

    grant_id: str
    caller: str
    credential_id: str
    """The proof that the caller had brought: withdrawn, it voids the token."""
    deployment_id: str
    """Where the secret was minted: what the provider there cannot do is refused in time."""
    credential: str
    """The fingerprint of the deployment's credential that minted it."""
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
    seal_key: bytes


class _Payload(msgspec.Struct, frozen=True, kw_only=True):
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


_read_payload = msgspec.json.Decoder(_Payload).decode


@dataclass(frozen=True, slots=True)
class _Keys:
    """One master of the ring, split by purpose."""

    encryption: ContentKey
    signature: bytes

    @classmethod
    def from_master(cls, master: Secret) -> "_Keys":
        key = master_bytes(master)
        kid = base64url.encode(derive(key, "key id")[:6])
        return cls(ContentKey(derive(key, "token encryption"), kid), derive(key, "token signature"))


class Tokens:
    """Mints and opens tokens under a ring of master keys: the first seals, all open."""

    def __init__(self, ring: Sequence[Secret], clock: Clock) -> None:
        self._ring = [_Keys.from_master(master) for master in ring]
        self._clock = clock

    def mint(self, claims: Claims) -> Secret:
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
            cre=claims.credential,
            mdl=claims.model,
            nst=claims.nested_models,
            ses=claims.session_type,
            use=claims.uses,
            org=claims.origins,
            crd=claims.credential_id,
            key=base64url.encode(claims.seal_key),
        )
        signed = sign(write_json(payload), keys.signature)
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
    return base64url.decode(master.reveal())


def _verify(signed: bytes, key: bytes) -> Claims:
    try:
        payload = _read_payload(verify(signed.decode("ascii"), key))
        seal_key = base64url.decode(payload.key)
    except ValueError as invalid:  # each of these fails with one
        raise TokenRejected(f"the token's claims are not ours: {invalid}") from invalid
    return Claims(
        grant_id=payload.jti,
        caller=payload.sub,
        credential_id=payload.crd,
        deployment_id=payload.dep,
        credential=payload.cre,
        model=payload.mdl,
        nested_models=payload.nst,
        session_type=payload.ses,
        uses=payload.use,
        origins=payload.org,
        issued_at=payload.iat,
        expires_at=payload.exp,
        seal_key=seal_key,
    )
