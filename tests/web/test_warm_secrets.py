"""Tokens that share a provider's secret."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from signaller.secret import Secret
from signaller.settings import WarmSettings
from tests.faults.redis.proxy import proxied
from tests.stores.servers import asking, port_of, started
from tests.support.provider import FakeProvider
from tests.support.provider import error as provider_error
from tests.support.redis import redis_server
from tests.support.service import MODEL, Service, bearer, deployment, named, running, token_key
from tests.support.serving import serving
from tests.web.reloading import reloadable

KEY, OTHER = "sk-sgn-canary-web-0123456789", "sk-sgn-canary-app-0123456789"
WARM = WarmSettings(seconds=600)


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings of either store."""
    if request.param == "memory":
        return {}
    url: str = request.getfixturevalue("redis_url")
    return {"redis_url": Secret(url), "token_keys": (token_key(),)}


@contextlib.asynccontextmanager
async def warmed(**changes: Any) -> AsyncIterator[Service]:
    """A service that lets secrets be shared, with two callers."""
    changes.setdefault("callers", (named("web", KEY, safety_identifier=True), named("app", OTHER)))
    async with running(warm_secrets=changes.pop("warm_secrets", WARM), **changes) as service:
        yield service


async def token(service: Service, key: str = KEY, **body: Any) -> str:
    """A fresh token."""
    response = await service.mint({"model": MODEL, **body}, headers=bearer(key))
    assert response.status_code == 200, response.text
    value: str = response.json()["value"]
    return value


async def test_mints_after_the_first_need_no_provider(store: dict[str, Any]) -> None:
    """Each token is one of its own all the same: one call each, then a replay."""
    async with warmed(**store) as service:
        tokens = [await token(service) for _ in range(5)]
        assert len(set(tokens)) == 5
        assert len(service.provider.mint.requests) == 1
        asked = service.provider.mint.requests[0].json()["expires_after"]["seconds"]
        assert asked == 600 + 30 + 600
        for each in tokens:
            assert (await service.call(each)).status_code == 201
            assert (await service.call(each)).status_code == 401


async def test_without_it_each_token_has_its_own_secret() -> None:
    """The default."""
    async with running(callers=(named("web", KEY),)) as service:
        for _ in range(3):
            await token(service)
        assert len(service.provider.mint.requests) == 3


@pytest.mark.parametrize(
    "body",
    [
        {"session": {"instructions": "Be brief."}},
        {"safety_identifier": "ada"},
        {"expires_after": {"anchor": "created_at", "seconds": 120}},
    ],
    ids=["session", "end user", "life"],
)
async def test_another_session_has_another_secret(body: dict[str, Any]) -> None:
    """Whatever the provider was told is part of what is shared."""
    async with warmed() as service:
        for asked in ({}, body, {}, body):
            await token(service, **asked)
        assert len(service.provider.mint.requests) == 2


@pytest.mark.parametrize(("across", "mints"), [(False, 2), (True, 1)])
async def test_callers_share_only_where_the_configuration_says_so(across: bool, mints: int) -> None:
    """By default nobody's tokens stand on another's secret."""
    settings = WarmSettings(seconds=600, across_callers=across)
    async with warmed(warm_secrets=settings) as service:
        for key in (KEY, OTHER, KEY, OTHER):
            await token(service, key)
        assert len(service.provider.mint.requests) == mints


async def test_a_caller_may_be_left_out() -> None:
    """By its policy."""
    async with warmed(callers=(named("web", KEY, warm_secrets=False),)) as service:
        for _ in range(2):
            await token(service)
        assert len(service.provider.mint.requests) == 2


async def test_a_deployment_may_be_left_out() -> None:
    """By its entry."""
    provider = FakeProvider()
    async with serving(provider.app) as url:
        left_out = deployment(url, warm_secrets=False)
        async with warmed(deployments=(left_out,)) as service:
            for _ in range(2):
                await token(service)
    assert len(provider.mint.requests) == 2


async def test_a_burst_asks_the_provider_once(store: dict[str, Any]) -> None:
    """All wait for the one who was first."""
    async with warmed(**store) as service:
        service.provider.mint.holds()
        burst = [asyncio.create_task(token(service)) for _ in range(30)]
        await service.provider.mint.arrived()
        service.provider.mint.release()
        assert len(set(await asyncio.gather(*burst))) == 30
        assert len(service.provider.mint.requests) == 1


async def test_replicas_share(redis_url: str) -> None:
    """One asks, the other has it; a ring that does not know the key asks for itself."""
    shared: dict[str, Any] = {"redis_url": Secret(redis_url), "token_keys": (token_key(),)}
    async with warmed(**shared) as first, warmed(**shared) as second:
        minted = await token(first)
        (one,) = first.settings.deployments
        assert (await first.call(minted)).status_code == 201
        # Their deployments differ in their address, so each has a secret of its own ...
        await token(second)
        assert len(second.provider.mint.requests) == 1
        assert one.base_url != second.settings.deployments[0].base_url
        # ... and replicas of one configuration have one.
        made: dict[str, Any] = {
            "deployments": (one,),
            "callers": first.settings.callers,
            "warm_secrets": WARM,
        }
        async with running(**made, **shared) as replica:
            assert (await replica.call(await token(replica))).status_code == 201
        assert len(first.provider.mint.requests) == 1


@pytest.mark.parametrize("step", ["GET", "SET", "EVALSHA"])
async def test_a_step_of_the_cache_that_fails_costs_no_mint(redis_url: str, step: str) -> None:
    """Redis breaks off while a secret is looked for, leased or kept; grants it takes."""
    async with proxied(port_of(redis_url)) as proxy:
        url = Secret(f"redis://127.0.0.1:{proxy.port}/0")
        async with warmed(redis_url=url, token_keys=(token_key(),)) as service:
            await token(service, session={"instructions": "Once, so that scripts are known."})
            proxy.spoils(step, "cut before")
            assert (await service.call(await token(service))).status_code == 201
            assert proxy.spoilt == 1


@pytest.mark.parametrize("characters", [60_000, 200_000])
async def test_one_callers_large_sessions_make_no_mint_fail(
    tmp_path: Path, characters: int
) -> None:
    """Neither its own nor another's, on a Redis such as docker-compose.yml's."""
    memory = ("--maxmemory", "16mb", "--maxmemory-policy", "noeviction")
    with started(tmp_path, *memory) as server, asking(server.port) as redis:
        url = Secret(f"redis://127.0.0.1:{server.port}/0")
        async with warmed(redis_url=url, token_keys=(token_key(),)) as service:
            for number in range(150):
                session = {"instructions": f"{number} " + "x" * characters}
                await token(service, session=session)
                await token(service, OTHER, session={"instructions": str(number)})
            asked = len(service.provider.mint.requests)
            await token(service, OTHER, session={"instructions": "149"})
            assert len(service.provider.mint.requests) == asked
        assert redis.info("memory")["used_memory"] < 12 * 1024 * 1024


async def test_a_reload_to_another_organization_takes_no_old_secret() -> None:
    """The next token stands on what the new one pays for."""
    async with reloadable(callers=(named("web", KEY),), warm_secrets=WARM) as running:
        await token(running.service)
        (one,) = running.service.settings.deployments
        await running.reload(deployments=(replace(one, organization="org-2"),))
        for _ in range(2):
            await token(running.service)
        _, last = running.provider.mint.requests
        assert last.headers["openai-organization"] == "org-2"


async def test_a_refused_secret_of_ones_own_leaves_the_shared_one(store: dict[str, Any]) -> None:
    """A token of the secret before the last: the next mints go on with the one that is there."""
    async with warmed(**store) as service:
        first = await token(service)
        service.provider.secrets.clear()
        await service.call(await token(service))
        shared = await token(service)
        assert (await service.call(first)).status_code == 502
        assert (await service.call(await token(service))).status_code == 201
        assert (await service.call(shared)).status_code == 201
        assert len(service.provider.mint.requests) == 2


@pytest.mark.parametrize("expires_at", [10**18, 2**63, 10**400, 4_102_444_800])
async def test_a_life_that_nobody_asked_for_is_cut(store: dict[str, Any], expires_at: int) -> None:
    """Whatever a provider says of it: it is kept no longer than it was asked to live."""
    async with warmed(**store) as service:
        body = f'{{"value": "ek_absurd", "expires_at": {expires_at}, "session": {{}}}}'
        service.provider.mint.answers(200, body)
        minted = await service.mint({"model": MODEL}, headers=bearer(KEY))
        assert minted.status_code == 200
        assert minted.json()["expires_at"] < time.time() + 7200
        await token(service)
        assert len(service.provider.mint.requests) == 1


async def test_a_secret_that_the_provider_refuses_is_dropped(store: dict[str, Any]) -> None:
    """The next mint asks anew instead of giving out more dead tokens."""
    async with warmed(**store) as service:
        first = await token(service)
        service.provider.secrets.clear()
        refused = await service.call(first)
        assert refused.json()["error"]["code"] == "upstream_secret_refused"
        assert (await service.call(await token(service))).status_code == 201
        assert len(service.provider.mint.requests) == 2


async def test_a_provider_that_fails_leaves_nothing_behind() -> None:
    """Its error reaches whoever asked, and the next one asks again."""
    async with warmed() as service:
        service.provider.mint.answers(400, provider_error("No."), times=1)
        failed = await service.mint({"model": MODEL}, headers=bearer(KEY))
        assert failed.status_code == 400
        await token(service)
        assert len(service.provider.mint.requests) == 2


async def test_a_dump_holds_no_warm_secret() -> None:
    """Sealed under a key that only the service has, with a TTL, and nothing said of the session."""
    with redis_server() as port:
        url = Secret(f"redis://127.0.0.1:{port}/0")
        async with warmed(redis_url=url, token_keys=(token_key(),)) as service:
            await token(service, session={"instructions": "canary-instructions"})
            with redis.Redis(port=port) as client:
                names = client.keys()
                dump = b"".join(name + (client.dump(name) or b"") for name in names)
                assert all(client.ttl(name) > 0 for name in names)
            assert any(b":warm:" in name for name in names)
            for canary in (*service.provider.secrets, "canary-instructions"):
                assert canary.encode() not in dump
