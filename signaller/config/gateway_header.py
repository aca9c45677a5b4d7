"""`gateway.header`: which header names the caller, and from whom it is believed."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network

from signaller.config.findings import Text
from signaller.config.lists import texts
from signaller.config.section import Section
from signaller.settings import HeaderSettings

KEYS = ("name", "trusted", "end_user")
UNIX = "unix"
MAX_TRUSTED = 256  # each is tried at every request; content networks publish some twenty
MAX_NAME_CHARS = 100
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
# They say something else already, and clients send them through any gateway.
TAKEN = frozenset(
    {"authorization", "api-key", "cookie", "host", "origin", "content-type", "x-request-id"}
)
_MAPPED = IPv6Network("::ffff:0:0/96")

Network = IPv4Network | IPv6Network


def read_header(section: Section) -> HeaderSettings | None:
    """The section; None after a fault."""
    section.unknown(KEYS, refuse=True)
    if "name" not in section:
        section.fault("name", "the header that names the caller", "nothing")
    name, end_user = _header_name(section, "name"), _header_name(section, "end_user")
    expected = f"a list of networks or '{UNIX}'"
    if "trusted" not in section:
        section.fault("trusted", f"{expected}, from where the header is believed", "nothing")
    trusted = texts(section, "trusted", expected, least=1, most=MAX_TRUSTED) or ()
    networks = [_network(text) for text in trusted if text.value != UNIX]
    if name is None:
        return None
    return HeaderSettings(
        name=name,
        networks=tuple(dict.fromkeys(network for network in networks if network)),
        trust_unix=any(text.value == UNIX for text in trusted),
        end_user=end_user,
    )


def _header_name(section: Section, key: str) -> str | None:
    text = section.text(key)
    if text is None:
        return None
    name = text.value.lower()
    if len(name) > MAX_NAME_CHARS or not _TOKEN.fullmatch(name):
        text.fault(f"the name of a header, at most {MAX_NAME_CHARS} characters")
    elif name in TAKEN:
        text.fault("a header of the gateway's own", f"{name}, which says something else")
    else:
        return name
    return None


def _network(text: Text) -> Network | None:
    network = _parsed(text.value)
    if network is None:
        text.fault(f"a network such as 10.0.0.0/8, an address or '{UNIX}'")
    elif network.prefixlen == 0:
        text.fault("a network of your own, as anybody could name any caller", f"{network}")
    elif isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        text.fault("the IPv4 network itself, as which its clients are known", f"{network}")
    elif "/" in text.value and _parsed(text.value, strict=True) is None:
        text.fault(f"the network's first address, as in {network}")
    else:
        return network
    return None


def _parsed(value: str, *, strict: bool = False) -> Network | None:
    try:
        return ip_network(value, strict=strict)
    except ValueError:
        return None
