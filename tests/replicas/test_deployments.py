"""Replicas that learn of a deployment one after the other."""

from typing import Any

import pytest

from signaller.secret import Secret
from tests.support.provider import FakeProvider
from tests.support.service import deployment, running, token_key
from tests.support.serving import serving


async def test_a_deployment_that_one_replica_does_not_know_costs_no_token(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is refused there, without a word to the provider or a false alarm, and good elsewhere."""
    provider = FakeProvider()
    shared: dict[str, Any] = {"redis_url": Secret(redis_url), "token_keys": (token_key(),)}
    async with serving(provider.app) as url:
        old, new = deployment(url, id="old"), deployment(url, id="new")
        async with (
            running(deployments=(old,), **shared) as behind,
            running(deployments=(old, new), **shared) as ahead,
        ):
            async with running(deployments=(new,), **shared) as minting:
                token = await minting.token()
            for _ in range(2):
                assert (await behind.call(token)).status_code == 401
            assert not provider.call.requests
            assert (await ahead.call(token)).status_code == 201
    assert "replay" not in [record.getMessage() for record in caplog.records]
