"""Whether a body is an SDP offer with audio, and how it goes to a provider: byte for byte."""

from dataclasses import replace

from signaller.errors import BodyTooLarge, InvalidOffer
from signaller.model import Deployment, Offer

MAX_SDP_BYTES = 64 * 1024
"""Real offers are 1.5 to 10 KB; six times that is room for every codec a browser will grow."""


def parse_offer(body: bytes) -> Offer:
    """The offer, byte for byte as received, or InvalidOffer saying what is wrong with it.

    Line ends may be LF alone (RFC 8866 section 5: parsers should accept it). Candidates are not
    asked for: the Agents SDK posts its offer before ICE gathering.
    """
    if len(body) > MAX_SDP_BYTES:
        raise BodyTooLarge(
            f"an offer of {len(body)} bytes",
            public=f"The SDP offer is larger than {MAX_SDP_BYTES // 1024} KiB. "
            "Send only what createOffer() made.",
        )
    if not body.strip():
        raise _invalid(
            "The body is empty. Send the SDP offer, pc.localDescription.sdp, as the body."
        )
    try:
        body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid(
            f"The body is not UTF-8: byte {error.start} does not fit. Send the SDP offer as text, "
            "uncompressed."
        ) from error
    if not body.startswith((b"v=0\r\n", b"v=0\n")):
        raise _invalid(_explain_start(body))
    if b"\nm=audio " not in body:
        raise _invalid(
            "The SDP offer has no audio section (no line that starts with 'm=audio '). Add a "
            "microphone track or an audio transceiver before createOffer()."
        )
    return Offer(sdp=body)


def filtered(offer: Offer, deployment: Deployment) -> Offer:
    """The offer with the deployment's word on `webrtcfilter`, if it has one."""
    if deployment.webrtcfilter == "client":
        return offer
    return replace(offer, webrtcfilter=deployment.webrtcfilter == "on")


def _explain_start(body: bytes) -> str:
    """The likeliest reason why the first line is not `v=0`, and what to do about it."""
    if body.lstrip().startswith((b"{", b'"')):
        return (
            "The body is JSON, not SDP. Send the text of the offer alone: the 'sdp' of "
            "pc.localDescription, not the description itself."
        )
    if body.startswith(b"v=0\\"):
        return (
            "The line ends of the SDP offer are escaped: it holds the characters \\r\\n "
            "instead of line ends. Send the offer's text as it is."
        )
    if body.startswith(b"v=0") and len(body.splitlines()) == 1:
        return (
            "The line ends of the SDP offer are gone: all of it is one line. With curl, send the "
            "file with --data-binary; -d takes line ends out."
        )
    return (
        "The body is not an SDP offer: its first line must be 'v=0', with nothing before it. "
        "Send pc.localDescription.sdp unchanged."
    )


def _invalid(public: str) -> InvalidOffer:
    return InvalidOffer(public, public=public)
