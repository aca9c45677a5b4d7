"""Whom signaller believes to be calling, through nginx and around it."""

import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.gateways.gate import BACKEND, MODEL, OTHER_BACKEND, PREFIX, Gate, gate
from tests.gateways.issuer import Issuer
from tests.gateways.recipe import (
    nginx_recipe,
    service_recipe,
    with_a_service_that_knows,
    without_authentication,
    without_the_consumer_header,
)
from tests.support.process import config, served
from tests.support.provider import FakeProvider
from tests.support.service import error
from tests.support.serving import serving

FORGED = {"x-consumer-id": BACKEND[0]}
MINTS = [f"{prefix}/realtime/client_secrets" for prefix in ("/v1", "", "/openai/v1")]


async def test_a_forged_name_does_not_get_through_nginx() -> None:
    """Without a password nginx refuses, on every alias; with one, the name is nginx's."""
    async with gate(nginx_recipe(), service_recipe()) as one:
        for path in (*MINTS, f"{PREFIX}/%63lient_secrets"):
            refused = await one.mint(path, headers=FORGED)
            assert (path, refused.status_code) == (path, 401)
            assert refused.headers["www-authenticate"].startswith("Basic"), path
        wrong = await one.mint(auth=(BACKEND[0], "wrong"), headers=FORGED)
        assert wrong.status_code == 401
        assert one.provider.requests == []
        minted = await one.mint(auth=OTHER_BACKEND, headers=FORGED)
        twice = [("X-Consumer-Id", "mobile"), ("x-consumer-id", "mobile")]
        again = await one.mint(auth=OTHER_BACKEND, headers=twice)
        assert [minted.status_code, again.status_code] == [200, 200]
        assert await one.callers(2) == [OTHER_BACKEND[0]] * 2


async def test_a_forged_name_does_not_get_through_where_nginx_knows_nobody() -> None:
    """Without the location for backends, signaller itself refuses, as no header arrives."""
    async with gate(without_authentication(nginx_recipe()), service_recipe()) as one:
        for path in MINTS:
            refused = await one.mint(path, headers=FORGED)
            assert (refused.status_code, error(refused)["code"]) == (401, "invalid_api_key")
        listed = await one.client.get("/v1/models", headers=FORGED)
        assert listed.status_code == 401
        assert one.provider.requests == []


async def test_without_its_line_the_forgery_would_be_believed() -> None:
    """The recipe's one line is what keeps it out: the tests above can fail."""
    careless = without_the_consumer_header(without_authentication(nginx_recipe()))
    async with gate(careless, service_recipe()) as one:
        assert (await one.mint(headers=FORGED)).status_code == 200
        assert await one.callers(1) == [BACKEND[0]]


async def identify(request: Request) -> Response:
    """A service that knows one backend by its cookie."""
    known = request.cookies.get("session") == "of-mobile"
    return Response(status_code=204, headers=FORGED) if known else Response(status_code=401)


async def test_a_service_may_say_who_the_backend_is() -> None:
    """auth_request in place of the passwords: its answer names the caller, the client does not."""
    knows = Starlette(routes=[Route("/identity", identify)])
    async with serving(knows) as url:
        recipe = with_a_service_that_knows(nginx_recipe(), f"{url}/identity")
        async with gate(recipe, service_recipe()) as one:
            assert (await one.mint(headers=FORGED)).status_code == 401
            named = {"cookie": "session=of-mobile", "x-consumer-id": "another"}
            minted = await one.mint(headers=named)
            assert minted.status_code == 200, minted.text
            assert await one.callers(1) == [BACKEND[0]]
            assert (await one.call(minted.json()["value"])).status_code == 201


async def test_a_jwt_goes_through() -> None:
    """signaller verifies what nginx passes on, and asks no header."""
    issuer = Issuer()
    async with serving(issuer.app) as url:
        ours = service_recipe(jwks_url=f"{url}/jwks.json")
        async with gate(without_authentication(nginx_recipe()), ours) as one:
            assert (await minted_with(one, issuer.jwt("tablet"))).status_code == 200
            refused = await minted_with(one, issuer.jwt("tablet", audience="another"))
            assert (refused.status_code, error(refused)["code"]) == (401, "invalid_jwt")
            assert await one.callers(2) == ["tablet", None]
            assert len(one.provider.mint.requests) == 1


async def minted_with(one: Gate, jwt: str) -> httpx.Response:
    """Ask for a token with a JWT, and another name in the header."""
    return await one.mint(headers={"authorization": f"Bearer {jwt}", **FORGED})


@pytest.mark.parametrize(
    ("trusted", "status"),
    [("127.0.0.1/32", 200), ("10.0.0.0/8", 401), ("unix", 401)],
)
async def test_around_the_gateway(tmp_path: Path, trusted: str, status: int) -> None:
    """Straight to a TCP listener the header counts from a listed address only."""
    header = f"{{name: X-Consumer-Id, trusted: ['{trusted}']}}"
    provider = FakeProvider()
    async with serving(provider.app) as provider_url:
        ours = f"signaller: {{gateway: {{header: {header}}}}}"
        path = config(tmp_path, provider_url, ours, model=MODEL)
        with served("--config", path) as running:
            url = await asyncio.to_thread(running.url)
            async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
                answer = await client.post(
                    f"{PREFIX}/client_secrets",
                    json={"model": MODEL},
                    headers=FORGED | {"x-forwarded-for": "10.0.0.5"},
                )
    assert answer.status_code == status, answer.text
    if status == 401:
        assert error(answer)["code"] == "invalid_api_key"
        assert provider.requests == []
