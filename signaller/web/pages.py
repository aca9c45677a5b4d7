"""Which web pages may ask in a caller's name.

A browser may add a gateway's cookie or a client certificate to a page's request without the page
knowing any credential. So a page must come from an origin that somebody has named.
"""

from urllib.parse import urlsplit

from starlette.requests import Request

from signaller.errors import OriginNotAllowed
from signaller.policy import Policy
from signaller.settings import Settings


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
    ours = (settings.public_url, f"//{request.headers.get('host', '')}")
    if _host(origin) and any(url and _host(origin) == _host(url) for url in ours):
        return
    raise OriginNotAllowed(
        public="Pages of this origin may not ask in your name. The operator lists origins under "
        "'cors_origins', or under 'origins' of your policy."
    )


def _host(url: str) -> str:
    """Host and port, whatever the scheme: a gateway may have ended TLS."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""
