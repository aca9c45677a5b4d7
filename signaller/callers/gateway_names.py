"""Which callers a gateway may speak for."""

from signaller.policy import Policy
from signaller.settings import MASTER, Settings


class GatewayNames:
    """Every name, or those that are listed; never who has a key to prove themselves with."""

    def __init__(self, settings: Settings) -> None:
        self._default = None if settings.gateway.only_listed else settings.policy
        self._policies = {
            entry.name: entry.policy for entry in settings.callers if not entry.key_digests
        }
        self._taken = {MASTER} | {entry.name for entry in settings.callers if entry.key_digests}

    def policy_of(self, name: str) -> Policy | None:
        """The policy of whoever a gateway calls so; None: it may not."""
        return None if name in self._taken else self._policies.get(name, self._default)
