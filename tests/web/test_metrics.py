"""GET /metrics: what the service counts, for the operator alone."""

import re

import pytest

from signaller.secret import Secret
from signaller.settings import MetricsSettings
from tests.support.provider import error as provider_error
from tests.support.service import MASTER_KEY, Service, bearer, error, named, running

METRICS_KEY, KEY = "scrape-canary-0123456789", "sk-sgn-canary-web-0123456789"
CALLERS = (named("web", KEY),)


async def numbers(service: Service) -> dict[str, float]:
    """Every sample by its name and labels."""
    response = await service.client.get("/metrics", headers=bearer(MASTER_KEY))
    assert response.status_code == 200
    found = re.findall(r"^(signaller_\w+(?:\{[^}]*\})?) (\S+)$", response.text, re.M)
    return {name: float(value) for name, value in found}


@pytest.mark.parametrize(
    ("key", "status"),
    [(METRICS_KEY, 200), (MASTER_KEY, 200), (KEY, 401), ("nobody", 401), (None, 401)],
)
async def test_metrics_are_closed_to_the_public(key: str | None, status: int) -> None:
    """A key of their own, or the master key."""
    async with running(
        callers=CALLERS, metrics=MetricsSettings(key=Secret(METRICS_KEY))
    ) as service:
        response = await service.client.get("/metrics", headers=bearer(key) if key else {})
        assert response.status_code == status
        if status == 401:
            assert error(response)["code"] == "invalid_api_key"
        else:
            assert response.headers["content-type"].startswith("text/plain")


async def test_without_any_key_nobody_reads_them() -> None:
    """Not open by omission."""
    async with running(master_key=None) as service:
        for headers in ({}, bearer("None"), {"api-key": ""}):
            assert (await service.client.get("/metrics", headers=headers)).status_code == 401


async def test_what_happens_is_counted() -> None:
    """Mints, calls, hangups, replays, revocations and refusals by their reason."""
    async with running(callers=CALLERS) as service:
        for _ in range(2):
            token = (await service.mint(headers=bearer(KEY))).json()["value"]
        location = (await service.call(token)).headers["location"]
        await service.call(token)
        await service.client.delete(location, headers=bearer(KEY))
        await service.client.post(
            "/v1/realtime/client_secrets/revoke", json={"token": token}, headers=bearer(KEY)
        )
        await service.mint({"model": "none"})
        await service.mint(headers=bearer("stranger"))
        counted = await numbers(service)
    assert counted['signaller_mints_total{caller="web",deployment="d1"}'] == 2
    assert counted['signaller_calls_total{caller="web",deployment="d1"}'] == 1
    assert counted['signaller_replays_total{caller="web"}'] == 1
    assert counted['signaller_revocations_total{caller="web"}'] == 1
    assert counted["signaller_hangups_total"] == 1
    refusals = {
        name: n for name, n in counted.items() if name.startswith("signaller_refusals_total")
    }
    assert refusals == {
        'signaller_refusals_total{reason="model_not_found",step="mint"}': 1,
        'signaller_refusals_total{reason="invalid_api_key",step="mint"}': 1,
        'signaller_refusals_total{reason="token_rejected",step="call"}': 1,
    }
    assert counted['signaller_provider_seconds_count{deployment="d1",step="mint"}'] == 2
    assert counted['signaller_store_seconds_count{step="redeem"}'] == 2


async def test_a_failing_provider_shows() -> None:
    """Its errors by our own codes, and until when its deployment rests."""
    async with running() as service:
        service.provider.mint.answers(429, provider_error("Slow down.", "their_own_code"))
        await service.mint()
        counted = await numbers(service)
        assert "their_own_code" not in str(counted)
    name = (
        'signaller_provider_errors_total{deployment="d1",reason="upstream_unavailable",step="mint"}'
    )
    assert counted[name] == 1
    assert counted['signaller_deployment_rests_until_seconds{deployment="d1"}'] > 1.7e9
