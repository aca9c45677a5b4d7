"""Request bodies, capped while they are read."""

import asyncio
import json
from collections.abc import Mapping
from typing import NoReturn
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.types import Message, Receive

from signaller.errors import BodyTooLarge, InvalidJson, InvalidRequest, UnsupportedMediaType
from signaller.secret import Secret
from signaller.strict_json import parse_object

BODY_SECONDS = 10.0
"""A phone on a bad network sends an offer in less; who sends slower holds a connection."""
MAX_FORM_BYTES = 32 * 1024
"""A token has at most 6 KiB, whatever else a form of RFC 7662 may hold."""
MAX_JSON_BYTES = 256 * 1024
"""A session with long instructions and many tools stays well below it."""


async def read_body(request: Request, limit: int, *, seconds: float = BODY_SECONDS) -> bytes:
    """The whole body.

    Raises BodyTooLarge as soon as it is certain, InvalidRequest when it is cut off or too slow.
    """
    if int(request.headers.get("content-length", "0")) > limit:
        _too_large(limit)
    body = bytearray()
    # Most bodies are there as soon as their headers are; only others need a timer.
    arrived = at_hand(request.receive)
    more = arrived is None or _take(arrived, body, limit)
    if more:
        await _take_rest(request, body, limit, seconds)
    return bytes(body)


async def _take_rest(request: Request, body: bytearray, limit: int, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while _take(await request.receive(), body, limit):
                pass
    except TimeoutError as slow:
        raise InvalidRequest(
            public=f"The body did not arrive within {seconds:g} seconds."
        ) from slow


def at_hand(receive: Receive) -> Message | None:
    """The next message if it has already come; None if it would have to be waited for.

    `Request.is_disconnected` asks the same by way of a cancelled scope, for twenty times as much.
    """
    steps = receive().__await__()
    try:
        next(steps)
    except StopIteration as done:
        message: Message = done.value
        return message
    steps.close()  # it waits no longer, and has taken nothing
    return None


def _take(message: Message, body: bytearray, limit: int) -> bool:
    """Add a message's part of the body; whether there is more to come."""
    if message["type"] == "http.disconnect":
        raise InvalidRequest(public="The body ended early.")
    body += message.get("body", b"")
    if len(body) > limit:
        _too_large(limit)
    return bool(message.get("more_body", False))


async def read_json(request: Request) -> Mapping[str, object]:
    """A JSON object. Raises UnsupportedMediaType, BodyTooLarge and InvalidJson, with the place."""
    kind = media_type(request)
    if kind != "application/json":
        raise UnsupportedMediaType(public="Send JSON with 'Content-Type: application/json'.")
    return parse_json(await read_body(request, MAX_JSON_BYTES))


async def read_token(request: Request) -> Secret:
    """The `token` of a form (RFC 7662, 2.1; RFC 7009, 2.1) or of a JSON object.

    Raises UnsupportedMediaType, BodyTooLarge, InvalidJson and InvalidRequest.
    """
    if media_type(request) != "application/x-www-form-urlencoded":
        values = [(await read_json(request)).get("token")]
    else:
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


def media_type(request: Request) -> str:
    """The media type in lower case without its parameters; empty when there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _too_large(limit: int) -> NoReturn:
    raise BodyTooLarge(public=f"The body is too large: {limit // 1024} KiB are allowed.")
