"""Who sent a request: its credential, its peer, its web page, and the host it was sent to."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Literal
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.types import Scope

from signaller.errors import InvalidRequest, OriginNotAllowed
from signaller.model import Evidence
from signaller.policy import Policy
from signaller.secret import Secret
from signaller.settings import Settings

MAX_CREDENTIAL_CHARS = 16 * 1024
"""Our tokens have at most 6 Ki; a gateway's JWT passes proxies that cut header lines at 8 KiB."""
DEFAULT_PORTS = {"http": 80, "https": 443}
# RFC 9110, 7.2; underscores too: names that Docker makes have them.
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::\d{1,5})?", re.I)


def evidence(request: HTTPConnection[Any]) -> Evidence:
    """The credential, the peer and the headers."""
    return Evidence(
        secret=credential(request),
        peer=peer(request.scope),
        headers=_Fields(request.headers),
    )


class _Fields:
    """A request's headers as texts, read when somebody looks: most callers bring a key."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return ((name, text(value)) for name, value in self._headers.items())


def text(value: str) -> str:
    """A header as the gateway meant it: UTF-8, which ASGI servers hand on byte by byte."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return value


def credential(request: HTTPConnection[Any]) -> Secret | None:
    """`Authorization: Bearer` (in any case: RFC 9110, 11.1) or `api-key`; None without.

    None with two of either as well: a gateway in between may have looked at the other one. And
    with one that is longer than any that is taken here, so that nothing hashes or keeps it.
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
    """Who opened the connection, whatever forwarding headers say."""
    server, client = scope.get("server"), scope.get("client")
    if server is not None and server[1] is None:
        return "unix"  # ASGI: a path and no port
    if client is None:
        return None
    try:
        address = ip_address(client[0].partition("%")[0])  # fe80::1%eth0
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


def end_user(request: Request[Any]) -> str | None:
    """The end user's name as OpenAI's API takes it. Raises InvalidRequest for two."""
    values = request.headers.getlist("openai-safety-identifier")
    if len(values) > 1:
        raise InvalidRequest(
            public="The header OpenAI-Safety-Identifier stands twice.", param="safety_identifier"
        )
    return text(values[0]) if values and values[0] else None


def page_origin(request: Request[Any]) -> str | None:
    """The web page's origin (RFC 6454, 7); None where the client is no page."""
    return request.headers.get("origin")


def require_named_page(request: Request[Any], policy: Policy, settings: Settings) -> None:
    """Raise OriginNotAllowed for an `Origin` that nothing names.

    A browser may add a gateway's cookie or a client certificate to a page's request without the
    page knowing any credential, so somebody must have named the page's origin: `cors_origins`, the
    policy's origins, `public_url`, or the host that the request itself was sent to.
    """
    origin = page_origin(request)
    if origin is None or "*" in settings.cors_origins:
        return
    if origin in settings.cors_origins or origin in (policy.origins or ()):
        return
    scheme = origin.partition(":")[0]
    page = _host_and_port(origin, scheme)
    own_addresses = (settings.public_url, f"//{request.headers.get('host', '')}")
    if page and any(page == _host_and_port(url, scheme) for url in own_addresses if url):
        return
    raise OriginNotAllowed(
        public="Pages of this origin may not ask in your name. The operator lists origins under "
        "'cors_origins', or under 'origins' of your policy."
    )


def _host_and_port(url: str, scheme: str) -> tuple[str, int] | None:
    """Of an address; the default port of a page's `scheme` where none is said.

    The scheme itself is not compared: a gateway may have ended TLS.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(scheme, 0)
    except ValueError:  # no such port
        return None
    return (parts.hostname, port) if parts.hostname else None


def own_url(request: Request[Any]) -> str:
    """Scheme and host as the client wrote them; never the path of a Unix socket."""
    host, server = request.headers.get("host"), request.scope.get("server")
    if host is None or not _HOST.fullmatch(host):
        # What clients of a Unix socket write, for want of a name.
        host = "localhost"
        if server is not None and server[1] is not None:
            # A socket of both families has its IPv4 addresses as ::ffff:10.0.0.7.
            address = server[0].removeprefix("::ffff:") if "." in server[0] else server[0]
            address = f"[{address}]" if ":" in address else address
            host = f"{address}:{server[1]}"
    return f"{request.scope['scheme']}://{host}"


def names_this_machine(host: str | None, listens_on: str | None) -> bool:
    """Whether a `Host` field can only mean the machine that its client runs on, or `listens_on`.

    A name on the Internet may lead here as well: its pages would then be of this origin.
    """
    found = _HOST.fullmatch(host or "")
    if found is None:
        return False
    name = found["name"].strip("[]").removesuffix(".").lower()
    if name in {"localhost", (listens_on or "localhost").lower()} or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return False
    return address.is_loopback
