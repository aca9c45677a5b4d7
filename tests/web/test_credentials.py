"""What is read of a request that proves who sent it."""

import pytest
from starlette.requests import Request

from signaller.web.credentials import evidence


def request(value: bytes) -> Request:
    """A request with one header of these bytes."""
    return Request({"type": "http", "headers": [(b"x-end-user", value)], "client": None})


@pytest.mark.parametrize("name", ["ada", "frédéric à Paris", "Жанна", "李", "🙂"])
def test_names_are_read_as_utf_8(name: str) -> None:
    """Gateways write them so."""
    assert tuple(evidence(request(name.encode())).headers) == (("x-end-user", name),)


def test_other_bytes_are_latin_1() -> None:
    """As every header was once (RFC 9110, 5.5)."""
    assert tuple(evidence(request(b"Zo\xeb")).headers) == (("x-end-user", "Zoë"),)
