"""Seal a provider's secret into a grant, and open it by the token's word.

Whoever can write to the store can change a record. So the secret is bound to the whole record, and
the claims, which are signed, take the place of what the record says of the same things.
"""

from msgspec.structs import replace

from signaller.errors import TokenRejected
from signaller.json_writer import write_json
from signaller.jwe import ContentKey, decrypt, encrypt
from signaller.model import Grant
from signaller.secret import Secret
from signaller.tokens import Claims


def seal(grant: Grant, secret: Secret, seal_key: bytes) -> Grant:
    """The grant with this secret in it, under a key that only its token will carry."""
    sealed = encrypt(secret.reveal().encode(), ContentKey(seal_key), bound_to=_bound(grant))
    return replace(grant, sealed_secret=sealed)


def unseal(found: Grant, claims: Claims) -> tuple[Grant, Secret]:
    """The grant as its token tells it, and its secret. Raises TokenRejected if it was changed."""
    terms = replace(
        found.terms,
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
        credential=claims.credential,
        terms=terms,
    )
    try:
        key = ContentKey(claims.seal_key)
        opened = decrypt(found.sealed_secret, [key], bound_to=_bound(grant))
        return grant, Secret(opened.decode())
    except ValueError as broken:  # JweRejected is one, and UnicodeDecodeError
        raise TokenRejected(f"grant {claims.grant_id}: its record does not open") from broken


def _bound(grant: Grant) -> bytes:
    """Every member but the secret itself."""
    return write_json(replace(grant, sealed_secret=""))
