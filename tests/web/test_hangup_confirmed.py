"""A call is over when somebody who would know says so."""

from dataclasses import replace

import pytest

from signaller.policy import Policy
from signaller.secret import Secret
from tests.support.provider import credential
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


whatever_has_changed = pytest.mark.parametrize(
    "changes",
    [
        {"api_key": Secret("sk-canary-another-0123456789")},
        {"project": "another"},
        {"organization": "another"},
    ],
    ids=lambda change: next(iter(change)),
)


@whatever_has_changed
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
        assert await reloads.service.ended(location, MASTER_KEY) == 200
        assert reloads.provider.live_calls == set()


@whatever_has_changed
async def test_a_404_to_another_credentials_sideband_says_nothing(
    changes: dict[str, object],
) -> None:
    """The call goes on, unwatched, and is dialled again and again."""
    async with reloadable(policy=Policy(supervision="best_effort")) as reloads:
        location = await begun(reloads)
        bands, (theirs,) = reloads.provider.sidebands, reloads.provider.live_calls
        await bands.attached(theirs)
        await rekeyed(reloads, **changes)
        bands.refuses(404, times=3)
        bands.aborts(theirs)
        await bands.dialled(1 + 3)
        response = await reloads.service.client.get(location, headers=bearer(MASTER_KEY))
        call = response.json()
        assert (call["status"], call["supervision"]) == ("live", "lost")
        await bands.attached(theirs)
        assert reloads.provider.hangup.requests == []


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


async def test_past_the_providers_hour_a_call_has_ended() -> None:
    """Nobody has asked for it: the clock did, and the provider knew it no more."""
    async with reloadable() as reloads:
        token = await reloads.service.token()
        location = (await reloads.service.call(token)).headers["location"]
        reloads.provider.live_calls.clear()
        reloads.clock.now += 3601
        await reloads.provider.hangup.arrived()
        for key in (token, MASTER_KEY):
            assert await reloads.service.ended(location, key) == 200
        shown = await reloads.service.client.get(location, headers=bearer(MASTER_KEY))
        assert shown.json()["ended_by"] == "provider"
        assert len(reloads.provider.hangup.requests) == 1


async def test_attempts_go_on_until_the_end_is_confirmed() -> None:
    """However long it takes: each time it is said when to ask again."""
    async with reloadable() as reloads:
        token = await reloads.service.token()
        location = (await reloads.service.call(token)).headers["location"]
        reloads.provider.hangup.answers(500, {})
        for number in range(15):
            response = await reloads.service.client.delete(location, headers=bearer(token))
            assert (response.status_code, error(response)["code"]) == (502, "hangup_unconfirmed")
            assert 1 <= int(response.headers["retry-after"]) <= 31
            reloads.clock.now += 31
            await reloads.provider.hangup.arrived(number + 1)
        reloads.provider.hangup.behaves()
        assert await reloads.service.ended(location, token) == 200
        assert reloads.provider.live_calls == set()


async def test_attempts_are_one_to_ten_seconds_apart() -> None:
    """Each pause is twice the one before; nobody asks the provider sooner, however many ask."""
    async with reloadable() as reloads:
        location = await begun(reloads)
        hangup = reloads.provider.hangup
        hangup.answers(500, {})
        pauses = []
        for number in range(6):
            for _ in range(2):
                response = await reloads.service.client.delete(location, headers=bearer(MASTER_KEY))
                assert error(response)["code"] == "hangup_unconfirmed"
            assert len(hangup.requests) == number + 1
            pauses.append(int(response.headers["retry-after"]))
            reloads.clock.now += pauses[-1]
        assert pauses == [1, 2, 4, 8, 10, 10]


async def test_twins_are_told_apart() -> None:
    """Two deployments alike but for their keys: each call is ended with its own."""
    async with running() as base:
        url = base.settings.deployments[0].base_url
        keys = [Secret(f"sk-canary-twin-{number}-0123456789") for number in range(2)]
        twins = tuple(
            deployment(url, id=f"d{number}", api_key=key) for number, key in enumerate(keys)
        )
        minted, ended = base.provider.mint.requests, base.provider.hangup.requests
        async with running(deployments=twins) as service:
            while len(set(map(credential, minted))) < len(keys):  # which one is drawn at random
                token = await service.token()
                await service.client.delete(
                    (await service.call(token)).headers["location"], headers=bearer(token)
                )
        assert list(map(credential, minted)) == list(map(credential, ended))
