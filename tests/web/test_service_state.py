"""GET /v1/realtime/state: how a replica stands, for the operator alone."""

import asyncio
import contextlib
import json
from typing import Any

import pytest

from signaller.secret import Secret
from signaller.web.routes import PREFIXES
from tests.docs.pages import section
from tests.support.provider import error as provider_error
from tests.support.redis import redis_server
from tests.support.service import (
    MASTER_KEY,
    PROVIDER_KEY,
    Service,
    bearer,
    deployment,
    error,
    named,
    running,
)

KEY = "sk-sgn-canary-web-0123456789"
CALLERS = (named("web", KEY),)


async def state(service: Service, prefix: str = "/v1") -> dict[str, Any]:
    """What the master key is told."""
    response = await service.client.get(f"{prefix}/realtime/state", headers=bearer(MASTER_KEY))
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    assert PROVIDER_KEY not in response.text
    found: dict[str, Any] = response.json()
    return found


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_it_has_the_shape_that_the_page_shows(prefix: str) -> None:
    """Each name of the documentation, and no other."""
    shown = json.loads(*section("The operators' view").blocks("json"))
    async with running() as service:
        found = await state(service, prefix)
    assert list(found) == list(shown)
    (one,), (shown_one,) = found["deployments"], shown["deployments"]
    assert one == {"id": "d1", "model": "voice", "provider": "openai", "rests_until": None}
    assert list(one) == list(shown_one)
    assert list(found["store"]) == list(shown["store"])
    assert found["store"]["kind"] == "memory"
    assert found["store"]["reachable"] is True
    assert found["store"]["seconds"] >= 0
    assert (found["live_calls"], found["replays"]) == (0, 0)


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        (KEY, 403, "not_allowed"),
        ("nobody", 401, "invalid_api_key"),
        (None, 401, "invalid_api_key"),
    ],
)
async def test_it_is_for_the_master_key(key: str | None, status: int, code: str) -> None:
    """A caller is told where its own calls are; nobody else learns anything."""
    async with running(callers=CALLERS) as service:
        response = await service.client.get(
            "/v1/realtime/state", headers=bearer(key) if key else {}
        )
    assert (response.status_code, error(response)["code"]) == (status, code)


async def test_a_token_does_not_open_it() -> None:
    """Whoever holds one may look at its call."""
    async with running() as service:
        headers = bearer(await service.token())
        response = await service.client.get("/v1/realtime/state", headers=headers)
    assert response.status_code == 401


async def test_it_tells_live_calls_and_replays() -> None:
    """As they come and go."""
    async with running() as service:
        token = await service.token()
        location = (await service.call(token)).headers["location"]
        before = await state(service)
        assert (before["live_calls"], before["replays"]) == (1, 0)
        assert (await service.call(token)).status_code == 401
        assert await service.ended(location, MASTER_KEY) == 200
        after = await state(service)
        assert (after["live_calls"], after["replays"]) == (0, 1)


async def test_a_deployment_that_rests_says_until_when() -> None:
    """And the other one does not."""
    async with running() as service:
        service.provider.mint.answers(
            429, provider_error("Slow down."), headers={"Retry-After": "30"}
        )
        await service.mint()
        found = await state(service)
    (one,) = found["deployments"]
    assert 25 < one["rests_until"] - found["at"] <= 31


async def test_a_store_that_is_gone_is_told() -> None:
    """The operator needs the page most just then: 200, and nothing is made up."""
    with contextlib.ExitStack() as lives:
        port = lives.enter_context(redis_server())
        async with running(redis_url=Secret(f"redis://127.0.0.1:{port}/0")) as service:
            found = await state(service)
            assert (found["store"]["kind"], found["store"]["reachable"]) == ("redis", True)
            assert found["live_calls"] == 0
            await asyncio.to_thread(lives.close)
            found = await state(service)
    assert found["store"] == {"kind": "redis", "reachable": False, "seconds": None}
    assert found["live_calls"] is None


async def test_a_name_that_holds_a_secret_is_masked() -> None:
    """A deployment may be named after anything."""
    named_so = deployment("http://127.0.0.1:9", id=PROVIDER_KEY, model_name=f"m-{PROVIDER_KEY}")
    async with running(deployments=(named_so,)) as service:
        await state(service)
