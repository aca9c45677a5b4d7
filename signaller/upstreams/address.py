"""Where a URL leads, and how a request for it begins."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import httpx

ADDRESSES = 256
"""Parsed at most once each: two for every deployment of a large configuration; those of hang-ups,
each used once, push each other out."""
PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """What connections may be shared by (RFC 9110, 4.3.1)."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An origin, and what follows the method in a request for one of its resources."""

    origin: Origin
    begin: str


@lru_cache(maxsize=ADDRESSES)
def address(url: str) -> Address:
    """The URL, normalised as httpx does. Raises httpx.InvalidURL."""
    parsed = httpx.URL(url)
    if parsed.scheme not in PORTS or not parsed.host:
        raise httpx.InvalidURL("neither http:// nor https:// and a host")
    return Address(
        origin=Origin(parsed.scheme, parsed.raw_host.decode(), parsed.port or PORTS[parsed.scheme]),
        # RFC 9112, 3.2.1 and 3.2: the path as it was escaped, and the host with a port of its own.
        begin=f" {parsed.raw_path.decode()} HTTP/1.1\r\nHost: {parsed.netloc.decode()}\r\n",
    )
