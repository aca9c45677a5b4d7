"""A trusted gateway that names its callers in a header."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from signaller.callers.bounded import MAX_NAME_CHARACTERS, is_name
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

    def read(self, evidence: Evidence) -> Named | None:
        """Whom a trusted peer names; None without the header, or from anywhere else.

        Raises InvalidApiKey for a header that names nobody, or two.
        """
        if not self._trusts(evidence):
            return None
        names = _values(evidence, self._settings.name)
        if not names:
            return None
        if len(names) > 1:
            raise InvalidApiKey(public="The gateway's header names a caller more than once.")
        if not is_name(names[0]):
            raise InvalidApiKey(
                public="The gateway's header must name a caller in 1 to "
                f"{MAX_NAME_CHARACTERS} printable characters."
            )
        return Named(name=names[0], end_user=self._end_user(evidence))

    def _end_user(self, evidence: Evidence) -> str | None:
        if self._settings.end_user is None:
            return None
        values = _values(evidence, self._settings.end_user)
        return values[0] if len(values) == 1 and is_name(values[0]) else None

    def _trusts(self, evidence: Evidence) -> bool:
        if evidence.peer == "unix":
            return self._settings.trust_unix
        peer = _unmapped(evidence.peer)
        return peer is not None and any(peer in network for network in self._settings.networks)


def _unmapped(peer: IPv4Address | IPv6Address | None) -> IPv4Address | IPv6Address | None:
    # A socket that listens on both families shows an IPv4 peer as ::ffff:a.b.c.d (RFC 4291, 2.5.5).
    return (peer.ipv4_mapped or peer) if isinstance(peer, IPv6Address) else peer


def _values(evidence: Evidence, name: str) -> list[str]:
    return [value for field, value in evidence.headers if field == name]
