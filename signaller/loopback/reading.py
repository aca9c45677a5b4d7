"""What a request carries: credential, JSON, offer; nothing here knows what it means."""

import json
from collections.abc import Mapping

from starlette.datastructures import Headers, UploadFile
from starlette.requests import Request

from signaller.loopback.faults import Refusal
from signaller.loopback.session import Json

_MAX_BODY_BYTES = 256 * 1024  # real offers are 1.5 to 10 KB, real sessions seldom more


def credentials(headers: Headers) -> tuple[str | None, str | None]:
    """The bearer token and the `api-key`, None where there is none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return (token.strip() or None) if scheme.lower() == "bearer" else None, headers.get("api-key")


def media_type(headers: Headers) -> str:
    """The Content-Type without its parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


async def body(request: Request) -> bytes:
    """The whole body, within bounds; raises Refusal."""
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > _MAX_BODY_BYTES:
            raise Refusal(413, "body_too_large", "The request body is too large.")
    return bytes(read)


def json_object(text: bytes | str, param: str | None = None) -> Json:
    """A JSON object, empty where there is nothing; raises Refusal."""
    try:
        value = json.loads(text or b"{}")
    except (ValueError, RecursionError) as error:
        raise Refusal(
            400, "invalid_json", "We could not parse the JSON body of your request.", param=param
        ) from error
    if not isinstance(value, dict):
        raise Refusal(400, "invalid_type", "Expected a JSON object.", param=param)
    return value


async def unified(request: Request) -> tuple[bytes, Mapping[str, object] | None]:
    """The offer and the session of a multipart request; raises Refusal."""
    async with request.form(max_files=2, max_fields=4, max_part_size=_MAX_BODY_BYTES) as form:
        parts: dict[str, bytes] = {}
        for name, part in form.items():
            if isinstance(part, UploadFile):
                parts[name] = await part.read(_MAX_BODY_BYTES)
            else:
                parts[name] = part.encode()
    if "sdp" not in parts:
        raise Refusal(
            400, "missing_required_parameter", "Missing required parameter: 'sdp'.", param="sdp"
        )
    session = json_object(parts["session"], "session") if "session" in parts else None
    return parts["sdp"], session
