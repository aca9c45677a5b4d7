"""What is beyond an egress proxy: a provider over TLS, whose authority is a private one."""

import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from signaller.secret import Secret
from signaller.settings import Egress
from tests.support.certificate import Certificate, self_signed
from tests.support.provider import FakeProvider
from tests.support.proxy import ForwardProxy, forward_proxy, secured
from tests.support.serving import serving

PROVIDER, ID, LOGIN = "api.example", "id.example", "login.microsoftonline.com"
"""The first two exist nowhere: only the proxy knows where they lead."""
CANARY = "canary/of the@proxy:0123456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What is beyond the proxy: a provider over TLS, with a certificate of a private authority."""

    certificate: Certificate
    provider: FakeProvider
    url: str
    """Of the provider, without the proxy."""
    proxy: ForwardProxy

    @property
    def egress(self) -> Egress:
        """The way out, as it should be configured."""
        return Egress(proxy=Secret(self.proxy.url), ca_file=self.certificate.certificate)

    @property
    def requests(self) -> list[str]:
        """What has reached the provider; nothing of the proxy's password was in it."""
        for request in self.provider.requests:
            assert "proxy-authorization" not in request.headers
        return [request.path.rpartition("/")[2] for request in self.provider.requests]


def self_signed_for_all(folder: Path) -> Certificate:
    """One for every host of these; who has issued it is known to nobody."""
    return self_signed(folder, hosts=(PROVIDER, ID, LOGIN))


def served_with(certificate: Certificate) -> ssl.SSLContext:
    """A server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    return context


@contextlib.asynccontextmanager
async def outside(
    certificate: Certificate, *, password: str | None = None, demands: Path | None = None
) -> AsyncIterator[Outside]:
    """A proxy (that wants a password) and a provider behind it (that demands a certificate)."""
    context, provider = served_with(certificate), FakeProvider()
    if demands is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(demands)
    async with (
        serving(provider.app) as plain,
        secured(plain, context) as url,
        forward_proxy(password=password) as proxy,
    ):
        proxy.routes[f"{PROVIDER}:443"] = url
        yield Outside(certificate=certificate, provider=provider, url=url, proxy=proxy)
