"""Bodies that lie about themselves: refused, and the token of the call is not spent."""

import json

import pytest

from signaller.realtime.offers import MAX_SDP_BYTES
from tests.faults.clients.attacked import Attacked
from tests.faults.clients.wire import connected, exchange, head, statuses
from tests.support.service import OFFER, bearer

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the provider lives on that loop

CALLS = "/v1/realtime/calls"
SDP, FORM = "Content-Type: application/sdp", "Content-Type: multipart/form-data; boundary=b"
CHUNK = b"%x\r\n%s\r\n" % (len(OFFER), OFFER)
FLOOD = [b"10000\r\n" + b"v" * 0x10000 + b"\r\n"] * 200


def part(name: str, value: bytes, *fields: str) -> bytes:
    """One part of a form."""
    lines = [f'Content-Disposition: form-data; name="{name}"', *fields, "", ""]
    return b"--b\r\n" + "\r\n".join(lines).encode() + value + b"\r\n"


FORMS: dict[str, tuple[str, bytes]] = {
    "no-boundary": ("Content-Type: multipart/form-data", part("sdp", OFFER) + b"--b--\r\n"),
    "empty-boundary": ("Content-Type: multipart/form-data; boundary=", b"--\r\n\r\n"),
    "long-boundary": (FORM + "b" * 5000, part("sdp", OFFER) + b"--b--\r\n"),
    "another-boundary": (FORM + "c", part("sdp", OFFER) + b"--b--\r\n"),
    "no-parts": (FORM, b"--b--\r\n"),
    "empty": (FORM, b""),
    "cut-off": (FORM, part("sdp", OFFER)[:200]),
    "no-end": (FORM, part("session", b"{}")),
    "no-sdp": (FORM, part("session", b"{}") + b"--b--\r\n"),
    "two-sdp": (FORM, part("sdp", OFFER) * 2 + b"--b--\r\n"),
    "no-name": (FORM, b"--b\r\nContent-Disposition: form-data\r\n\r\nv=0\r\n--b--\r\n"),
    "base64": (FORM, part("sdp", b"dj0w", "Content-Transfer-Encoding: base64") + b"--b--\r\n"),
    "many-parts": (FORM, b"".join(part(f"p{n}", b"") for n in range(3000)) + b"--b--\r\n"),
    "many-headers": (FORM, part("sdp", OFFER, *["X: y"] * 5000) + b"--b--\r\n"),
    "long-header": (FORM, part("sdp", OFFER, "X: " + "y" * 100_000) + b"--b--\r\n"),
    "nested": (
        FORM,
        part("sdp", b"--c\r\n\r\n", "Content-Type: multipart/mixed; boundary=c") + b"--b--\r\n",
    ),
    "file-on-disk": (FORM, b"--b\r\n" * 50_000),
    "session-no-json": (FORM, part("sdp", OFFER) + part("session", b"{") + b"--b--\r\n"),
    "session-deep": (
        FORM,
        part("sdp", OFFER)
        + part("session", b'{"a":' * 20_000 + b"1" + b"}" * 20_000)
        + b"--b--\r\n",
    ),
    "session-number": (
        FORM,
        part("sdp", OFFER) + part("session", b'{"a": 1e999}') + b"--b--\r\n",
    ),
    "session-digits": (
        FORM,
        part("sdp", OFFER) + part("session", b'{"a": %s}' % (b"9" * 5000)) + b"--b--\r\n",
    ),
    "binary": (FORM, bytes(range(256)) * 100),
    "latin-1-boundary": ("Content-Type: multipart/form-data; boundary=\xff", b"--\xff\r\n\r\n"),
    "charset": ("Content-Type: application/sdp; charset=utf-7", b"+AHY-=0\r\n"),
    "utf-16": (SDP, OFFER.decode().encode("utf-16")),
    "gzip": (SDP, b"\x1f\x8b\x08" + bytes(500)),
    "json": ("Content-Type: application/json", json.dumps({"sdp": OFFER.decode()}).encode()),
    "too-large": (SDP, OFFER + b"a=x\r\n" * MAX_SDP_BYTES),
}


def start(token: str, *fields: str) -> bytes:
    """The head of a call."""
    who = f"Authorization: Bearer {token}"
    return head("POST", CALLS, "Host: x", who, *fields, "Connection: close")


async def still_good(service: Attacked, token: str) -> bool:
    """Whether a token starts a call."""
    headers = bearer(token) | {"content-type": "application/sdp"}
    response = await service.client.post(CALLS, content=OFFER, headers=headers)
    return response.status_code == 201


@pytest.mark.parametrize(("kind", "body"), FORMS.values(), ids=FORMS)
async def test_what_is_no_offer_is_refused_before_the_token(
    service: Attacked, kind: str, body: bytes
) -> None:
    """A 4xx, without a word to store or provider; the token can be used for a better one."""
    token = await service.token()
    before = service.marks()
    said = await exchange(service.port, start(token, kind, f"Content-Length: {len(body)}"), body)
    (status,) = statuses(said)
    assert status in {400, 413, 415}
    assert service.marks() == before
    assert await still_good(service, token)


@pytest.mark.parametrize(
    ("length", "pieces"),
    [
        pytest.param("Transfer-Encoding: chunked", [CHUNK], id="no-last-chunk"),
        pytest.param("Transfer-Encoding: chunked", [b"ffff\r\n" + OFFER], id="half-a-chunk"),
        pytest.param("Transfer-Encoding: chunked", [b"0"], id="half-a-last-chunk"),
        pytest.param("Content-Length: 60000", [OFFER], id="length-of-more"),
    ],
)
async def test_a_body_that_ends_early_starts_nothing(
    service: Attacked, length: str, pieces: list[bytes]
) -> None:
    """The client has no more to say; neither has the service, and the token is unspent."""
    token = await service.token()
    before = service.marks()
    async with connected(service.port) as wire:
        for piece in (start(token, SDP, length), *pieces):
            await wire.send(piece)
        wire.writer.write_eof()
        assert set(statuses(await wire.rest())) <= {400}
    assert service.marks() == before
    assert await still_good(service, token)


@pytest.mark.parametrize(
    "length", ["Transfer-Encoding: chunked", "Content-Length: 99999999"], ids=["chunks", "length"]
)
async def test_an_endless_body_is_cut_off(service: Attacked, length: str) -> None:
    """413 as soon as it is certain, and its memory is bounded by the limit, not by the client."""
    token = await service.token()
    await exchange(service.port, start(token, SDP, length), *FLOOD[:20])  # warm
    before, size = service.marks(), service.rss_kib()
    for _ in range(5):
        said = await exchange(service.port, start(token, SDP, length), *FLOOD)
        assert statuses(said) in ([413], [])  # unread input may reset the answer away
    assert service.rss_kib() - size < 8 * 1024
    assert service.marks() == before
    assert await still_good(service, token)
