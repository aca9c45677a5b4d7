"""A caller's rate is one rate, however many replicas there are and whatever becomes of them."""

import asyncio
import itertools
import re
from collections import Counter
from pathlib import Path

import httpx
import pytest
import redis.asyncio

from tests.replicas.configuration import caller, caller_key
from tests.replicas.fleet import Fleet, fleet_of
from tests.replicas.replica import Replica
from tests.support.service import error

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the replicas' clients live on that loop

LIMIT = "x-ratelimit-limit-requests"
REMAINING = "x-ratelimit-remaining-requests"
RESET = "x-ratelimit-reset-requests"


def refused_for_a_while(response: httpx.Response, limit: int) -> bool:
    """Whether a response says all that a client must know of a rate that it has exceeded."""
    assert error(response)["code"] == "rate_limit_exceeded"
    assert 1 <= int(response.headers["retry-after"]) <= 60
    assert re.fullmatch(r"\d+ms|\d+(\.\d+)?s|1m0s", response.headers[RESET])
    return (response.headers[LIMIT], response.headers[REMAINING]) == (str(limit), "0")


async def test_replicas_do_not_multiply_a_rate_of_mints(fleet: Fleet) -> None:
    """Of 300 at once at three replicas 30 pass, and the provider sees no more."""
    key, unhurried = caller_key(), caller_key()
    await fleet.admits(caller(key, mints_per_minute=30), caller(unhurried, mints_per_minute=60))
    turns = itertools.islice(itertools.cycle(fleet.replicas), 300)
    responses = await asyncio.gather(*(replica.mint(key) for replica in turns))
    assert Counter(each.status_code for each in responses) == {200: 30, 429: 270}
    for each in responses:
        if each.status_code == 429:
            assert refused_for_a_while(each, 30)
        else:
            assert each.headers[LIMIT] == "30"
            assert 0 <= int(each.headers[REMAINING]) < 30
    assert len(fleet.provider.mint.requests) == 30
    assert [(await each.mint(unhurried)).headers[REMAINING] for each in fleet.replicas] == [
        *("59", "58", "57")
    ]


async def test_a_call_over_the_rate_does_not_cost_its_token(fleet: Fleet, redis_url: str) -> None:
    """Five of twelve at once pass; the other seven tokens are good when there is room."""
    entry = caller(key := caller_key(), calls_per_minute=5)
    await fleet.admits(entry)
    turns = list(itertools.islice(itertools.cycle(fleet.replicas), 12))
    tokens = [await replica.token(key) for replica in turns]
    calls = (replica.call(token) for replica, token in zip(turns, reversed(tokens), strict=True))
    responses = await asyncio.gather(*calls)
    assert Counter(each.status_code for each in responses) == {201: 5, 429: 7}
    assert len(fleet.provider.call.requests) == 5
    refused = []
    for response, token in zip(responses, reversed(tokens), strict=True):
        found = await fleet.replicas[0].introspect(key, token)
        if response.status_code == 201:
            assert found == {"active": False}
            assert response.headers[LIMIT] == "5"
        else:
            assert refused_for_a_while(response, 5)
            assert found["uses_left"] == 1
            refused.append(token)
    await a_minute_passes(redis_url, str(entry["name"]))
    assert [(await turns[0].call(token)).status_code for token in refused[:5]] == [201] * 5
    assert (await turns[0].call(refused[5])).status_code == 429


async def a_minute_passes(redis_url: str, name: str) -> None:
    """As far as a caller's rates are concerned: Redis drops them then, here at once."""
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        windows = [key async for key in client.scan_iter(f"*calls:{name}*")]
        assert windows
        assert all([0 < await client.ttl(key) <= 60 for key in windows])
        await client.delete(*windows)


async def test_a_killed_replica_takes_no_count_with_it(redis_url: str, tmp_path: Path) -> None:
    """It let 10 of 30 through before SIGKILL: the other two let exactly 20 more through."""
    minting_key, calling_key = caller_key(), caller_key()

    async def mint(replica: Replica) -> int:
        return (await replica.mint(minting_key)).status_code

    async def call(replica: Replica) -> int:
        return (await replica.call(await replica.token(calling_key))).status_code

    async with fleet_of(3, tmp_path, redis_url) as fleet:
        await fleet.admits(
            caller(minting_key, mints_per_minute=30), caller(calling_key, calls_per_minute=30)
        )
        doomed, *others = fleet.replicas
        assert await asyncio.gather(*(mint(doomed) for _ in range(10))) == [200] * 10
        assert await asyncio.gather(*(call(doomed) for _ in range(10))) == [201] * 10
        await doomed.kill()
        with pytest.raises(httpx.TransportError):
            await doomed.mint(minting_key)
        mints = await asyncio.gather(*(mint(replica) for replica in others * 20))
        assert Counter(mints) == {200: 20, 429: 20}
        calls = await asyncio.gather(*(call(replica) for replica in others * 20))
        assert Counter(calls) == {201: 20, 429: 20}
