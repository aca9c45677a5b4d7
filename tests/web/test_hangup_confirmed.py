"""A call is over when somebody who would know says so."""

from dataclasses import replace

import pytest

from signaller.secret import Secret
from tests.support.service import MASTER_KEY, bearer, deployment, error, running
from tests.web.reloading import Reloadable, reloadable


async def begun(reloads: Reloadable) -> str:
    """The Location of a call."""
    service = reloads.service
    return (await service.call(await service.token())).headers["location"]


async def rekeyed(reloads: Reloadable, **changes: object) -> None:
    """Reload with something else in the only deployment."""
    (one,) = reloads.service.settings.deployments
    await reloads.reload(deployments=(replace(one, **changes),))  # type: ignore[arg-type]  # a test's word


@pytest.mark.parametrize(
    "changes",
    [
        {"api_key": Secret("sk-canary-another-0123456789")},
        {"project": "another"},
        {"organization": "another"},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_404_to_another_credential_says_nothing(changes: dict[str, object]) -> None:
    """502 that says so, and the call is not taken for ended."""
    async with reloadable() as reloads:
        location = await begun(reloads)
        await rekeyed(reloads, **changes)
        reloads.provider.hangup.answers(404, {"error": {"code": "call_id_not_found"}}, times=1)
        client = reloads.service.client
        response = await client.delete(location, headers=bearer(MASTER_KEY))
        assert (response.status_code, error(response)["code"]) == (502, "hangup_unconfirmed")
        assert "credential has changed" in error(response)["message"]
        reloads.clock.now += 60  # the pause is over
        assert (await client.delete(location, headers=bearer(MASTER_KEY))).status_code == 200
        assert reloads.provider.live_calls == set()


async def test_a_404_to_the_very_credential_is_the_end() -> None:
    """The client has closed its connection; ending it again is no error, and asks nobody."""
    async with running() as service:
        location = (await service.call(await service.token())).headers["location"]
        service.provider.live_calls.clear()
        for _ in range(2):
            response = await service.client.delete(location, headers=bearer(MASTER_KEY))
            assert response.status_code == 200
        assert len(service.provider.hangup.requests) == 1


async def test_a_token_of_the_old_key_makes_a_call_of_the_old_key() -> None:
    """The ephemeral secret was minted before the reload: only the old key would know its call."""
    async with reloadable() as reloads:
        token = await reloads.service.token()
        await rekeyed(reloads, api_key=Secret("sk-canary-another-0123456789"))
        location = (await reloads.service.call(token)).headers["location"]
        reloads.provider.hangup.answers(404, {})
        response = await reloads.service.client.delete(location, headers=bearer(MASTER_KEY))
        assert (response.status_code, error(response)["code"]) == (502, "hangup_unconfirmed")


async def test_past_its_deadline_nothing_is_asked() -> None:
    """However often somebody tries with an expired token."""
    async with reloadable() as reloads:
        token = await reloads.service.token()
        location = (await reloads.service.call(token)).headers["location"]
        reloads.clock.now += 3600
        for key in (token, MASTER_KEY):
            response = await reloads.service.client.delete(location, headers=bearer(key))
            assert response.status_code == 404
        assert reloads.provider.hangup.requests == []


async def test_there_is_a_last_attempt() -> None:
    """Ten, however long somebody goes on; then it says what is left to do."""
    async with reloadable() as reloads:
        token = await reloads.service.token()
        location = (await reloads.service.call(token)).headers["location"]
        reloads.provider.hangup.answers(500, {})
        for _ in range(15):
            response = await reloads.service.client.delete(location, headers=bearer(token))
            reloads.clock.now += 31
        assert (response.status_code, error(response)["code"]) == (502, "hangup_unconfirmed")
        assert "peer connection" in error(response)["message"]
        assert "retry-after" not in response.headers
        assert len(reloads.provider.hangup.requests) == 10


async def test_twins_are_told_apart() -> None:
    """Two deployments alike but for their keys: each call is ended with its own."""
    async with running() as base:
        url = base.settings.deployments[0].base_url
        keys = [Secret(f"sk-canary-twin-{number}-0123456789") for number in range(2)]
        twins = tuple(
            deployment(url, id=f"d{number}", api_key=key) for number, key in enumerate(keys)
        )
        async with running(deployments=twins) as service:
            for _ in range(8):
                token = await service.token()
                await service.client.delete(
                    (await service.call(token)).headers["location"], headers=bearer(token)
                )
        minted = [each.headers["authorization"] for each in base.provider.mint.requests]
        ended = [each.headers["authorization"] for each in base.provider.hangup.requests]
        assert minted == ended
        assert len(set(minted)) == 2
