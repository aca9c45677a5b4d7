"""Entra ID tokens: one principal for each deployment, faults without ids or secrets."""

from dataclasses import dataclass, replace

import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError

from signaller.errors import UpstreamAuthFailed, UpstreamError, UpstreamUnreachable
from signaller.model import EntraCredential
from signaller.providers.entra import SCOPE, EntraTokens, client_secret_principal
from signaller.secret import Secret
from tests.providers.canaries import deployment

TENANT = "11111111-2222-3333-4444-555555555555"
ENTRA = EntraCredential(tenant_id=TENANT, client_id="app", client_secret=Secret("entra-canary"))


@dataclass
class Token:
    """An access token."""

    token: str


class FakePrincipal:
    """Counts what it is asked for."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault, self.scopes, self.closed = fault, [""], False

    async def get_token(self, *scopes: str) -> Token:
        """A token, or the fault."""
        self.scopes += scopes
        if self.fault is not None:
            raise self.fault
        return Token("entra-token")

    async def close(self) -> None:
        """Remember it."""
        self.closed = True


async def test_one_principal_for_each_deployment() -> None:
    """Opened once for each credential, asked for the right scope each time, closed at shutdown."""
    opened: list[FakePrincipal] = []

    def open_principal(_entra: EntraCredential) -> FakePrincipal:
        opened.append(FakePrincipal())
        return opened[-1]

    tokens = EntraTokens(open_principal)
    for name in ("a", "a", "b"):
        assert await tokens(deployment("http://x", id=name, entra=ENTRA)) == Secret("entra-token")
    assert [principal.scopes[1:] for principal in opened] == [[SCOPE, SCOPE], [SCOPE]]
    rotated = replace(ENTRA, client_secret=Secret("another"))
    await tokens(deployment("http://x", id="a", entra=rotated))
    assert [principal.scopes[1:] for principal in opened] == [[SCOPE, SCOPE], [SCOPE], [SCOPE]]
    await tokens.aclose()
    assert all(principal.closed for principal in opened)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        pytest.param(
            ClientAuthenticationError("entra-canary is wrong"), UpstreamAuthFailed, id="refused"
        ),
        pytest.param(ServiceRequestError("no route"), UpstreamUnreachable, id="network"),
        pytest.param(ValueError("malformed tenant"), UpstreamAuthFailed, id="malformed"),
    ],
)
async def test_faults_are_ours(fault: Exception, expected: type[UpstreamError]) -> None:
    """Nothing was sent to the provider, and the text stays away from client and log."""
    tokens = EntraTokens(lambda _entra: FakePrincipal(fault))
    with pytest.raises(UpstreamError) as caught:
        await tokens(deployment("http://x", entra=ENTRA))
    assert type(caught.value) is expected
    assert caught.value.no_call_began
    assert "entra-canary" not in str(caught.value) + caught.value.public


async def test_a_deployment_without_a_principal_is_refused() -> None:
    """There is nothing to fetch a token with."""
    with pytest.raises(UpstreamAuthFailed):
        await EntraTokens()(deployment("http://x"))


async def test_the_real_principal_is_azure_identitys() -> None:
    """The extra's class is found, opened and closed without touching the network."""
    principal = client_secret_principal(ENTRA)
    assert type(principal).__module__.startswith("azure.identity.aio")
    await principal.close()


async def test_a_malformed_tenant_is_reported() -> None:
    """azure-identity refuses it at once; the operator's fault, not a crash."""
    entra = EntraCredential(tenant_id="no/tenant", client_id="a", client_secret=Secret("s"))
    with pytest.raises(UpstreamAuthFailed):
        await EntraTokens()(deployment("http://x", entra=entra))
