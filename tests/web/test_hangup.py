"""Ending a call: POST .../hangup and DELETE on its Location."""

import time
from dataclasses import replace

import pytest

from signaller.secret import Secret
from signaller.tokens.tokens import Tokens
from tests.support.service import MASTER_KEY, PROVIDER_KEY, error, running


@pytest.mark.parametrize("method", ["hangup", "delete"])
@pytest.mark.parametrize("prefix", ["/v1", "", "/openai/v1"])
async def test_the_tokens_holder_ends_the_call(method: str, prefix: str) -> None:
    """200 with an empty body, the provider told with the deployment's own key; again: 200."""
    async with running() as service:
        token = await service.token()
        location = (await service.call(token)).headers["location"]
        path = prefix + location.removeprefix("/v1")
        headers = {"authorization": f"Bearer {token}"}
        for _ in range(2):
            if method == "delete":
                response = await service.client.delete(path, headers=headers)
            else:
                response = await service.client.post(f"{path}/hangup", headers=headers)
            assert (response.status_code, response.content) == (200, b"")
        (sent,) = service.provider.hangup.requests
        assert sent.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
        assert service.provider.live_calls == set()


@pytest.mark.parametrize("content_type", [None, "application/json"])
async def test_the_sdks_empty_bodies_are_accepted(content_type: str | None) -> None:
    """openai-python sends a JSON content type with an empty body, openai-node sends none."""
    async with running() as service:
        location = (await service.call(await service.token())).headers["location"]
        headers = {"authorization": f"Bearer {MASTER_KEY}"}
        if content_type:
            headers["content-type"] = content_type
        response = await service.client.post(f"{location}/hangup", headers=headers)
        assert response.status_code == 200


async def test_a_call_outlives_its_token() -> None:
    """An expired token still ends its own call, though it starts no other."""
    async with running() as service:
        token = await service.token()
        location = (await service.call(token)).headers["location"]
        tokens = Tokens(service.settings.token_keys, lambda: 0)
        claims = tokens.read(Secret(token))
        expired = tokens.mint(replace(claims, expires_at=int(time.time()) - 1)).reveal()
        refused = await service.call(expired)
        assert (refused.status_code, error(refused)["code"]) == (401, "token_rejected")
        assert len(service.provider.call.requests) == 1
        headers = {"authorization": f"Bearer {expired}"}
        assert (await service.client.delete(location, headers=headers)).status_code == 200
        assert service.provider.live_calls == set()


async def test_nobody_ends_anothers_call() -> None:
    """Another good token: 404, as if it did not exist; the call goes on."""
    async with running() as service:
        location = (await service.call(await service.token())).headers["location"]
        headers = {"authorization": f"Bearer {await service.token()}"}
        response = await service.client.delete(location, headers=headers)
        assert (response.status_code, error(response)["code"]) == (404, "call_id_not_found")
        assert len(service.provider.live_calls) == 1


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "invalid_api_key"),
        ({"authorization": "Bearer nope"}, "invalid_api_key"),
        ({"authorization": "Bearer ek_nope"}, "token_rejected"),
    ],
)
async def test_without_a_credential_nothing_ends(headers: dict[str, str], code: str) -> None:
    """401."""
    async with running() as service:
        location = (await service.call(await service.token())).headers["location"]
        response = await service.client.delete(location, headers=headers)
        assert (response.status_code, error(response)["code"]) == (401, code)
        assert service.provider.hangup.requests == []


async def test_an_unknown_call_is_a_404() -> None:
    """Also for the master."""
    async with running() as service:
        headers = {"authorization": f"Bearer {MASTER_KEY}"}
        response = await service.client.delete("/v1/realtime/calls/rtc_nope", headers=headers)
        assert (response.status_code, error(response)["code"]) == (404, "call_id_not_found")


async def test_a_call_the_provider_has_ended_already_is_no_error() -> None:
    """The provider's 404 means ended."""
    async with running() as service:
        location = (await service.call(await service.token())).headers["location"]
        service.provider.live_calls.clear()
        headers = {"authorization": f"Bearer {MASTER_KEY}"}
        assert (await service.client.delete(location, headers=headers)).status_code == 200


async def test_a_hangup_that_fails_can_be_repeated() -> None:
    """A provider's 500 confirms nothing, and the call is not taken for ended."""
    async with running() as service:
        location = (await service.call(await service.token())).headers["location"]
        headers = {"authorization": f"Bearer {MASTER_KEY}"}
        service.provider.hangup.answers(500, {}, times=1)
        failed = await service.client.delete(location, headers=headers)
        assert (failed.status_code, error(failed)["code"]) == (502, "hangup_unconfirmed")
        assert failed.headers["retry-after"] == "1"
        early = await service.client.delete(location, headers=headers)
        assert (early.status_code, error(early)["code"]) == (502, "hangup_unconfirmed")
        assert await service.ended(location, MASTER_KEY) == 200
        assert service.provider.live_calls == set()
