"""Request bodies, capped while they are read: JSON, tokens, and offers in their two forms."""

import asyncio
import json
import re
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any, NoReturn
from urllib.parse import parse_qs

import python_multipart
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, parse_options_header
from starlette.requests import ClientDisconnect, Request

from signaller.errors import (
    BodyTooLarge,
    InvalidJson,
    InvalidOffer,
    InvalidRequest,
    UnknownParameter,
    UnsupportedMediaType,
)
from signaller.model import Offer
from signaller.realtime.offers import MAX_SDP_BYTES, parse_offer
from signaller.secret import Secret
from signaller.strict_json import parse_object

BODY_SECONDS = 10.0
"""A phone on a bad network sends an offer in less; who sends slower holds a connection."""
MAX_FORM_BYTES = 32 * 1024
"""A token has at most 6 KiB, whatever else a form of RFC 7662 may hold."""
MAX_JSON_BYTES = 256 * 1024
"""A session with long instructions and many tools stays well below it."""
ENVELOPE_BYTES = 4 * 1024
"""Boundaries and part headers of the two parts of a multipart offer."""
WEBRTCFILTER = "webrtcfilter"
# The parser would decode it, and the offer would not arrive byte for byte.
TRANSFER_ENCODING = re.compile(rb"(?im)^content-transfer-encoding:\s*+(?!7bit|8bit|binary)")


async def read_body(request: Request[Any], limit: int, *, seconds: float = BODY_SECONDS) -> bytes:
    """The whole body.

    Raises BodyTooLarge as soon as it is certain, InvalidRequest when it is cut off or too slow.
    """
    # Starlette's `max_body_size` answers in plain text, and has no limit of time.
    if int(request.headers.get("content-length", "0")) > limit:
        _too_large(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds), aclosing(request.stream()) as parts:
            async for part in parts:
                body += part
                if len(body) > limit:
                    _too_large(limit)
    except ClientDisconnect as gone:
        raise InvalidRequest(public="The body ended early.") from gone
    except TimeoutError as slow:
        raise InvalidRequest(
            public=f"The body did not arrive within {seconds:g} seconds."
        ) from slow
    return bytes(body)


async def has_left(request: Request[Any]) -> bool:
    """Whether the client of a request whose body was read has closed its connection."""
    # Starlette's `is_disconnected` opens a scope of anyio's for it, at three times the cost.
    try:
        async with asyncio.timeout(0):
            message = await request.receive()
    except TimeoutError:
        return False
    return bool(message["type"] == "http.disconnect")


async def read_json(request: Request[Any]) -> Mapping[str, object]:
    """A JSON object. Raises UnsupportedMediaType, BodyTooLarge and InvalidJson, with the place."""
    kind = media_type(request)
    if kind != "application/json":
        raise UnsupportedMediaType(public="Send JSON with 'Content-Type: application/json'.")
    return parse_json(await read_body(request, MAX_JSON_BYTES))


async def read_token(request: Request[Any]) -> Secret:
    """The `token` of a form (RFC 7662, 2.1; RFC 7009, 2.1) or of a JSON object.

    Raises UnsupportedMediaType, BodyTooLarge, InvalidJson and InvalidRequest.
    """
    if media_type(request) != "application/x-www-form-urlencoded":
        values = [(await read_json(request)).get("token")]
    else:
        # Not `request.form()`, which reads without limits of size and time.
        body = await read_body(request, MAX_FORM_BYTES)
        try:
            values = list(parse_qs(body.decode("ascii"), max_num_fields=16).get("token", []))
        except ValueError as invalid:  # UnicodeDecodeError is one
            raise InvalidRequest(public="The form cannot be read.", param="token") from invalid
    token = values[0] if len(values) == 1 else None
    if not isinstance(token, str) or not token:
        raise InvalidRequest(public="Send the token, once, as 'token'.", param="token")
    return Secret(token)


def parse_json(body: bytes) -> Mapping[str, object]:
    """A JSON object (RFC 8259) in UTF-8. Raises InvalidJson, which says where it breaks."""
    try:
        return parse_object(body)
    except UnicodeDecodeError as invalid:
        problem = f"is not UTF-8: byte {invalid.start} cannot be read"
        raise InvalidJson(public=f"The body {problem}.") from invalid
    except json.JSONDecodeError as invalid:
        place = f"line {invalid.lineno}, column {invalid.colno}"
        raise InvalidJson(public=f"The body is not JSON: {invalid.msg} at {place}.") from invalid
    except ValueError as invalid:
        raise InvalidJson(public=f"The body cannot be used: {invalid}.") from invalid


def media_type(request: Request[Any]) -> str:
    """The media type in lower case without its parameters; empty when there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_offer(request: Request[Any]) -> Offer:
    """The offer, byte for byte, and what its URL asks for.

    Raises InvalidRequest of one kind or another.
    """
    webrtcfilter = _webrtcfilter(request)
    offer = await _offer_in_body(request)
    return replace(offer, webrtcfilter=webrtcfilter) if webrtcfilter else offer


def ignored_parameters(request: Request[Any]) -> list[str]:
    """The names in the URL's query that mean nothing here, for the log: few, and short."""
    names = request.query_params.keys() - {"model", WEBRTCFILTER}
    return [name if len(name) <= 40 else "(a long name)" for name in sorted(names)[:8]]


def _webrtcfilter(request: Request[Any]) -> bool:
    """Azure's promise to keep most events from the client, which must not be lost in silence."""
    given = request.query_params.getlist(WEBRTCFILTER)
    if given not in ([], ["on"], ["off"]):
        raise InvalidRequest(
            public="webrtcfilter in the URL must be 'on' or 'off', once.", param=WEBRTCFILTER
        )
    return given == ["on"]


async def _offer_in_body(request: Request[Any]) -> Offer:
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


def _too_large(limit: int) -> NoReturn:
    raise BodyTooLarge(public=f"The body is too large: {limit // 1024} KiB are allowed.")
