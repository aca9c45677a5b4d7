"""The two forms an offer arrives in: `application/sdp`, and multipart with `sdp` and `session`."""

import re
from collections.abc import Mapping

import python_multipart
from msgspec.structs import replace
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, parse_options_header
from starlette.requests import Request

from signaller.errors import (
    BodyTooLarge,
    InvalidOffer,
    InvalidRequest,
    UnknownParameter,
    UnsupportedMediaType,
)
from signaller.model import Offer
from signaller.sdp import MAX_SDP_BYTES, parse_offer
from signaller.web.bodies import MAX_JSON_BYTES, media_type, parse_json, read_body

# The parser would decode it, and the offer would not arrive byte for byte.
TRANSFER_ENCODING = re.compile(rb"(?im)^content-transfer-encoding:\s*+(?!7bit|8bit|binary)")
WEBRTCFILTER = "webrtcfilter"
ENVELOPE_BYTES = 4 * 1024
"""Boundaries and part headers of two parts."""


async def read_offer(request: Request) -> Offer:
    """The offer, byte for byte, and what its URL asks for.

    Raises InvalidRequest of one kind or another.
    """
    webrtcfilter = _webrtcfilter(request)
    offer = await _read_body(request)
    return replace(offer, webrtcfilter=webrtcfilter) if webrtcfilter else offer


def ignored_parameters(request: Request) -> list[str]:
    """The names in the URL's query that mean nothing here, for the log: few, and short."""
    names = request.query_params.keys() - {"model", WEBRTCFILTER}
    return [name if len(name) <= 40 else "(a long name)" for name in sorted(names)[:8]]


def _webrtcfilter(request: Request) -> bool:
    """Azure's promise to keep most events from the client, which must not be lost in silence."""
    given = request.query_params.getlist(WEBRTCFILTER)
    if given not in ([], ["on"], ["off"]):
        raise InvalidRequest(
            public="webrtcfilter in the URL must be 'on' or 'off', once.", param=WEBRTCFILTER
        )
    return given == ["on"]


async def _read_body(request: Request) -> Offer:
    match media_type(request):
        case "application/sdp":
            return parse_offer(await read_body(request, MAX_SDP_BYTES))
        case "multipart/form-data":
            limit = MAX_SDP_BYTES + MAX_JSON_BYTES + ENVELOPE_BYTES
            parts = parse_multipart(
                request.headers["content-type"], await read_body(request, limit)
            )
            return _from_parts(parts)
        case _:
            raise UnsupportedMediaType(
                public="Send the SDP offer with 'Content-Type: application/sdp' "
                "(or multipart/form-data with a part named 'sdp')."
            )


def _from_parts(parts: Mapping[str, bytes]) -> Offer:
    if others := parts.keys() - {"sdp", "session"}:
        raise UnknownParameter(
            public="The multipart body has a part that is not known here. Send 'sdp' and, beside "
            "it, 'session'.",
            param=min((name for name in others if len(name) <= 40), default=None),
        )
    if "sdp" not in parts:
        raise InvalidOffer(public="The multipart body has no part named 'sdp'.", param="sdp")
    offer = parse_offer(parts["sdp"])
    if "session" not in parts:
        return offer
    if len(parts["session"]) > MAX_JSON_BYTES:
        raise BodyTooLarge(
            public=f"The part 'session' is too large: {MAX_JSON_BYTES // 1024} KiB are allowed.",
            param="session",
        )
    return replace(offer, session=parse_json(parts["session"]))


def parse_multipart(content_type: str, body: bytes) -> dict[str, bytes]:
    """The parts by name, as raw bytes (RFC 7578). Raises InvalidRequest.

    Starlette's form parser decodes fields and falls back to Latin-1, which would change an
    offer's bytes; python-multipart below it leaves them alone.
    """
    body = _without_preamble(content_type, body)
    if TRANSFER_ENCODING.search(body):
        raise InvalidRequest(
            public="A part has a Content-Transfer-Encoding; send its bytes as they are (RFC 7578, "
            "4.7)."
        )
    parts: dict[str, bytes] = {}

    def keep(name: bytes | None, value: bytes | None) -> None:
        key = (name or b"").decode("utf-8", "replace")
        if key in parts:
            raise InvalidRequest(
                public="A part stands twice: 'sdp' and 'session' may stand once each.",
                param=key if key in ("sdp", "session") else None,
            )
        parts[key] = value or b""

    def keep_file(file: File) -> None:
        # curl's -F sdp=@offer.sdp sends a file name; the content is the same.
        file.file_object.seek(0)
        keep(file.field_name, file.file_object.read())

    def keep_field(field: Field) -> None:
        keep(field.field_name, field.value)

    try:
        parser = python_multipart.create_form_parser(
            {"Content-Type": content_type.encode("latin-1")},
            keep_field,
            keep_file,
            config={"MAX_MEMORY_FILE_SIZE": len(body) + 1},  # never a file on disk
        )
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError) as invalid:
        raise InvalidRequest(public=f"The multipart body cannot be read: {invalid}.") from invalid
    if not parts:
        raise InvalidRequest(public="The multipart body is empty or cut off.")
    return parts


def _without_preamble(content_type: str, body: bytes) -> bytes:
    """The body from its first boundary on: what stands before it means nothing (RFC 2046, 5.1.1).

    The parser takes it for a fault.
    """
    _, options = parse_options_header(content_type)
    delimiter = b"--" + options.get(b"boundary", b"")
    start = body.find(b"\r\n" + delimiter)
    if delimiter + b"--" not in body:
        raise InvalidRequest(public="The multipart body is cut off: it lacks its last boundary.")
    return body if body.startswith(delimiter) or start < 0 else body[start + 2 :]
