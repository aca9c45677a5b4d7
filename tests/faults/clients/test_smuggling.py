"""Requests that two servers in a row might cut apart differently."""

import pytest

from tests.faults.clients.attacked import Attacked
from tests.faults.clients.wire import LAST, connected, exchange, head, statuses
from tests.support.process import MASTER
from tests.support.service import MODEL, OFFER

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the provider lives on that loop

MINT = "/v1/realtime/client_secrets"
BODY = b'{"model": "%s"}' % MODEL.encode()
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"
CHUNK = b"%x\r\n%s\r\n" % (len(BODY), BODY)
END = b"0\r\n\r\n"
SMUGGLED = head("POST", MINT, "Host: x", f"Authorization: Bearer {MASTER}", "Content-Length: 0")
"""What must never be taken for a request of its own."""


def mint(*fields: str | bytes) -> bytes:
    """The head of a good mint, and these fields."""
    who = f"Authorization: Bearer {MASTER}"
    return head("POST", MINT, "Host: x", who, "Content-Type: application/json", *fields)


AMBIGUOUS = {
    "length-and-chunks": mint("Content-Length: 6", CHUNKED) + END + SMUGGLED,
    "chunks-and-length": mint(CHUNKED, "Content-Length: 4") + CHUNK + END,
    "chunked-and-identity": mint(CHUNKED, "Transfer-Encoding: identity") + END + SMUGGLED,
    "chunked-twice": mint(CHUNKED, CHUNKED) + CHUNK + END,
    "chunked-not-last": mint("Transfer-Encoding: chunked, identity") + END + SMUGGLED,
    "nearly-chunked": mint("Transfer-Encoding: xchunked") + END + SMUGGLED,
    "vertical-tab": mint("Transfer-Encoding: \x0bchunked") + END + SMUGGLED,
    "space-before-colon": mint("Transfer-Encoding : chunked") + END + SMUGGLED,
    "chunked-in-1.0": mint(CHUNKED).replace(b"1.1", b"1.0") + END + SMUGGLED,
    "two-lengths": mint(LENGTH, "Content-Length: 0") + BODY,
    "one-length-twice": mint(LENGTH, LENGTH) + BODY,
    "list-of-lengths": mint(f"{LENGTH}, {len(BODY)}") + BODY,
    "length-plus": mint(f"Content-Length: +{len(BODY)}") + BODY,
    "length-minus": mint("Content-Length: -1") + BODY,
    "length-hex": mint(f"Content-Length: {len(BODY):#x}") + BODY,
    "length-in-two-words": mint("Content-Length: 1 8") + BODY,
    "length-underscore": mint("Content-Length: 1_8") + BODY,
    "length-empty": mint("Content-Length:"),
    "length-beyond-64-bits": mint(f"Content-Length: {2**64}") + BODY,
    "folded-length": mint(f"Content-Length:\r\n {len(BODY)}") + BODY,
    "folded-chunked": mint("Transfer-Encoding:\r\n chunked") + END + SMUGGLED,
    "folded-other": mint("X: a\r\n b", LENGTH) + BODY,
    "bare-lf": mint(LENGTH).replace(b"\r\n", b"\n") + BODY,
    "one-bare-lf": mint(f"X: y\n{LENGTH}") + BODY,
    "bare-cr": mint(f"X: y\r{LENGTH}") + BODY,
    "nul-in-value": mint("X: a\0b", LENGTH) + BODY,
    "nul-in-name": mint("X\0: ab", LENGTH) + BODY,
    "space-in-name": mint("X Y: ab", LENGTH) + BODY,
    "no-colon": mint("nothing", LENGTH) + BODY,
    "http-2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http-1.2": mint(LENGTH).replace(b"1.1", b"1.2") + BODY,
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "connect": head("CONNECT", "127.0.0.1:443", "Host: x"),
}
IN_THE_BODY = {
    "extension-with-lf": b"%x;a\nb\r\n%s\r\n" % (len(BODY), BODY) + END,
    "chunk-with-lf": CHUNK.replace(b"\r\n", b"\n") + b"0\n\n",
    "chunk-size-negative": b"-1\r\n" + BODY,
    "chunk-size-beyond-64-bits": b"f" * 17 + b"\r\n" + BODY,
    "chunk-size-prefixed": b"0x12\r\n" + BODY,
    "chunk-too-long": b"4\r\n" + BODY + b"\r\n" + END,
}
ONE_MEANING = {
    "chunks": mint(CHUNKED) + CHUNK + END,
    "tab-before-value": mint("Transfer-Encoding:\tchunked") + CHUNK + END,
    "spaces-after-length": mint(f"{LENGTH}   ") + BODY,
    "zeros-before-length": mint(f"Content-Length: 000{len(BODY)}") + BODY,
    "chunk-extension": mint(CHUNKED) + b"%x;a=b\r\n%s\r\n0;c\r\n\r\n" % (len(BODY), BODY),
    # Not in RFC 9112, yet every server reads the same number.
    "space-after-chunk-size": mint(CHUNKED) + CHUNK.replace(b"\r\n", b" \r\n", 1) + END,
    "absolute-url": mint(LENGTH).replace(b" /v1", b" http://elsewhere.example/v1") + BODY,
}


@pytest.mark.parametrize("probe", AMBIGUOUS.values(), ids=AMBIGUOUS)
async def test_what_has_two_meanings_is_refused_unread(service: Attacked, probe: bytes) -> None:
    """400, once, and the connection is over: nobody's request hides in the rest."""
    before = service.marks()
    said = await exchange(service.port, probe + LAST)
    assert statuses(said) == [400]
    assert service.marks() == before


@pytest.mark.parametrize("body", IN_THE_BODY.values(), ids=IN_THE_BODY)
async def test_a_body_cut_into_lies_is_refused(service: Attacked, body: bytes) -> None:
    """400 and the end of the connection, before anything is minted."""
    before = service.marks()
    said = await exchange(service.port, mint(CHUNKED) + body + LAST)
    assert set(statuses(said)) == {400}
    assert service.marks() == before


@pytest.mark.parametrize("probe", ONE_MEANING.values(), ids=ONE_MEANING)
async def test_what_is_only_unusual_is_served(service: Attacked, probe: bytes) -> None:
    """One mint, and the request behind it is where it should be."""
    before = len(service.provider.requests)
    said = await exchange(service.port, probe + LAST)
    assert statuses(said) == [200, 200]
    assert len(service.provider.requests) == before + 1


async def test_a_request_in_a_body_stays_a_body(service: Attacked) -> None:
    """Also where the method has no use for one."""
    before = service.marks()
    one = head("GET", "/healthz", "Host: x", f"Content-Length: {len(SMUGGLED)}") + SMUGGLED
    assert statuses(await exchange(service.port, one + LAST)) == [200, 200]
    assert service.marks() == before


async def test_nothing_is_heard_in_the_wake_of_a_web_socket(service: Attacked) -> None:
    """What follows a handshake that is refused is not taken for a request."""
    before = service.marks()
    fields = (
        *("Host: x", "Upgrade: websocket", "Connection: upgrade"),
        *("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"),
    )
    for pieces in ([head("GET", MINT, *fields) + SMUGGLED], [head("GET", MINT, *fields), SMUGGLED]):
        assert statuses(await exchange(service.port, *pieces)) == [404]
    assert service.marks() == before


async def test_nothing_is_heard_after_close(service: Attacked) -> None:
    """Whoever says `Connection: close` has said their last request, and gets its answer."""
    assert statuses(await exchange(service.port, LAST + mint(LENGTH) + BODY)) == [200]
    token = await service.token()
    begun = len(service.provider.requests)
    service.provider.call.holds()
    async with connected(service.port) as wire:
        who = f"Authorization: Bearer {token}", "Content-Type: application/sdp"
        length = f"Content-Length: {len(OFFER)}", "Connection: close"
        await wire.send(head("POST", "/v1/realtime/calls", "Host: x", *who, *length) + OFFER)
        await service.provider.call.arrived(len(service.provider.call.requests) + 1)
        await wire.send(b"\r\n" + mint(LENGTH) + BODY)  # while the answer is in the making
        service.provider.call.release()
        assert statuses(await wire.rest()) == [201]
    assert len(service.provider.requests) == begun + 1
