"""What a `Host` field says (RFC 9110, 7.2), and by which address a client knows this service."""

import re
from functools import lru_cache
from ipaddress import ip_address

from starlette.requests import Request

# Underscores: names that Docker makes have them.
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::\d{1,5})?", re.I)


def own_url(request: Request) -> str:
    """Scheme and host as the client wrote them; never the path of a Unix socket."""
    scope = request.scope
    return _url(scope["scheme"], request.headers.get("host"), scope.get("server"))


@lru_cache(maxsize=64)  # hardly ever more than one
def _url(scheme: str, host: str | None, server: tuple[str, int | None] | None) -> str:
    if host is None or not _HOST.fullmatch(host):
        # What clients of a Unix socket write, for want of a name.
        host = "localhost"
        if server is not None and server[1] is not None:
            # A socket of both families has its IPv4 addresses as ::ffff:10.0.0.7.
            address = server[0].removeprefix("::ffff:") if "." in server[0] else server[0]
            address = f"[{address}]" if ":" in address else address
            host = f"{address}:{server[1]}"
    return f"{scheme}://{host}"


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
