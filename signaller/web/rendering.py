"""Errors in OpenAI's shape, from whichever layer they come, and the headers of answers."""

import math
import time
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from signaller.errors import (
    InvalidRequest,
    MethodNotAllowed,
    RateLimitExceeded,
    RouteNotFound,
    SignallerError,
)
from signaller.masking import NOTHING_HELD, Masking
from signaller.model import Allowance
from signaller.web.credentials import credential
from signaller.web.state import State

NO_STORE = {"cache-control": "no-store"}
RATE_HEADERS = (
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
)
"""What is left of a caller's rate, as OpenAI's API says it."""


def error_response(error: SignallerError, masking: Masking = NOTHING_HELD) -> Response:
    """`{"error": {message, type, code, param}}` with the headers that clients act on.

    Whatever of a client's or a provider's an error repeats is masked here.
    """
    headers = dict(NO_STORE)
    if error.retry_after is not None:
        headers["retry-after"] = str(math.ceil(error.retry_after))
    if error.should_retry is not None:
        headers["x-should-retry"] = str(error.should_retry).lower()
    if isinstance(error, RateLimitExceeded):
        headers |= _rate_headers(error.limit, 0, error.reset_seconds)
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
    return JSONResponse({"error": body}, error.status, headers)


async def render(request: Request[Any], error: Exception) -> Response:
    """Starlette's hook for the errors this service and its routes raise."""
    if isinstance(error, SignallerError):
        return error_response(error, request_masking(request))
    if isinstance(error, HTTPException):
        return _from_starlette(error)
    raise error


def request_masking(request: HTTPConnection[State]) -> Masking:
    """Masks the configuration's secrets, and the credential that this request brought."""
    return request.state["service"].masking.also(credential(request))


def rate_headers(allowance: Allowance | None) -> dict[str, str]:
    """What a request that was let through left of its caller's rate; none without a rate."""
    if allowance is None:
        return {}
    return _rate_headers(allowance.limit, allowance.remaining, allowance.reset_seconds)


def timing_headers(began: float, provider_seconds: float) -> dict[str, str]:
    """The provider's time and our own since `began` (`time.perf_counter`), for browsers."""
    gateway_ms = (time.perf_counter() - began - provider_seconds) * 1000
    return {
        "server-timing": f"gateway;dur={gateway_ms:.1f}, provider;dur={provider_seconds * 1000:.1f}"
    }


def duration(seconds: float) -> str:
    """As OpenAI writes it: `120ms`, `6.5s`, `1m0s`."""
    milliseconds = max(0, round(seconds * 1000))
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes}m{rest // 1000}s" if minutes else f"{rest / 1000:g}s"


def _rate_headers(limit: int, remaining: int, reset_seconds: float) -> dict[str, str]:
    values = (str(limit), str(remaining), duration(reset_seconds))
    return dict(zip(RATE_HEADERS, values, strict=True))


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
