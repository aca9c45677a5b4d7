"""A trusted gateway that names its callers in a header."""

from dataclasses import dataclass

from signaller.callers.names import NAME_RULE, credential_id, is_name
from signaller.errors import InvalidApiKey
from signaller.model import Evidence
from signaller.settings import HeaderSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Whom the header names, and the person behind them."""

    name: str
    end_user: str | None


class GatewayHeader:
    """Believes a header, but only from where the gateway is."""

    def __init__(self, settings: HeaderSettings) -> None:
        self._settings = settings
        networks = sorted(map(str, settings.networks))
        self.credential_id = credential_id("header", settings.name, networks, settings.trust_unix)

    def read(self, evidence: Evidence) -> Named | None:
        """Whom a trusted peer names; None without the header, or from anywhere else.

        Raises InvalidApiKey for a header that names nobody, or two; of the end user likewise.
        """
        if not self._trusts(evidence):
            return None
        name = _only(evidence, self._settings.name, "a caller")
        if name is None:
            return None
        # Refused, not ignored: else a client could drop its end user by sending an unusable one.
        end_user = _only(evidence, self._settings.end_user, "an end user")
        return Named(name=name, end_user=end_user)

    def _trusts(self, evidence: Evidence) -> bool:
        if evidence.peer == "unix":
            return self._settings.trust_unix
        peer = evidence.peer
        return peer is not None and any(peer in network for network in self._settings.networks)


def _only(evidence: Evidence, header: str | None, whom: str) -> str | None:
    """The name in a header; None without it. Raises InvalidApiKey."""
    values = [value for field, value in evidence.headers if field == header]
    if not values:
        return None
    # A gateway that appends makes one field of two, with a comma between (RFC 9110, 5.3).
    if len(values) > 1 or "," in values[0]:
        raise InvalidApiKey(public=f"The gateway's header names {whom} more than once.")
    if not is_name(values[0]):
        raise InvalidApiKey(public=f"The gateway's header must name {whom} in {NAME_RULE}.")
    return values[0]
