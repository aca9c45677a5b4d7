"""Azure's adapter: GA routes only, either credential, and errors in words."""

import asyncio
import itertools
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace

import httpx
import pytest

from signaller.errors import (
    AzureApiVersionUnsupported,
    EntraUnavailable,
    UpstreamAuthFailed,
    UpstreamConnectTimeout,
    UpstreamError,
    UpstreamRefused,
)
from signaller.model import Deployment, EntraCredential
from signaller.providers import Sockets, azure
from signaller.providers.azure import Azure
from signaller.providers.http import ALWAYS
from signaller.secret import Secret
from signaller.settings import Timeouts
from tests.providers.canaries import API_KEY, ASKED, OFFER, TRACE, assert_silent, deployment, taking
from tests.support.provider import ANSWER, Body, FakeProvider

ENTRA = EntraCredential(tenant_id="t", client_id="c", client_secret=Secret("entra-canary"))


@pytest.mark.parametrize("version", [None, "", "v1", "preview", "V1"])
@pytest.mark.parametrize("suffix", ["", "/openai"])
async def test_ga_routes_without_a_version(
    client: httpx.AsyncClient, provider: FakeProvider, url: str, version: str | None, suffix: str
) -> None:
    """Mint, call and hangup are under /openai/v1 with no query, each with its own credential."""
    azure = Azure(client, Timeouts())
    at = deployment(url + suffix, provider="azure", api_version=version)
    secret = await azure.mint(at, ASKED)
    answer = await azure.call(at, secret.value, OFFER, TRACE)
    assert answer.sdp == ANSWER
    assert answer.provider_call_id is not None
    await azure.hang_up(at, answer.provider_call_id, TRACE)
    assert [(request.path, request.query) for request in provider.requests] == [
        ("/openai/v1/realtime/client_secrets", ""),
        ("/openai/v1/realtime/calls", ""),
        (f"/openai/v1/realtime/calls/{answer.provider_call_id}/hangup", ""),
    ]
    mint, call, hangup = provider.requests
    assert mint.headers["api-key"] == hangup.headers["api-key"] == API_KEY
    assert "authorization" not in mint.headers
    assert "api-key" not in call.headers
    assert call.headers["authorization"] == f"Bearer {secret.value.reveal()}"
    assert provider.live_calls == set()


@pytest.mark.parametrize("step", ["mint", "call", "hangup"])
async def test_a_dated_version_is_explained_before_any_request(
    client: httpx.AsyncClient, provider: FakeProvider, url: str, step: str
) -> None:
    """One sentence says what to change, and nothing is sent."""
    azure = Azure(client, Timeouts())
    at = deployment(url, provider="azure", api_version="2025-04-01-preview")
    with pytest.raises(AzureApiVersionUnsupported) as caught:
        await taking(step, azure, at)
    assert caught.value.public == (
        "This deployment's api_version '2025-04-01-preview' names Azure's retired preview API; "
        "remove api_version (or set it to 'v1') to use the GA API at /openai/v1."
    )
    assert (caught.value.status, caught.value.code) == (502, "azure_api_version_unsupported")
    assert caught.value.no_call_began
    assert provider.requests == []


async def fetched(_deployment: Deployment) -> Secret:
    """An Entra ID token, as fetched."""
    return Secret("fetched-token")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"entra_token": Secret("fixed-token")}, "fixed-token", id="token"),
        pytest.param({"entra": ENTRA}, "fetched-token", id="principal"),
    ],
)
async def test_entra_tokens_are_bearers(
    client: httpx.AsyncClient,
    provider: FakeProvider,
    url: str,
    given: dict[str, object],
    expected: str,
) -> None:
    """Configured or fetched, the token takes the place of api-key."""
    azure = Azure(client, Timeouts(), fetched)
    await azure.mint(deployment(url, provider="azure", api_key=None, **given), ASKED)
    (request,) = provider.requests
    assert request.headers["authorization"] == f"Bearer {expected}"
    assert "api-key" not in request.headers


@pytest.mark.parametrize(
    ("given", "other"),
    [
        pytest.param({"entra": ENTRA}, {"entra": replace(ENTRA, tenant_id="u")}, id="tenant"),
        pytest.param({"entra": ENTRA}, {"entra": replace(ENTRA, client_id="d")}, id="client"),
        pytest.param(
            {"entra": ENTRA},
            {"entra": replace(ENTRA, client_secret=Secret("rotated"))},
            id="client secret",
        ),
        pytest.param({"entra": ENTRA}, {"entra_token": Secret("fixed")}, id="token"),
        pytest.param({"api_key": Secret("one")}, {"api_key": Secret("two")}, id="key"),
        pytest.param({"api_key": Secret("one")}, {"entra_token": Secret("one")}, id="kind"),
    ],
)
def test_who_asks_is_part_of_what_is_asked(
    client: httpx.AsyncClient, given: dict[str, object], other: dict[str, object]
) -> None:
    """A principal's tokens change by the hour and stand for the same; the principal counts."""
    azure = Azure(client, Timeouts(), fetched)

    def meaning(changes: dict[str, object]) -> tuple[object, ...]:
        at = deployment("http://127.0.0.1:1", **{"api_key": None, **changes})
        return azure.mint_request(at, ASKED).meaning

    assert meaning(given) == meaning(given)
    assert meaning(given) != meaning(other)


@pytest.mark.parametrize("given", [{"api_key": Secret("one")}, {"entra": ENTRA}], ids=str)
async def test_only_a_fetched_token_is_sent_beside_what_was_said(
    client: httpx.AsyncClient, provider: FakeProvider, url: str, given: dict[str, object]
) -> None:
    """Secrets are shared by it, so nothing else that reaches Azure may be missing there."""
    azure, at = Azure(client, Timeouts(), fetched), deployment(url, **{"api_key": None, **given})
    said = azure.mint_request(at, ASKED)
    await azure.mint(at, ASKED)
    (request,) = provider.requests
    assert (f"{url}{request.path}", request.body) == (said.url, said.content)
    headers = {name.lower() for name in (*said.headers, *said.tracing, *ALWAYS)}
    beside = request.headers.keys() - headers - {"host", "content-length"}
    assert beside == ({"authorization"} if "entra" in given else set())


@pytest.mark.parametrize("entra", [None, ENTRA])
async def test_no_credential_is_the_operators_fault(
    client: httpx.AsyncClient, provider: FakeProvider, url: str, entra: EntraCredential | None
) -> None:
    """Without a key, a token or a way to fetch one, nothing is sent."""
    at = deployment(url, provider="azure", api_key=None, entra=entra)
    with pytest.raises(UpstreamAuthFailed):
        await Azure(client, Timeouts()).mint(at, ASKED)
    assert provider.requests == []


async def test_each_sideband_is_opened_with_a_principals_token_of_now(
    client: httpx.AsyncClient, provider: FakeProvider, url: str
) -> None:
    """A call may outlive the token that its first sideband had: one that is cut off gets another.

    azure-identity renews a token in time, so it is asked anew for each.
    """
    made = itertools.count(1)

    async def renewed(_deployment: Deployment) -> Secret:
        return Secret(f"token-{next(made)}")

    provider.live_calls.add("rtc_1")
    sockets = Sockets()
    azure = Azure(client, Timeouts(), renewed, sockets=sockets)
    at = deployment(url, provider="azure", api_key=None, entra=ENTRA)
    try:
        for _ in range(2):
            sideband = await azure.attach(at, "rtc_1", TRACE)
            assert sideband is not None
            await sideband.close()
    finally:
        await sockets.aclose()
    told = [each["authorization"] for each in provider.sidebands.handshakes]
    assert told == ["Bearer token-1", "Bearer token-2"]
    assert not any("api-key" in each for each in provider.sidebands.handshakes)


async def test_a_slow_entra_counts_towards_the_step(client: httpx.AsyncClient) -> None:
    """Fetching a token is part of the step's time, and nothing has been sent by then."""

    async def never(_deployment: Deployment) -> Secret:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    at = deployment("http://127.0.0.1:9", api_key=None, entra=ENTRA, timeout_seconds=0.1)
    with pytest.raises(UpstreamConnectTimeout):
        await Azure(client, Timeouts(), never).mint(at, ASKED)


Refusing = Callable[[int, Body], Awaitable[UpstreamError]]


@pytest.fixture
def refusing(client: httpx.AsyncClient, provider: FakeProvider, url: str) -> Refusing:
    """How a mint fails when Azure answers so."""

    async def refused(status: int, body: Body) -> UpstreamError:
        provider.mint.answers(status, body)
        with pytest.raises(UpstreamError) as caught:
            await Azure(client, Timeouts()).mint(deployment(url, provider="azure"), ASKED)
        return caught.value

    return refused


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (400, "BadRequest", "api-version query parameter is not allowed", azure.API_VERSION),
        (404, "404", "Unsupported api version", azure.API_VERSION),
        (
            404,
            "DeploymentNotFound",
            "The API deployment for this resource does not exist.",
            azure.DEPLOYMENT,
        ),
        (404, None, "The API deployment for this resource does not exist", azure.DEPLOYMENT),
        (
            400,
            "OperationNotSupported",
            "The realtime operation does not work with the specified model, gpt-4o.",
            azure.OPERATION,
        ),
        (400, None, "This model is not available in the region eastasia.", azure.REGION),
        (404, "404", "Resource not found", azure.ROUTE),
    ],
)
async def test_azure_errors_are_explained(
    refusing: Refusing, status: int, code: str | None, message: str, expected: str
) -> None:
    """The client reads what the operator must change; status and code stay Azure's."""
    error = await refusing(status, {"error": {"code": code, "message": message}})
    assert type(error) is UpstreamRefused
    assert error.public == expected
    assert (error.status, error.code) == (status, code or "upstream_refused")
    assert error.type == "invalid_request_error"


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (401, "Access denied due to invalid subscription key or wrong API endpoint.", azure.KEY),
        (401, "The principal lacks the required data action ...", azure.ROLE),
        (403, "Access denied due to Virtual Network/Firewall rules.", azure.NETWORK),
        (401, f"No: {API_KEY}", UpstreamAuthFailed.public),
    ],
)
async def test_azure_credential_faults_are_explained(
    refusing: Refusing, status: int, message: str, expected: str
) -> None:
    """A flat body of Azure's gateway is understood, and is still a 502 of ours."""
    error = await refusing(status, {"statusCode": status, "message": message})
    assert type(error) is UpstreamAuthFailed
    assert (error.public, error.status) == (expected, 502)
    assert_silent(error)


@pytest.mark.parametrize(("status", "message"), [(400, "Bad voice"), (429, "Slow down")])
async def test_other_errors_keep_their_text(refusing: Refusing, status: int, message: str) -> None:
    """What needs no explaining is passed on."""
    error = await refusing(status, {"error": {"message": message}})
    assert (error.public, error.status) == (message, status)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without azure-identity the operator reads which extra to install."""
    from signaller.providers.entra import client_secret_principal

    monkeypatch.setitem(sys.modules, "azure.identity.aio", None)
    with pytest.raises(EntraUnavailable, match=r"not installed") as caught:
        client_secret_principal(ENTRA)
    assert "pip install .[azure]" in caught.value.public
