"""A response in whichever pieces it arrives: all of it, or a refusal within bounds."""

import httpx
import pytest

from signaller.upstreams.response import MAX_BODY_BYTES, MAX_HEAD_BYTES, Response

SIZED = b"HTTP/1.1 201 Created\r\nX-One: 1\r\nLocation: /c\r\nContent-Length: 5\r\n\r\nv=0\r\n"
CHUNKED = (
    b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nX-One: 1\r\nLocation: /c\r\n\r\n"
    b"2;a=b\r\nv=\r\n3\r\n0\r\n\r\n0\r\nX-Two: 2\r\n\r\n"
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
BEGUN = b"HTTP/1.1 200 OK\r\n"


def fed(*pieces: bytes) -> Response:
    """A response made of these."""
    response = Response()
    for piece in pieces:
        response.feed(piece)
    return response


@pytest.mark.parametrize(
    "whole", [SIZED, CHUNKED, INTERIM + SIZED], ids=["sized", "chunked", "1xx"]
)
def test_a_response_may_be_split_at_every_byte(whole: bytes) -> None:
    """In two pieces, wherever they part, and byte by byte."""
    splits = [(whole[:at], whole[at:]) for at in range(1, len(whole))]
    for pieces in [(whole,), *splits, [whole[at : at + 1] for at in range(len(whole))]]:
        response = fed(*pieces)
        assert (response.complete, response.reusable) == (True, True)
        assert (response.status, response.body) == (201, b"v=0\r\n")
        assert response.headers["x-one"] == "1"
        assert response.headers["location"] == "/c"
        assert not {"link", "x-two"} & response.headers.keys()


@pytest.mark.parametrize("status", [204, 304])
def test_some_statuses_have_no_body(status: int) -> None:
    """Nor the wait for one (RFC 9112, 6.3)."""
    response = fed(b"HTTP/1.1 %d Nothing\r\n\r\n" % status)
    assert (response.complete, response.reusable, response.body) == (True, True, b"")


def test_fields_are_joined_and_cookies_dropped() -> None:
    """Names in lower case, values without the space around them."""
    response = fed(
        BEGUN + b"VIA: a\r\nVia:\t b \r\nSet-Cookie: s=1\r\nset-cookie: t=2\r\nX: \xe9\r\n\r\n"
    )
    assert response.headers == {"via": "a, b", "x": "\xe9"}


def test_without_a_length_the_end_of_the_connection_is_the_end() -> None:
    """And the connection cannot be used again."""
    response = fed(BEGUN + b"\r\nv=0")
    assert not response.complete
    assert response.end()
    assert (response.complete, response.reusable, response.body) == (True, False, b"v=0")


@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(SIZED[:20], id="head"),
        pytest.param(SIZED[:-1], id="body"),
        pytest.param(CHUNKED[:-2], id="last-chunk"),
        pytest.param(INTERIM, id="1xx"),
    ],
)
def test_what_has_a_length_must_have_it(begun: bytes) -> None:
    """An end before the end completes nothing."""
    response = fed(begun)
    assert not response.end()
    assert not response.complete


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param(SIZED.replace(b"HTTP/1.1", b"HTTP/1.0"), id="http-1.0"),
        pytest.param(SIZED.replace(b"X-One: 1", b"Connection: close"), id="close"),
        pytest.param(SIZED + b"!", id="trailing-byte"),
        pytest.param(SIZED + SIZED, id="another-response"),
        pytest.param(SIZED + b"HTTP", id="part-of-another"),
        pytest.param(CHUNKED + CHUNKED, id="another-chunked"),
    ],
)
def test_a_connection_is_reused_only_where_that_is_safe(whole: bytes) -> None:
    """The response itself is good."""
    response = fed(whole)
    assert (response.complete, response.status, response.body) == (True, 201, b"v=0\r\n")
    assert not response.reusable


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"SSH-2.0 hello\r\n"], id="another-protocol"),
        pytest.param([b"HTTP/1.1 099 No\r\n\r\n"], id="status-099"),
        pytest.param([b"HTTP/1.1 101 Switching Protocols\r\n\r\n"], id="101"),
        pytest.param(
            [b"HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"], id="upgrade"
        ),
        pytest.param([b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n"], id="1xx-with-body"),
        pytest.param([BEGUN + b"Transfer-Encoding: gzip, chunked\r\n\r\n"], id="coding"),
        pytest.param([BEGUN + b"Transfer-Encoding: gzip\r\n\r\n"], id="coding-to-the-end"),
        pytest.param([BEGUN + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n"], id="lengths"),
        pytest.param(
            [BEGUN + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"], id="both"
        ),
        pytest.param([BEGUN + b"Content-Length: -5\r\n\r\n"], id="negative-length"),
        pytest.param([BEGUN + b"X : y\r\n\r\n"], id="space-before-colon"),
        pytest.param([BEGUN + b"Transfer-Encoding: chunked\r\n\r\n", b"zz\r\n"], id="chunk-size"),
        pytest.param([BEGUN + b"X: " + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n"], id="large-field"),
        pytest.param([BEGUN + b"A: b\r\n" * (MAX_HEAD_BYTES // 6 + 1) + b"\r\n"], id="many-fields"),
        pytest.param([BEGUN + b"X: ", *[b"a" * 1024] * 65], id="endless-field"),
        pytest.param([b"HTTP/1.1 200 ", *[b"a" * 1024] * 65], id="endless-reason"),
        pytest.param([INTERIM] * 1100, id="endless-1xx"),
        pytest.param(
            [BEGUN + b"Transfer-Encoding: chunked\r\n\r\n1;", *[b"a" * 1024] * 66],
            id="endless-chunk-extension",
        ),
        pytest.param(
            [BEGUN + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ", *[b"a" * 1024] * 66],
            id="endless-trailer",
        ),
        pytest.param(
            [
                BEGUN + b"Transfer-Encoding: chunked\r\n\r\n",
                *[b"400\r\n" + b"a" * 1024 + b"\r\n"] * 2049,
            ],
            id="large-chunked",
        ),
        pytest.param([BEGUN + b"\r\n", *[b"a" * 65536] * 33], id="large-to-the-end"),
        pytest.param(
            [BEGUN + b"Content-Length: 9999999\r\n\r\n", *[b"a" * 65536] * 33], id="large"
        ),
    ],
)
def test_nonsense_and_excess_are_refused(pieces: list[bytes]) -> None:
    """Before the rest of it has come."""
    with pytest.raises(httpx.RemoteProtocolError):
        fed(*pieces)


def test_a_body_may_be_as_large_as_the_bound() -> None:
    """And a head nearly."""
    field = b"X: " + b"a" * (MAX_HEAD_BYTES - 100) + b"\r\n"
    length = b"Content-Length: %d\r\n\r\n" % MAX_BODY_BYTES
    response = fed(BEGUN + field + length, *[b"a" * 65536] * (MAX_BODY_BYTES // 65536))
    assert response.complete
    assert len(response.body) == MAX_BODY_BYTES
