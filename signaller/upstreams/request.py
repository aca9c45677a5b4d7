"""A request as bytes (RFC 9112, 2.1); nothing in a field can begin another."""

import re
from collections.abc import Iterable
from functools import lru_cache

import httpx

from signaller.upstreams.address import Address

Fields = Iterable[tuple[str, str]]
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def request_bytes(method: str, to: Address, fields: Fields, content: bytes) -> bytes:
    """Head and body. Raises httpx.LocalProtocolError, which quotes no value."""
    head = [method, to.begin]
    for name, value in fields:
        if not (value.isascii() and value.isprintable() and _is_token(name)):
            raise httpx.LocalProtocolError(f"{name} holds characters no header can carry")
        head += (name, ": ", value, "\r\n")
    if content or method == "POST":  # of which a length is expected (RFC 9110, 8.6)
        head.append(f"Content-Length: {len(content)}\r\n")
    head.append("\r\n")
    return "".join(head).encode("ascii") + content


@lru_cache(maxsize=64)
def _is_token(name: str) -> bool:
    return _TOKEN.fullmatch(name) is not None  # RFC 9110, 5.1
