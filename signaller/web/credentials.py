"""The credential a request carries."""

from starlette.requests import Request

from signaller.secret import Secret


def credential(request: Request) -> Secret | None:
    """`Authorization: Bearer` (in any case: RFC 9110, 11.1) or `api-key`; None without."""
    scheme, _, value = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return Secret(value.strip())
    key = request.headers.get("api-key", "").strip()
    return Secret(key) if key else None
