"""The way out: which proxy a URL is asked through, and whose certificates are good there.

For HTTP (`http`), WebSockets (`sockets`) and Entra ID (`entra`) alike; it opens no connection.
"""

import ssl
import urllib.request

import aiohttp
import httpx

from signaller import __version__
from signaller.errors import ConfigError
from signaller.secret import Secret
from signaller.settings import Egress

USER_AGENT = f"signaller/{__version__}"
DIRECT = Egress()


class Proxies:
    """Those of a way out, by the scheme of what is asked."""

    def __init__(self, egress: Egress) -> None:
        """Raises ConfigError."""
        self._no_proxy = egress.no_proxy
        found = {
            "https": _proxy_at(egress.proxy, "HTTPS_PROXY"),
            "http": _proxy_at(egress.http_proxy, "HTTP_PROXY"),
        }
        self.by_scheme = {scheme: proxy for scheme, proxy in found.items() if proxy is not None}

    def before(self, url: httpx.URL) -> httpx.Proxy | None:
        """The one through which a URL is asked; None: it is asked directly."""
        proxy = self.by_scheme.get(url.scheme)
        return None if proxy is None or passed_by(url, self._no_proxy) else proxy


def through(proxy: httpx.Proxy) -> str:
    """Before the text of a failure: which proxy it was, without its password."""
    return f"through the proxy {proxy.url.netloc.decode()}: "


def passed_by(url: httpx.URL, no_proxy: str) -> bool:
    """Whether a URL is asked directly, though there is a proxy."""
    passes = urllib.request.proxy_bypass_environment(  # type: ignore[attr-defined] # typeshed
        url.netloc.decode(), {"no": no_proxy}
    )
    return bool(passes)


def tls_context(egress: Egress) -> ssl.SSLContext:
    """The authorities of this machine (or of SSL_CERT_FILE) and ours. Raises ConfigError."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    try:
        if egress.ca_file is not None:
            context.load_verify_locations(egress.ca_file)
        if egress.client_cert is not None:
            context.load_cert_chain(egress.client_cert, egress.client_key)
    except OSError as error:  # ssl's are among them; none says which file it means
        files = (egress.ca_file, egress.client_cert, egress.client_key)
        named = ", ".join(str(path) for path in files if path is not None)
        fault = f"signaller.egress: {named} must be PEM certificates, with a key: {error}"
        raise ConfigError([fault]) from error
    return context


def _proxy_at(url: Secret | None, variable: str) -> httpx.Proxy | None:
    """The proxy at a URL; `variable` may stand in place of the file's. Raises ConfigError."""
    if url is None:
        return None
    headers = {"User-Agent": USER_AGENT}  # a CONNECT has no other headers
    try:
        proxy = httpx.Proxy(url.reveal())
        if not proxy.url.host:  # reading it raises UnicodeError for one such as `xn--`
            raise ValueError("no host")
        if proxy.auth is not None:
            # In a header: aiohttp takes no other way to say it any more.
            headers["Proxy-Authorization"] = aiohttp.encode_basic_auth(*proxy.auth)
    except (httpx.InvalidURL, ValueError):  # their texts may quote the password
        raise ConfigError(
            [
                f"signaller.egress.proxy (or {variable} or ALL_PROXY): expected a host that is a "
                "name or an address, and a user without a colon, found another"
            ]
        ) from None
    return httpx.Proxy(proxy.url, headers=headers)
