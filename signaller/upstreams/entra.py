"""Entra ID tokens for Azure deployments, from their service principals."""

import importlib
from collections.abc import Callable
from typing import Protocol

from signaller.errors import UpstreamAuthFailed, UpstreamUnreachable
from signaller.model import Deployment, EntraCredential
from signaller.secret import Secret
from signaller.upstreams.failures import EntraUnavailable

SCOPE = "https://cognitiveservices.azure.com/.default"


class AccessToken(Protocol):
    """What azure-identity answers."""

    @property
    def token(self) -> str:
        """The bearer token."""


class Principal(Protocol):
    """A credential of azure-identity: caches its token and renews it in time."""

    async def get_token(self, *scopes: str) -> AccessToken:
        """A token for the scopes."""

    async def close(self) -> None:
        """Let go of connections."""


def client_secret_principal(entra: EntraCredential) -> Principal:
    """azure-identity's, imported only here: it belongs to the extra `azure`."""
    try:
        identity = importlib.import_module("azure.identity.aio")
    except ImportError as error:
        raise EntraUnavailable("azure-identity is not installed") from error
    principal: Principal = identity.ClientSecretCredential(
        entra.tenant_id, entra.client_id, entra.client_secret.reveal()
    )
    return principal


class EntraTokens:
    """One principal for each deployment that names one."""

    def __init__(
        self, open_principal: Callable[[EntraCredential], Principal] = client_secret_principal
    ) -> None:
        self._open = open_principal
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
                f"no Entra ID token for deployment {deployment.id}: {type(error).__name__}"
            ) from error

    async def aclose(self) -> None:
        """Close every principal; at shutdown."""
        for principal in self._principals.values():
            await principal.close()
        self._principals.clear()


def _azure_errors() -> tuple[type[Exception], ...]:
    try:
        exceptions = importlib.import_module("azure.core.exceptions")
    except ImportError:
        return ()
    return (exceptions.AzureError,)
