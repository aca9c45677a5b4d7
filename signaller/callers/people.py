"""The people behind callers, as rates count them: told apart, and never told."""

import hmac
from collections.abc import Sequence

from signaller.jwe import derive
from signaller.secret import Secret
from signaller.tokens import master_bytes

PSEUDONYM_CHARACTERS = 32
"""128 bits: nobody gets into another one's bucket by accident or by search."""


class People:
    """HMACs of end users: whoever reads Redis or a log cannot try out names."""

    def __init__(self, ring: Sequence[Secret]) -> None:
        # Rotating the ring begins everybody's minute anew, once.
        self._key = derive(master_bytes(ring[0]), "person's rates")

    def pseudonym(self, caller: str, end_user: str | None) -> str:
        """32 hex of a caller's person; without an end user, of the caller."""
        # Two callers may both have a user 1; the length keeps their names apart.
        text = f"{len(caller)}:{caller}:{end_user or caller}"
        return hmac.new(self._key, text.encode(), "sha256").hexdigest()[:PSEUDONYM_CHARACTERS]
