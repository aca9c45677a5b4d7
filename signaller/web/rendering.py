"""Errors in OpenAI's shape, from whichever layer they come."""

import math

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from signaller.errors import (
    InvalidRequest,
    MethodNotAllowed,
    RateLimitExceeded,
    RouteNotFound,
    SignallerError,
)
from signaller.masking import NOTHING_HELD, Masking
from signaller.web.credentials import credential
from signaller.web.handlers import masking_in_force
from signaller.web.json_response import JsonResponse
from signaller.web.rate_headers import refusal_headers


def error_response(error: SignallerError, masking: Masking = NOTHING_HELD) -> Response:
    """`{"error": {message, type, code, param}}` with the headers that clients act on.

    Whatever of a client's or a provider's an error repeats is masked here.
    """
    headers = {"cache-control": "no-store"}
    if error.retry_after is not None:
        headers["retry-after"] = str(math.ceil(error.retry_after))
    if error.should_retry is not None:
        headers["x-should-retry"] = str(error.should_retry).lower()
    if isinstance(error, RateLimitExceeded):
        headers |= refusal_headers(error)
    if error.status == 401 and error.type == "authentication_error":
        headers["www-authenticate"] = "Bearer"  # RFC 9110, 11.6.1: a 401 names a scheme
    body = {
        "message": masking.masked(error.public),
        "type": error.type,
        "code": error.code,
        "param": masking.masked(error.param) if error.param else error.param,
    }
    if error.fate in ("unspent", "spent"):
        body["token"] = error.fate
    return JsonResponse({"error": body}, error.status, headers)


async def render(request: Request, error: Exception) -> Response:
    """Starlette's hook for the errors this service and its routes raise."""
    if isinstance(error, SignallerError):
        masking = masking_in_force(request.scope).also(credential(request))
        return error_response(error, masking)
    if isinstance(error, HTTPException):
        return _from_starlette(error)
    raise error


def _from_starlette(error: HTTPException) -> Response:
    match error.status_code:
        case 404:
            return error_response(RouteNotFound())
        case 405:
            response = error_response(MethodNotAllowed())
            response.headers["allow"] = (error.headers or {}).get("Allow", "GET, HEAD")
            return response
        case _:
            response = error_response(InvalidRequest(public=error.detail))
            response.status_code = error.status_code
            return response
