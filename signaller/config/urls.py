"""URLs and origins as a configuration may write them."""

import re
from dataclasses import replace
from urllib.parse import urlsplit

from signaller.config.findings import Text
from signaller.model import Provider

_HTTP_URL = re.compile(r"https?://[^/?#@\s]+(/[^?#\s]*)?", re.I)
_JWKS_URL = re.compile(r"https?://[^/?#@\s]+([/?][^#\s]*)?", re.I)
# Hybrid apps have origins of their own: capacitor://localhost, tauri://localhost.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?", re.I)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
# What people paste from the providers' pages, behind the part that all routes share.
_API_PARTS: dict[Provider, re.Pattern[str]] = {
    "openai": re.compile(r"/v1(/realtime(\?\S*)?)?/*$"),
    "azure": re.compile(r"/openai(/v1(/realtime\S*)?|/(deployments|realtime)\S*)?/*$"),
}


def http_url(text: Text) -> str | None:
    """An http(s) URL without credentials, query and trailing slashes; None after a fault."""
    value = text.value
    if not (_HTTP_URL.fullmatch(value) and value.isascii() and _has_host(value)):
        text.fault("an http(s) URL without user, password and query")
        return None
    return value.rstrip("/")


def jwks_url(text: Text) -> str | None:
    """Where an issuer publishes its keys; some tell tenants apart in the query."""
    value = text.value
    fits = _JWKS_URL.fullmatch(value) and value.isascii() and value.isprintable()
    if not (fits and _has_host(value)):
        text.fault("an https URL without user, password and fragment")
    elif in_the_clear(value):
        text.fault("https://, as keys can be swapped on the way otherwise", "http://")
    else:
        return value
    return None


def base_url(text: Text, provider: Provider) -> str | None:
    """What stands before `/v1` (OpenAI) or `/openai/v1` (Azure)."""
    value = re.sub(r"^ws(s?)://", r"http\1://", text.value, flags=re.I)
    return http_url(replace(text, value=_API_PARTS[provider].sub("", value)))


def public_url(text: Text) -> str | None:
    """Where clients find this service: what stands before `/v1`, which may be written as well."""
    url = http_url(text)
    return url.removesuffix("/v1").rstrip("/") if url else None


def origin_or_any(text: Text) -> str | None:
    """An origin as browsers send it, or `*`; None after a fault."""
    if text.value == "*":
        text.findings.warn(text.path, "any web page may use a token it got hold of")
        return text.value
    return origin(text, also=", or '*'")


def origin(text: Text, *, also: str = "") -> str | None:
    """An origin as browsers send it (RFC 6454, 6.2); None after a fault."""
    if not _ORIGIN.fullmatch(text.value) or not _has_host(text.value):
        text.fault(f"an origin such as https://app.example (no path, no trailing slash){also}")
        return None
    return _as_browsers_write(text.value)


def origin_of(url: str) -> str:
    """The origin of an http(s) URL."""
    return _as_browsers_write("/".join(url.split("/", 3)[:3]))


def _as_browsers_write(value: str) -> str:
    value = value.lower()
    return value.removesuffix(_DEFAULT_PORTS.get(value.partition(":")[0], "\n"))


def in_the_clear(url: str) -> bool:
    """Whether credentials sent to a URL can be read on the way."""
    host = urlsplit(url).hostname
    return url.lower().startswith("http:") and host not in {"localhost", "127.0.0.1", "::1"}


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port beyond 65535, an unclosed bracket
        return False
