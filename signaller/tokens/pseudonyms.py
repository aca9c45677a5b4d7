"""Keyed hashes that stand for end users and credentials: always the same, and not reversible."""

import hmac
import json
from collections.abc import Sequence

from signaller.errors import InvalidRequest
from signaller.model import Caller, Deployment
from signaller.secret import Secret
from signaller.tokens.jwe import base64url_encode, derive
from signaller.tokens.tokens import master_bytes

PSEUDONYM_CHARACTERS = 32
"""128 bits: nobody gets into another one's bucket by accident or by search."""

_FINGERPRINT_PURPOSE = "signaller credential fingerprint 1"
_FINGERPRINT_CHARACTERS = 16
"""96 bits: no two credentials of one configuration come out alike."""


class Pseudonyms:
    """HMACs of end users under the service's own keys: whoever sees one cannot try out names.

    Rotating the ring changes them all, once: a provider sees new people, whose rates begin anew.
    """

    def __init__(self, ring: Sequence[Secret]) -> None:
        master = master_bytes(ring[0])
        self._for_provider = derive(master, "safety identifier")
        self._for_rates = derive(master, "person's rates")

    def for_provider(self, caller: Caller, named: str | None) -> str | None:
        """The person behind a mint, for `OpenAI-Safety-Identifier` (64 characters at most).

        None if nobody says who it is. What the gateway says rules over what the caller says
        (`named`). Raises InvalidRequest where the policy does not let the caller say it.
        """
        if named is not None and not caller.policy.safety_identifier:
            raise InvalidRequest(
                public="Your policy does not let you name the end user. Leave safety_identifier "
                "out, or ask the operator to allow it.",
                param="safety_identifier",
            )
        end_user = caller.end_user or named
        return None if end_user is None else _hmac(self._for_provider, caller.name, end_user)

    def for_rates(self, caller: str, end_user: str | None) -> str:
        """A caller's person in buckets of rates (32 hex); without an end user, the caller."""
        return _hmac(self._for_rates, caller, end_user or caller)[:PSEUDONYM_CHARACTERS]


def credential_fingerprint(deployment: Deployment) -> str:
    """The same on all replicas and at all times, for one credential at one account and address.

    The credential is the key of the HMAC, so whoever reads a fingerprint learns nothing of it. A
    service principal is known by its tenant and client: its secret may change.
    """
    key = ""
    account = [
        _FINGERPRINT_PURPOSE,
        deployment.organization,
        deployment.project,
        deployment.base_url,
    ]
    if deployment.entra:
        account += [deployment.entra.tenant_id, deployment.entra.client_id]
    elif credential := deployment.api_key or deployment.entra_token:
        key = credential.reveal()
    digest = hmac.digest(key.encode(), json.dumps(account).encode(), "sha256")
    return base64url_encode(digest)[:_FINGERPRINT_CHARACTERS]


def _hmac(key: bytes, caller: str, end_user: str) -> str:
    # Two callers may both have a user 1; the length keeps their names apart.
    text = f"{len(caller)}:{caller}:{end_user}"
    # JSON may hold half of a surrogate pair, and that has an identifier too.
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex()
