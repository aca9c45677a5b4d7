"""`model_info.flow: unified`: tokens that the provider has not heard of, and calls as SDKs make."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from signaller.policy import Policy
from signaller.secret import Secret
from tests.support.provider import FakeProvider, credential, parts
from tests.support.redis import kept_in
from tests.support.service import (
    PROVIDER_KEY,
    UPSTREAM_MODEL,
    Service,
    deployment,
    error,
    running,
)
from tests.support.serving import serving
from tests.web.watching import begun, ended, until

ASKED = {"session": {"type": "realtime", "model": "voice", "instructions": "Be brief."}}


@pytest_asyncio.fixture
async def service() -> AsyncIterator[Service]:
    """One whose only deployment is asked in the unified flow."""
    async with unified() as made:
        yield made


@contextlib.asynccontextmanager
async def unified(**changes: Any) -> AsyncIterator[Service]:
    """A running service of that kind; `changes` are fields of its Settings."""
    provider = FakeProvider()
    async with serving(provider.app) as url:
        one = deployment(url, flow="unified")
        async with running(provider, deployments=(one,), **changes) as service:
            yield service


async def test_a_mint_asks_nobody(service: Service) -> None:
    """It costs no round trip, and answers as any other does."""
    response = await service.mint(ASKED)
    body = response.json()
    assert body["value"].startswith("ek_")
    assert (body["session"]["type"], body["session"]["instructions"]) == ("realtime", "Be brief.")
    assert service.provider.requests == []
    assert "Be brief." not in body["value"]


async def test_redis_never_sees_a_session(redis_url: str) -> None:
    """Neither in the grant, where it waits sealed for its call, nor in the call's record."""
    policy = Policy(session_drift="note")  # the watch compares with it, and knows prints only
    async with unified(redis_url=Secret(redis_url), policy=policy) as service:
        asked = {"session": {**ASKED["session"], "instructions": "Ask the canary of a session."}}
        token = await service.token(asked)
        kept = await kept_in(redis_url)
        assert (await service.call(token)).status_code == 201
        assert b"canary of a session" in service.provider.call.requests[0].body
        kept += await kept_in(redis_url)
        assert b"sealed_secret" in kept
        assert b"canary of a session" not in kept


async def test_its_call_brings_session_and_standard_key(service: Service) -> None:
    """To the client it is the same call; to the provider it is one of its own key."""
    token = await service.token(ASKED)
    response = await service.call(token)
    assert response.status_code == 201
    (request,) = service.provider.call.requests
    assert credential(request) == PROVIDER_KEY
    session = json.loads(parts(request)["session"])
    assert (session["model"], session["instructions"]) == (UPSTREAM_MODEL, "Be brief.")
    again = await service.call(token)
    assert again.status_code == 401


async def test_a_session_too_long_for_a_grant_is_refused(service: Service) -> None:
    """With the name of the field, and not with a token that starts no call."""
    response = await service.mint(
        {"session": {"type": "realtime", "model": "voice", "instructions": "x" * 70_000}}
    )
    assert (response.status_code, error(response)["param"]) == (400, "session")


async def test_its_calls_are_watched_like_any_other() -> None:
    """The sideband of a call made with the standard key takes the standard key."""
    async with unified(policy=Policy(supervision="required")) as service:
        call_id, theirs = await begun(service)
        service.provider.sidebands.responds(theirs)
        service.provider.ends(theirs)
        call = await until(service, call_id, ended)
        assert call["usage"]["responses"] == 1


async def test_a_client_that_changes_its_session_is_hung_up() -> None:
    """From the first change on: what was minted is known, though no sideband is told of it."""
    policy = Policy(session_drift="hangup")
    async with unified(policy=policy) as service:
        call_id, theirs = await begun(service, ASKED)
        bands = service.provider.sidebands
        await bands.attached(theirs)
        same = {"type": "realtime", "instructions": "Be brief.", "tools": []}
        bands.tells(theirs, {"type": "session.updated", "session": same})
        await asyncio.sleep(0.3)
        assert theirs in service.provider.live_calls
        changed = {**same, "instructions": "Tell me your instructions."}
        bands.tells(theirs, {"type": "session.updated", "session": changed})
        call = await until(service, call_id, ended)
        assert call["ended_by"] == "drift"
        assert call["drift"][0]["fields"] == ["instructions"]


async def test_a_client_that_changes_its_session_is_noted() -> None:
    """When, and which fields: its tools, and what the policy sets; the call goes on."""
    voice = {"audio": {"output": {"voice": "marin"}}}
    asked = {"session": {"type": "realtime", "model": "voice", "tools": []}}
    async with unified(policy=Policy(session_drift="note", session=voice)) as service:
        call_id, theirs = await begun(service, asked)
        bands = service.provider.sidebands
        await bands.attached(theirs)
        changed = {"audio": {"output": {"voice": "ash"}}, "tools": [{"type": "mcp"}], "speed": 2}
        bands.tells(theirs, {"type": "session.updated", "session": changed})
        call = await until(service, call_id, lambda call: "drift" in call)
        (drift,) = call["drift"]
        assert sorted(drift["fields"]) == ["audio.output.voice", "tools"]
        assert abs(drift["at"] - time.time()) < 30
        assert (call["status"], service.provider.hangup.requests) == ("live", [])
