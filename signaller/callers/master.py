"""The one caller with the master key."""

import hashlib
import hmac

from signaller.errors import InvalidApiKey
from signaller.model import Caller
from signaller.secret import Secret

MASTER = Caller(name="master")


class MasterKey:
    """Knows a single key; without one configured, nobody is let in."""

    def __init__(self, key: Secret | None) -> None:
        self._digest = _digest(key) if key else None

    def identify(self, credential: Secret | None) -> Caller:
        """The caller behind a credential. Raises InvalidApiKey."""
        if credential is None:
            raise InvalidApiKey("no credential")
        if self._digest is None:
            raise InvalidApiKey(
                public="This service has no master key, so nobody can get a token. "
                "The operator must set general_settings.master_key or SIGNALLER_MASTER_KEY."
            )
        # Digests of equal length: the comparison tells nothing about the key, not even its length.
        if not hmac.compare_digest(_digest(credential), self._digest):
            raise InvalidApiKey("the credential is not the master key")
        return MASTER


def _digest(secret: Secret) -> bytes:
    return hashlib.sha256(secret.reveal().encode("utf-8", "surrogateescape")).digest()
