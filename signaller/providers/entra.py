"""Entra ID tokens for Azure deployments, from their service principals."""

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import aiohttp
import httpx

from signaller.errors import EntraUnavailable, UpstreamAuthFailed, UpstreamUnreachable
from signaller.model import Deployment, EntraCredential
from signaller.providers.egress import DIRECT, passed_by, tls_context
from signaller.secret import Secret
from signaller.settings import Egress

SCOPE = "https://cognitiveservices.azure.com/.default"


class AccessToken(Protocol):
    """What azure-identity answers."""

    @property
    def token(self) -> str:
        """The bearer token."""


class AzureRequest(Protocol):
    """A request of azure-identity's that is about to be sent."""

    http_request: Any
    context: Any


class Principal(Protocol):
    """A credential of azure-identity: caches its token and renews it in time."""

    async def get_token(self, *scopes: str) -> AccessToken:
        """A token for the scopes."""

    async def close(self) -> None:
        """Let go of connections."""


def client_secret_principal(entra: EntraCredential, egress: Egress = DIRECT) -> Principal:
    """azure-identity's, imported only here: it belongs to the extra `azure`."""
    try:
        identity = importlib.import_module("azure.identity.aio")
    except ImportError as error:
        raise EntraUnavailable("azure-identity is not installed") from error
    tls = tls_context(egress)

    def choose_way(request: AzureRequest) -> None:
        """What azure-core's transport hands on to aiohttp."""
        options, url = request.context.options, httpx.URL(request.http_request.url)
        options["ssl"] = tls
        if egress.proxy is not None and not passed_by(url, egress.no_proxy):
            options["proxy"] = egress.proxy.reveal()

    principal: Principal = identity.ClientSecretCredential(
        entra.tenant_id,
        entra.client_id,
        entra.client_secret.reveal(),
        raw_request_hook=choose_way,
        retry_backoff_factor=0.1,  # seconds, doubled with each retry: a mint waits for it
        use_env_settings=False,  # they were read with the configuration
    )
    return principal


class EntraTokens:
    """One principal for each deployment that names one."""

    def __init__(
        self,
        open_principal: Callable[[EntraCredential], Principal] | None = None,
        *,
        egress: Egress = DIRECT,
    ) -> None:
        self._open = open_principal or partial(client_secret_principal, egress=egress)
        self._principals: dict[tuple[str, EntraCredential], Principal] = {}

    async def __call__(self, deployment: Deployment) -> Secret:
        """A token that Azure takes now."""
        if deployment.entra is None:
            raise UpstreamAuthFailed(f"deployment {deployment.id} names no service principal")
        try:
            # A rotated secret is another principal; calls in flight may still need the one before.
            at = (deployment.id, deployment.entra)
            principal = self._principals.get(at)
            if principal is None:
                principal = self._principals[at] = self._open(deployment.entra)
            return Secret((await principal.get_token(SCOPE)).token)
        except ValueError as error:
            # azure-identity raises it, with what it was given, for a malformed tenant.
            raise UpstreamAuthFailed(f"deployment {deployment.id}: malformed principal") from error
        except _azure_errors() as error:
            # Its texts quote ids of the tenant and the application; the class says enough.
            if type(error).__name__ == "ClientAuthenticationError":
                raise UpstreamAuthFailed(
                    f"Entra ID refused the principal of deployment {deployment.id}"
                ) from error
            raise UpstreamUnreachable(
                f"no Entra ID token for deployment {deployment.id}: {_why(error)}"
            ) from None  # aiohttp's own errors hold the proxy's password

    async def aclose(self) -> None:
        """Close every principal; at shutdown."""
        for principal in self._principals.values():
            await principal.close()
        self._principals.clear()


def _why(error: Exception) -> str:
    """The class of an error; of a proxy that failed, which one it is."""
    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientProxyConnectionError):
        return f"the proxy {cause.host}:{cause.port} cannot be reached"
    if isinstance(cause, aiohttp.ClientHttpProxyError):
        return f"the proxy answered CONNECT with {cause.status}"
    return type(error).__name__


def _azure_errors() -> tuple[type[Exception], ...]:
    try:
        exceptions = importlib.import_module("azure.core.exceptions")
    except ImportError:
        return ()
    return (exceptions.AzureError,)
