"""Which web pages may ask in a caller's name.

A browser may add a gateway's cookie or a client certificate to a page's request without the page
knowing any credential. So a page must come from an origin that somebody has named.
"""

from urllib.parse import urlsplit

from starlette.requests import Request

from signaller.errors import OriginNotAllowed
from signaller.policy import Policy
from signaller.settings import Settings

DEFAULT_PORTS = {"http": 80, "https": 443}


def require_named_page(request: Request, policy: Policy, settings: Settings) -> None:
    """Raise OriginNotAllowed for an `Origin` that nothing names.

    Named are `cors_origins`, the policy's origins, `public_url` and whatever the request itself
    was addressed to.
    """
    origin = request.headers.get("origin")
    if origin is None or "*" in settings.cors_origins:
        return
    if origin in settings.cors_origins or origin in (policy.origins or ()):
        return
    scheme = origin.partition(":")[0]
    page = _place(origin, scheme)
    ours = (settings.public_url, f"//{request.headers.get('host', '')}")
    if page is not None and any(page == _place(url, scheme) for url in ours if url):
        return
    raise OriginNotAllowed(
        public="Pages of this origin may not ask in your name. The operator lists origins under "
        "'cors_origins', or under 'origins' of your policy."
    )


def _place(url: str, scheme: str) -> tuple[str, int] | None:
    """Host and port; a page of `scheme` was fetched from its default one where none is said.

    The scheme itself is not compared: a gateway may have ended TLS.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or DEFAULT_PORTS.get(scheme, 0)
    except ValueError:  # no such port
        return None
    return (parts.hostname, port) if parts.hostname else None
