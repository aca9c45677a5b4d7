"""What a request brings to prove who sent it, and from where."""

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Literal

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

from signaller.model import Evidence
from signaller.secret import Secret

MAX_CREDENTIAL_CHARS = 16 * 1024
"""Our tokens have at most 6 Ki; a gateway's JWT passes proxies that cut header lines at 8 KiB."""


def evidence(request: Request) -> Evidence:
    """The credential, the peer and the headers."""
    return Evidence(
        secret=credential(request),
        peer=peer(request.scope),
        headers=GivenHeaders(request.headers),
    )


class GivenHeaders:
    """A request's headers, read by whoever wants to know: few configurations do."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((name, text(value)) for name, value in self._headers.items())


def text(value: str) -> str:
    """A header as the gateway meant it: UTF-8, which ASGI servers hand on byte by byte."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return value


def credential(request: Request) -> Secret | None:
    """`Authorization: Bearer` (in any case: RFC 9110, 11.1) or `api-key`; None without.

    None with two of either as well: whoever stands between may have looked at the other one. And
    with one that nobody has a use for: it would be hashed, compared and kept in tracebacks.
    """
    bearers, keys = (request.headers.getlist(name) for name in ("authorization", "api-key"))
    if len(bearers) > 1 or len(keys) > 1 or len("".join(bearers + keys)) > MAX_CREDENTIAL_CHARS:
        return None
    scheme, _, value = "".join(bearers).strip().partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return Secret(value.strip())
    key = "".join(keys).strip()
    return Secret(key) if key else None


def peer(scope: Scope) -> IPv4Address | IPv6Address | Literal["unix"] | None:
    """Who opened the connection; the server leaves forwarding headers out of it."""
    server = scope.get("server")
    if server is not None and server[1] is None:
        return "unix"  # ASGI: a path and no port
    client = scope.get("client")
    if client is None:
        return None
    return _address(client[0])


@lru_cache(maxsize=256)  # behind a gateway always the same
def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host.partition("%")[0])  # fe80::1%eth0
    except ValueError:
        return None
    # A socket of both families shows 10.0.0.5 as ::ffff:10.0.0.5 (RFC 4291, 2.5.5).
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def is_local(scope: Scope) -> bool:
    """Whether the peer is on this machine: a gateway beside the service."""
    match peer(scope):
        case "unix":
            return True
        case IPv4Address() | IPv6Address() as address:
            return address.is_loopback
    return False
