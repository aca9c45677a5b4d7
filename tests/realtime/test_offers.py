"""What is an offer, what is not, and that nothing is altered."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from signaller.errors import BodyTooLarge, InvalidOffer
from signaller.realtime.offers import MAX_SDP_BYTES, parse_offer

CRLF = (
    b"v=0\r\no=- 46117317 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
    b"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"
)


@pytest.mark.parametrize(
    "offer",
    [
        pytest.param(CRLF, id="audio-only-without-candidates"),
        pytest.param(CRLF.replace(b"\r\n", b"\n"), id="line-feeds-alone"),
        pytest.param(CRLF.removesuffix(b"\r\n"), id="no-final-line-end"),
        pytest.param(CRLF + b"\r\n\r\n", id="blank-lines-at-the-end"),
        pytest.param(
            CRLF + b"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n", id="data-channel"
        ),
        pytest.param(
            CRLF.replace(b"m=audio", b"m=video 9 UDP/TLS/RTP/SAVPF 96\r\nm=audio"),
            id="video-first",
        ),
        pytest.param(CRLF.replace(b"s=-", "s=Gespräch".encode()), id="beyond-ascii"),
        pytest.param(
            CRLF + b"a=x:" + b"y" * (MAX_SDP_BYTES - len(CRLF) - 4), id="exactly-the-limit"
        ),
    ],
)
def test_an_offer_is_taken_byte_for_byte(offer: bytes) -> None:
    """Every offer a browser or phone may make passes unaltered."""
    assert parse_offer(offer).sdp == offer


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b" \r\n", "is empty", id="blank"),
        pytest.param(b"v=0\r\n\xff\xfe", "not UTF-8: byte 5", id="not-utf-8"),
        pytest.param(b"\x1f\x8b\x08\x00", "uncompressed", id="gzip"),
        pytest.param(b"hello", "first line must be 'v=0'", id="prose"),
        pytest.param(b"v=1\r\nm=audio 9", "first line must be 'v=0'", id="another-version"),
        pytest.param(b"v=0 \r\nm=audio 9", "first line must be 'v=0'", id="a-blank-after-v=0"),
        pytest.param(b"\r\n" + CRLF, "nothing before it", id="a-line-before"),
        pytest.param(b"\xef\xbb\xbf" + CRLF, "nothing before it", id="byte-order-mark"),
        pytest.param(CRLF.replace(b"\r\n", b""), "--data-binary", id="as-curl-d-sends-it"),
        pytest.param(CRLF.replace(b"\r\n", b" "), "ends of the SDP offer are gone", id="blanks"),
        pytest.param(CRLF.replace(b"\r\n", b"\r"), "first line", id="carriage-returns-alone"),
        pytest.param(b'{"type":"offer","sdp":"v=0"}', "is JSON, not SDP", id="a-description"),
        pytest.param(b'"v=0\\r\\n"', "is JSON, not SDP", id="a-json-string"),
        pytest.param(b"v=0\\r\\nm=audio 9", "escaped", id="escaped-line-ends"),
        pytest.param(b"v=0\r\ns=-\r\n", "no audio section", id="no-media"),
        pytest.param(b"v=0\r\nm=video 9 X 96\r\n", "no audio section", id="video-alone"),
        pytest.param(b"v=0\r\na=m=audio 9\r\n", "no audio section", id="audio-mid-line"),
        pytest.param(b"v=0\r\nm=audio\r\n", "no audio section", id="audio-without-port"),
    ],
)
def test_what_is_no_offer_is_told_why(body: bytes, sentence: str) -> None:
    """The public sentence names the fault, so that a developer can mend it."""
    with pytest.raises(InvalidOffer) as refused:
        parse_offer(body)
    assert sentence in refused.value.public


def test_an_offer_over_the_limit_is_too_large() -> None:
    """One byte over 64 KiB is a 413, whatever the bytes."""
    with pytest.raises(BodyTooLarge) as refused:
        parse_offer(CRLF + b"y" * (MAX_SDP_BYTES - len(CRLF) + 1))
    assert "64 KiB" in refused.value.public


@given(st.one_of(st.binary(), st.binary().map(lambda tail: CRLF + tail)))
@example(b"v=0\n")
@example(b"v=0\nm=audio \n")
def test_no_bytes_do_anything_else(body: bytes) -> None:
    """Arbitrary bytes come out unaltered or are refused; nothing else is raised."""
    try:
        offer = parse_offer(body)
    except (InvalidOffer, BodyTooLarge):
        return
    assert offer.sdp == body
