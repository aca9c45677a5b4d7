"""A reload changes what the configuration says, and forgets nothing that has happened."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from signaller.secret import Secret
from signaller.settings import NamedCaller
from tests.metrics.text import Samples, parsed
from tests.support.provider import error as provider_error
from tests.support.service import MASTER_KEY, MODEL, bearer, error, named
from tests.web.gateway import issuing, trusting, vouched
from tests.web.reloading import Reloadable, reloadable

OLD_KEY, NEW_KEY = Secret("0123456789abcdef-old"), Secret("fedcba9876543210-new")
"""Of a provider; by their looks they could be anything."""
KEY, NEWCOMER = "sk-sgn-canary-web-0123456789", "sk-sgn-canary-new-0123456789"


def with_newcomer(**policy: Any) -> tuple[NamedCaller, ...]:
    """The callers after a reload: `web`, who was there before, and another one."""
    return (named("web", KEY, **policy), named("newcomer", NEWCOMER))


async def mint(running: Reloadable, headers: dict[str, str] | None = None) -> httpx.Response:
    """Ask for a token, as `web` unless told otherwise."""
    return await running.service.mint(headers=headers or bearer(KEY))


async def token(running: Reloadable, headers: dict[str, str] | None = None) -> str:
    """A fresh token."""
    response = await mint(running, headers)
    assert response.status_code == 200, response.text
    value: str = response.json()["value"]
    return value


async def counted(running: Reloadable) -> Samples:
    """What /metrics tells the operator."""
    response = await running.service.client.get("/metrics", headers=bearer(MASTER_KEY))
    return parsed(response.text)


async def test_a_reload_takes_effect_at_all() -> None:
    """Otherwise there were nothing to show below."""
    async with reloadable(callers=(named("web", KEY),)) as running:
        assert (await mint(running, bearer(NEWCOMER))).status_code == 401
        await running.reload(callers=with_newcomer())
        assert (await mint(running, bearer(NEWCOMER))).status_code == 200


async def test_an_issuers_keys_are_kept() -> None:
    """It is down after the reload: JWTs are believed, and nobody has asked it again."""
    async with (
        issuing() as issuer,
        reloadable(gateway=trusting(issuer)) as running,
    ):
        await token(running, vouched())
        assert issuer.fetches == 1
        issuer.answers(503)
        await running.reload(callers=with_newcomer())
        for _ in range(3):
            await token(running, vouched())
        assert issuer.fetches == 1


async def test_a_deployment_goes_on_resting() -> None:
    """It is tried last for as long as it asked for, and not a moment longer."""
    async with reloadable("first", "spare") as running:
        minting = running.provider.mint
        minting.answers(503, provider_error("down"), headers={"retry-after": "50"}, times=1)
        await running.service.token()
        await running.reload(callers=with_newcomer())
        for _ in range(3):
            await running.service.token()
        running.clock.now += 51
        await running.service.token()
        asked = [request.json()["session"]["model"] for request in minting.requests]
    assert asked == ["gpt-first", *["gpt-spare"] * 4, "gpt-first"]


async def test_a_reload_does_not_refill_a_rate_of_mints() -> None:
    """Two of three are taken before, one is left after, until a minute has passed."""
    async with reloadable(callers=(named("web", KEY, mints_per_minute=3),)) as running:
        for _ in range(2):
            await token(running)
        await running.reload(callers=with_newcomer(mints_per_minute=3))
        assert (await mint(running)).headers["x-ratelimit-remaining-requests"] == "0"
        refused = await mint(running)
        assert (refused.status_code, error(refused)["code"]) == (429, "rate_limit_exceeded")
        assert len(running.provider.mint.requests) == 3
        running.clock.now += 61
        await token(running)


async def test_a_reload_does_not_refill_a_rate_of_calls() -> None:
    """A call over it is refused as if nothing had happened; its token stays good."""
    async with reloadable(callers=(named("web", KEY, calls_per_minute=2),)) as running:
        first, second, third = [await token(running) for _ in range(3)]
        assert (await running.service.call(first)).status_code == 201
        await running.reload(callers=with_newcomer(calls_per_minute=2))
        assert (await running.service.call(second)).status_code == 201
        for again in (third, await token(running)):
            assert (await running.service.call(again)).status_code == 429
        assert len(running.provider.call.requests) == 2


@pytest.mark.parametrize("limit", [4, 2], ids=["raised", "lowered"])
async def test_what_was_taken_counts_under_another_limit(limit: int) -> None:
    """A raised one leaves the difference, a lowered one nothing."""
    async with reloadable(callers=(named("web", KEY, mints_per_minute=3),)) as running:
        for _ in range(3):
            await token(running)
        await running.reload(callers=with_newcomer(mints_per_minute=limit))
        statuses = [(await mint(running)).status_code for _ in range(2)]
    assert statuses == ([200, 429] if limit == 4 else [429, 429])


async def test_counts_go_on() -> None:
    """Of mints, calls, refusals, providers, the store and of reloads themselves."""
    async with reloadable(callers=(named("web", KEY),)) as running:
        for number in range(1, 4):
            await running.service.call(await token(running))
            await mint(running, bearer("sk-nobody"))
            found = await counted(running)
            assert {
                "mints": found['signaller_mints_total{caller="web",deployment="d1"}'],
                "calls": found['signaller_calls_total{caller="web",deployment="d1"}'],
                "refusals": found['signaller_refusals_total{reason="invalid_api_key",step="mint"}'],
                "provider": found['signaller_provider_seconds_count{deployment="d1",step="mint"}'],
                "store": found['signaller_store_seconds_count{step="redeem"}'],
                "reloads": found['signaller_reloads_total{outcome="ok"}'] + 1,
            } == dict.fromkeys(
                ("mints", "calls", "refusals", "provider", "store", "reloads"), number
            )
            await running.reload(callers=with_newcomer())


async def test_counts_name_the_callers_of_the_new_configuration() -> None:
    """One who came is named; one who left is named no more, but what it did stays counted."""
    async with (
        issuing() as issuer,
        reloadable(gateway=trusting(issuer), callers=(named("fleet"),)) as running,
    ):
        await token(running, vouched(sub="fleet"))
        await token(running, vouched(sub="kiosk"))
        await running.reload(callers=(named("kiosk"),))
        await token(running, vouched(sub="fleet"))
        await token(running, vouched(sub="kiosk"))
        found = await counted(running)
    mints = {name: value for name, value in found.items() if "mints_total" in name}
    assert mints == {
        'signaller_mints_total{caller="fleet",deployment="d1"}': 1,
        'signaller_mints_total{caller="kiosk",deployment="d1"}': 1,
        'signaller_mints_total{caller="other",deployment="d1"}': 2,
        'signaller_warm_mints_total{deployment="d1"}': 0,
    }


async def test_tokens_and_calls_in_memory_outlive_a_reload() -> None:
    """A token starts its call, a spent one none; a call is hung up by its old name."""
    async with reloadable(callers=(named("web", KEY),)) as running:
        service, spent, good = running.service, await token(running), await token(running)
        begun = await service.call(spent)
        await running.reload(callers=with_newcomer())
        assert (await service.call(good)).status_code == 201
        assert (await service.call(spent)).status_code == 401
        assert len(running.provider.live_calls) == 2
        ended = await service.client.delete(begun.headers["location"], headers=bearer(KEY))
        assert ended.status_code == 200
        assert len(running.provider.live_calls) == 1


async def test_a_request_in_flight_ends_as_it_began() -> None:
    """Its caller and its deployment have left the configuration before the provider answers."""
    async with reloadable(callers=(named("web", KEY),)) as running:
        provider = running.provider
        minted = await token(running)
        provider.call.holds()
        waiting = asyncio.create_task(running.service.call(minted))
        await provider.call.arrived()
        await running.reload(callers=(), deployments=running.service.settings.deployments[:0])
        assert (await mint(running)).status_code == 401
        assert error(await running.service.mint({"model": MODEL}))["code"] == "model_not_found"
        provider.call.release()
        assert (await waiting).status_code == 201
        assert len(provider.live_calls) == 1


async def test_a_request_is_answered_by_the_configuration_it_began_with() -> None:
    """A key that was still in use when it began is found in it, though a reload came in between."""
    async with reloadable("d1") as running:
        given = running.service.settings.deployments[0]
        wild = replace(given, model_name="*", upstream_model="*", api_key=OLD_KEY)
        await running.reload(deployments=(wild,))
        host, port = running.service.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        body = b'{"model": "%s"}' % OLD_KEY.reveal().encode()
        head = (
            f"POST /v1/realtime/client_secrets HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Authorization: Bearer {MASTER_KEY}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
        )
        writer.write(head.encode())
        async with asyncio.timeout(20):
            assert b" 100 " in await reader.readline()  # the body is being waited for
            await running.reload(deployments=(replace(wild, api_key=NEW_KEY),))
            writer.write(body)
            answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        assert b" 400 Bad Request" in answer
        assert b"The name of a model holds a key" in answer
        assert OLD_KEY.reveal().encode() not in answer
        assert running.provider.requests == []
