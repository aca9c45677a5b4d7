"""The loopback provider as Azure."""

from collections.abc import AsyncIterator

import httpx
import pytest
import websockets

from signaller.loopback.app import create_loopback
from signaller.secret import Secret
from tests.loopback.conftest import API_KEY
from tests.loopback.peer import Peer
from tests.support.serving import serving

BASE = "/openai/v1/realtime"
SESSION = {"session": {"type": "realtime", "model": "voice"}}
KEY = {"api-key": API_KEY}


@pytest.fixture
async def azure() -> AsyncIterator[httpx.AsyncClient]:
    """A client, without a credential, of a resource with the deployment `voice`."""
    app = create_loopback(
        api_key=Secret(API_KEY), provider="azure", deployments=frozenset({"voice"})
    )
    async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        yield client


async def test_a_call_from_mint_to_hangup(azure: httpx.AsyncClient) -> None:
    """Secrets carry no prefix; the sideband takes the api-key."""
    minted = await azure.post(f"{BASE}/client_secrets", json=SESSION, headers=KEY)
    secret = minted.json()["value"]
    assert not secret.startswith("ek_")
    peer = Peer()
    try:
        response = await azure.post(
            f"{BASE}/calls",
            content=await peer.offer(),
            headers={"authorization": f"Bearer {secret}", "content-type": "application/sdp"},
        )
        assert response.status_code == 201
        await peer.accept(response.text)
        await peer.event("session.created")
        path = response.headers["location"]
        assert path.startswith(f"{BASE}/calls/rtc_")
        url = str(azure.base_url.join(BASE)).replace("http", "ws")
        async with websockets.connect(
            f"{url}?call_id={path.rpartition('/')[2]}", additional_headers=KEY
        ) as sideband:
            assert (await azure.post(f"{path}/hangup", headers=KEY)).status_code == 200
            await sideband.wait_closed()
        assert (await azure.post(f"{path}/hangup", headers=KEY)).status_code == 404
    finally:
        await peer.aclose()


async def test_a_standing_key_starts_no_call(azure: httpx.AsyncClient) -> None:
    """The calls route requires ephemeral tokens."""
    for headers in (KEY, {"authorization": f"Bearer {API_KEY}"}):
        response = await azure.post(f"{BASE}/calls", content="v=0", headers=headers)
        assert response.status_code == 401
        assert "requires ephemeral tokens" in response.json()["error"]["message"]


async def test_a_bearer_mints_as_well(azure: httpx.AsyncClient) -> None:
    """Where the real one takes an Entra token."""
    headers = {"authorization": f"Bearer {API_KEY}"}
    response = await azure.post(f"{BASE}/client_secrets", json=SESSION, headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize("path", ["client_secrets", "calls", "calls/rtc_1/hangup"])
async def test_an_api_version_is_refused(azure: httpx.AsyncClient, path: str) -> None:
    """The GA routes have none."""
    response = await azure.post(
        f"{BASE}/{path}", params={"api-version": "2025-04-01-preview"}, headers=KEY
    )
    assert response.status_code == 400
    assert "api-version" in response.json()["error"]["message"]


async def test_an_unknown_deployment_is_a_404(azure: httpx.AsyncClient) -> None:
    """Azure's code, without type and param."""
    response = await azure.post(
        f"{BASE}/client_secrets",
        json={"session": {"type": "realtime", "model": "other"}},
        headers=KEY,
    )
    assert response.status_code == 404
    assert set(response.json()["error"]) == {"code", "message"}
    assert response.json()["error"]["code"] == "DeploymentNotFound"


async def test_a_wrong_key_is_a_401(azure: httpx.AsyncClient) -> None:
    """In Azure's words."""
    response = await azure.post(f"{BASE}/client_secrets", json=SESSION, headers={"api-key": "no"})
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "401"


async def test_openais_paths_are_not_there(azure: httpx.AsyncClient) -> None:
    """Only the v1 path under /openai."""
    assert (await azure.post("/v1/realtime/client_secrets", headers=KEY)).status_code == 404
