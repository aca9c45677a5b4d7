"""Who an end user is towards a provider: always the same, and never told."""

import hmac
from collections.abc import Sequence

from signaller.errors import InvalidRequest
from signaller.jwe import derive
from signaller.model import Caller
from signaller.secret import Secret
from signaller.tokens import master_bytes


class SafetyIdentifiers:
    """HMACs of end users, for OpenAI's `OpenAI-Safety-Identifier` (at most 64 characters)."""

    def __init__(self, ring: Sequence[Secret]) -> None:
        # Rotating the ring changes what the provider sees of a person, once.
        self._key = derive(master_bytes(ring[0]), "safety identifier")

    def of(self, caller: Caller, named: str | None) -> str | None:
        """The identifier of the person behind a mint; None if nobody says who it is.

        What the gateway says rules over what the caller says. Raises InvalidRequest where the
        policy does not let the caller say it.
        """
        if named is not None and not caller.policy.safety_identifier:
            raise InvalidRequest(
                public="Your policy does not let you name the end user. Leave safety_identifier "
                "out, or ask the operator to allow it.",
                param="safety_identifier",
            )
        end_user = caller.end_user or named
        if end_user is None:
            return None
        # Two callers may both have a user 1; the length keeps their names apart.
        text = f"{len(caller.name)}:{caller.name}:{end_user}"
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), "sha256").hexdigest()
