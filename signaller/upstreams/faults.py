"""A provider's error answer, as one of our errors."""

from collections.abc import Mapping
from dataclasses import dataclass

from signaller.errors import (
    UpstreamAuthFailed,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRefused,
    UpstreamUnavailable,
)
from signaller.masking import Masking, cut
from signaller.strict_json import parse_object
from signaller.upstreams.masking import LONGEST_TEXT, identifier, mask_secrets, showable
from signaller.upstreams.retry_after import retry_after

LONGEST_BODY = 16 * 1024
"""Known errors have some 500 bytes. A longer body than this is not read: whoever reads two
megabytes of it serves nobody else for a third of a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An error answer: short names that may be shown, and a message that may not, as it stands."""

    status: int
    type: str | None = None
    code: str | None = None
    param: str | None = None
    message: str = ""
    request_id: str | None = None
    retry_after: float | None = None


def parse_fault(
    status: int, headers: Mapping[str, str], body: bytes, masking: Masking, now: float
) -> Fault:
    """Whatever can be made out; the body may be of any shape, or none."""
    try:
        answer = parse_object(body) if len(body) <= LONGEST_BODY else {}
    except ValueError:
        answer = {}
    error = answer.get("error", answer)
    fields: Mapping[str, object] = error if isinstance(error, Mapping) else {"message": error}
    message = fields.get("message")
    return Fault(
        status=status,
        type=identifier(fields.get("type"), masking),
        code=identifier(fields.get("code"), masking),
        param=identifier(fields.get("param"), masking),
        message=cut(message, LONGEST_TEXT) if isinstance(message, str) else "",
        request_id=masking.request_id(headers.get("x-request-id")),
        retry_after=retry_after(headers, now),
    )


def as_error(
    fault: Fault, step: str, masking: Masking, *, explanation: str | None = None
) -> UpstreamError:
    """The error for it; `explanation` is a sentence of ours that takes the message's place."""
    said = mask_secrets(fault.message, masking) or "nothing"
    detail = (
        f"{step}: {fault.status} type={fault.type} code={fault.code} param={fault.param} "
        f"x-request-id={fault.request_id}, saying: {said}"
    )
    if fault.status in (401, 403):
        return UpstreamAuthFailed(detail, public=explanation)
    if not 400 <= fault.status < 600:
        return UpstreamInvalidResponse(detail)
    public = explanation or showable(fault.message, masking)
    if fault.status == 429 or fault.status >= 500:
        return UpstreamUnavailable(
            detail,
            status=fault.status,
            type=fault.type,
            code=fault.code,
            param=fault.param,
            public=public,
            retry_after=fault.retry_after,
        )
    return UpstreamRefused(
        detail,
        status=fault.status,
        type=fault.type,
        code=fault.code,
        param=fault.param,
        public=public or "The provider refused the request.",
    )
