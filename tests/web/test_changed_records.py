"""Whoever can write to Redis gains as little as possible: changed records open nothing."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import redis.asyncio

from signaller.secret import Secret
from signaller.stores.call_book import BOOK
from tests.support.service import (
    MASTER_KEY,
    MODEL,
    Service,
    bearer,
    deployment,
    error,
    named,
    running,
    token_key,
)

KEY, OTHER_KEY = "sk-canary-web-0123456789abcdef", "sk-canary-two-0123456789abcdef"
DEAR = "dear"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A service, and its Redis in the hands of somebody else."""

    service: Service
    redis: Any

    async def minted(self, key: str = KEY, **body: Any) -> tuple[str, str]:
        """A token, and the key of its grant."""
        before = set(await self.redis.keys("signaller:*:grant"))
        response = await self.service.mint({"model": MODEL} | body, headers=bearer(key))
        (grant,) = set(await self.redis.keys("signaller:*:grant")) - before - {GRANT_PING}
        return response.json()["value"], grant

    async def called(self, key: str = KEY) -> tuple[str, str, str]:
        """A call's token, Location and the key of its record."""
        token, _ = await self.minted(key)
        location = (await self.service.call(token)).headers["location"]
        return token, location, f"{BOOK}:call:{location.rpartition('/')[2]}"

    async def change(self, key: str, change: Callable[[dict[str, Any]], Any]) -> None:
        """Rewrite the JSON of a record, whatever stands before it, its time to live kept."""
        head, brace, body = (await self.redis.get(key)).decode().partition("{")
        record = json.loads(brace + body)
        change(record)
        await self.redis.set(key, head + json.dumps(record), keepttl=True)


GRANT_PING = b"signaller:{ping}:grant"


@contextlib.asynccontextmanager
async def staged(redis_url: str, **changes: Any) -> AsyncIterator[Scene]:
    """Two callers, and a cheap and a dear model at one provider."""
    changes.setdefault("callers", (named("web", KEY), named("two", OTHER_KEY)))
    async with (
        running(redis_url=Secret(redis_url), **changes) as service,
        redis.asyncio.Redis.from_url(redis_url) as client,
    ):
        yield Scene(service=service, redis=client)


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "id": lambda grant: grant.update(id="g" * 22),
    "caller": lambda grant: grant.update(caller="two"),
    "deployment": lambda grant: grant.update(deployment_id="d2"),
    "credential": lambda grant: grant.update(credential_fingerprint="c" * 16),
    "model": lambda grant: grant["terms"].update(model=DEAR),
    "type": lambda grant: grant["terms"].update(session_type="transcription"),
    "uses": lambda grant: grant["terms"].update(uses=100),
    "start by": lambda grant: grant["terms"].update(start_by=grant["terms"]["start_by"] + 9),
    "origins": lambda grant: grant["terms"].update(origins=["https://app.example"]),
    "rates": lambda grant: grant.update(call_rates=[]),
    "models": lambda grant: grant.update(models=[]),
    "safety identifier": lambda grant: grant.update(safety_identifier="somebody"),
    "places": lambda grant: grant.update(places={"of_all": None, "of_one": None, "person": ""}),
    "length": lambda grant: grant.update(max_call_seconds=7200),
    "supervision": lambda grant: grant["watching"].update(mode="required"),
    "warm secret": lambda grant: grant.update(warm_secret="another"),
}
RULED_BY_CLAIMS = {"id", "caller", "deployment", "credential", "model", "type", "uses"} | {
    "start by",
    "origins",
}
"""The token says these itself: what the record says of them counts for nothing."""


@pytest.mark.parametrize("name", CHANGES)
async def test_a_changed_grant_gives_its_token_nothing_new(redis_url: str, name: str) -> None:
    """Either the token's own word rules, or the record does not open."""
    callers = (named("web", KEY, calls_per_minute=60, calls_at_once=9000, models=((MODEL,),)),)
    async with staged(redis_url, callers=callers) as scene:
        token, grant = await scene.minted()
        await scene.change(grant, CHANGES[name])
        response = await scene.service.call(token)
        if name not in RULED_BY_CLAIMS:
            assert (response.status_code, error(response)["code"]) == (401, "token_rejected")
            assert scene.service.provider.call.requests == []
            return
        assert response.status_code == 201
        location = response.headers["location"]
        for key, status in ((OTHER_KEY, 401), (KEY, 200)):
            ended = await scene.service.client.delete(location, headers=bearer(key))
            assert ended.status_code == status


async def test_a_grant_in_anothers_place_opens_nothing(redis_url: str) -> None:
    """One caller's instructions do not reach another, nor a dear model a cheap token."""
    async with staged(redis_url) as scene:
        (token, grant), (_, other) = await scene.minted(), await scene.minted(OTHER_KEY)
        await scene.redis.set(grant, await scene.redis.get(other), keepttl=True)
        response = await scene.service.call(token)
        assert (response.status_code, error(response)["code"]) == (401, "token_rejected")
        assert scene.service.provider.call.requests == []


async def test_a_call_in_anothers_name_is_not_there(redis_url: str) -> None:
    """A record whose caller was changed ends nobody's call."""
    async with staged(redis_url) as scene:
        _, location, record = await scene.called()
        ref = json.loads(await scene.redis.hget(record, "ref"))
        await scene.redis.hset(record, "ref", json.dumps([ref[0], "two", *ref[2:]]))
        ended = await scene.service.client.delete(location, headers=bearer(OTHER_KEY))
        assert (ended.status_code, error(ended)["code"]) == (404, "call_id_not_found")
        assert scene.service.provider.hangup.requests == []


@pytest.mark.parametrize("part", ["facts", "state"])
async def test_a_changed_record_of_a_call_is_none(redis_url: str, part: str) -> None:
    """Neither its token nor the master key ends another call by it, or is told that it is over."""
    async with staged(redis_url) as scene:
        token, location, record = await scene.called()
        facts = (await scene.redis.hget(record, "facts")).decode()
        await scene.redis.hset(record, part, facts[:-1] + ("A" if facts[-1] != "A" else "Q"))
        for key in (token, MASTER_KEY):
            ended = await scene.service.client.delete(location, headers=bearer(key))
            assert ended.status_code == 404
        assert scene.service.provider.hangup.requests == []


async def test_a_record_in_anothers_place_is_none(redis_url: str) -> None:
    """A good record, copied to the id of another call, is not that call's."""
    async with staged(redis_url) as scene:
        _, location, record = await scene.called()
        _, _, other = await scene.called(OTHER_KEY)
        await scene.redis.hset(record, mapping=await scene.redis.hgetall(other))
        ended = await scene.service.client.delete(location, headers=bearer(OTHER_KEY))
        assert ended.status_code == 404
        assert scene.service.provider.hangup.requests == []


async def test_a_trail_that_names_anothers_call_ends_nothing(redis_url: str) -> None:
    """A replay ends the calls of its own token, whatever the list says."""
    callers = (named("web", KEY, on_replay="hangup"), named("two", OTHER_KEY))
    async with staged(redis_url, callers=callers) as scene:
        _, location, _ = await scene.called(OTHER_KEY)
        token, grant = await scene.minted()
        assert (await scene.service.call(token)).status_code == 201
        await scene.redis.append(grant, f"\n{location.rpartition('/')[2]}")
        assert (await scene.service.call(token)).status_code == 401
        assert len(scene.service.provider.hangup.requests) == 1
        assert len(scene.service.provider.live_calls) == 1


async def test_a_ring_that_was_rotated_still_knows_its_calls(redis_url: str) -> None:
    """Records are sealed by the first key and opened by all."""
    old, new = token_key(), token_key()
    async with running(redis_url=Secret(redis_url), token_keys=(old,)) as before:
        location = (await before.call(await before.token())).headers["location"]
        one = deployment(str(before.settings.deployments[0].base_url))
        rotated: dict[str, Any] = {"token_keys": (new, old), "deployments": (one,)}
        async with running(redis_url=Secret(redis_url), **rotated) as after:
            ended = await after.client.delete(location, headers=bearer(MASTER_KEY))
            assert ended.status_code == 200
        assert before.provider.live_calls == set()
