"""What a request looks like on the wire, and what never gets there."""

import httpx
import pytest

from signaller.upstreams.address import address
from signaller.upstreams.request import request_bytes


@pytest.mark.parametrize(
    ("url", "target", "host", "origin"),
    [
        ("http://a.example", "/", "a.example", ("http", "a.example", 80)),
        ("http://A.example:80/x", "/x", "a.example", ("http", "a.example", 80)),
        ("https://a.example:443/x?y=1#z", "/x?y=1", "a.example", ("https", "a.example", 443)),
        ("https://a.example:8443/a b", "/a%20b", "a.example:8443", ("https", "a.example", 8443)),
        ("http://[::1]/x", "/x", "[::1]", ("http", "::1", 80)),
        ("http://[::1]:8080/x", "/x", "[::1]:8080", ("http", "::1", 8080)),
        ("http://ü.example/", "/", "xn--tda.example", ("http", "xn--tda.example", 80)),
        ("http://me:secret@a.example/", "/", "a.example", ("http", "a.example", 80)),
    ],
)
def test_a_url_becomes_target_and_host(
    url: str, target: str, host: str, origin: tuple[str, str, int]
) -> None:
    """With a port that is not the scheme's own, brackets around IPv6, escapes, no fragment."""
    to = address(url)
    assert to.origin == origin
    assert request_bytes("GET", to, [], b"") == (
        f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    )


@pytest.mark.parametrize("url", ["", "/x", "ftp://a", "http://", "http:///x", "http://[::1", "x:y"])
def test_what_is_no_url_is_refused(url: str) -> None:
    """As httpx refuses it."""
    with pytest.raises(httpx.InvalidURL):
        address(url)


@pytest.mark.parametrize("body", [b"", b"v=0\r\n"])
def test_a_post_has_a_length(body: bytes) -> None:
    """Also one without a body."""
    sent = request_bytes("POST", address("http://a"), [("X-Y", "z")], body)
    head, _, rest = sent.partition(b"\r\n\r\n")
    assert rest == body
    assert head.split(b"\r\n")[2:] == [b"X-Y: z", b"Content-Length: %d" % len(body)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X", "a\r\nY: b"),
        ("X", "a\nY: b"),
        ("X", "a\0"),
        ("X", "\u00e9"),
        ("X: y\r\nZ", "a"),
        ("X Y", "a"),
        ("X\n", "a"),
        ("", "a"),
        ("\u00c4", "a"),
    ],
)
def test_no_field_begins_another(name: str, value: str) -> None:
    """What no header can carry is not sent, and not quoted."""
    with pytest.raises(httpx.LocalProtocolError) as caught:
        request_bytes("POST", address("http://a"), [(name, value)], b"")
    assert str(caught.value) == f"{name} holds characters no header can carry"
