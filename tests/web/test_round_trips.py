"""How often a mint and a call go to Redis, counted at a real one."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from redis.asyncio.client import Monitor

from signaller.policy import Policy
from signaller.secret import Secret
from signaller.stores import call_scripts, scripts
from signaller.stores.scripts import Script
from tests.support.redis import redis_server
from tests.support.service import Service, running

SCRIPTS = {
    name: script
    for module in (scripts, call_scripts)
    for name, script in vars(module).items()
    if isinstance(script, Script)
}
NAMES = {script.sha: name for name, script in SCRIPTS.items()}
BESIDE = {
    # The clock and the watch do these, whether anybody mints or calls or not.
    *("DUE", "ORPHANS", "LEASE", "RELEASE", "SAW", "HGETALL"),
    # The proof that the store keeps what it is given: once a second at the most, as ever.
    "SET signaller:{ping}:grant",
    "HELLO 3",  # a connection's first, when one more is opened
}
RATES: dict[str, Any] = {"mints_per_minute": 60, "calls_per_minute": 60}
PLACES: dict[str, Any] = {"calls_at_once": 5, "max_call_seconds": 60}
LOOK: dict[str, Any] = {"supervision": "best_effort", "max_idle_seconds": 60}
LINK: dict[str, Any] = {"on_replay": "hangup"}


@dataclass(frozen=True)
class Cost:
    """Round trips while nobody kept a hand on calls: what is held against now."""

    mint: int = 1
    """The grant is kept."""
    call: int = 2
    """It is redeemed, and the call remembered."""


BEFORE = {
    "plain": (Policy(), Cost()),
    "rates": (Policy(**RATES), Cost(mint=2, call=3)),  # each is counted in a bucket
    "calls at once": (Policy(**PLACES), Cost()),
    "watched": (Policy(**LOOK), Cost()),
    "watched or not at all": (Policy(supervision="required"), Cost()),
    "linked": (Policy(**LINK), Cost(call=3)),  # to its grant, where a replay ends it
    "everything": (Policy(**RATES, **PLACES, **LOOK, **LINK), Cost(mint=2, call=4)),
}


class Counted:
    """What clients have had a Redis do; a script is one command, whatever it does in there."""

    def __init__(self, redis: Redis, monitor: Monitor) -> None:
        self._redis = redis
        self._monitor = monitor

    async def during(self, request: Awaitable[httpx.Response]) -> tuple[httpx.Response, list[str]]:
        """The response, and the steps that were done until it was there."""
        await self._until_now()
        response = await request
        return response, [step for step in await self._until_now() if step not in BESIDE]

    async def _until_now(self) -> list[str]:
        """All that has come since this was asked last."""
        await self._redis.echo("now")
        steps = []
        while (command := await self._monitor.next_command())["command"] != "ECHO now":
            if command["client_type"] != "lua":
                steps.append(_step(command["command"]))
        return steps


def _step(command: str) -> str:
    """Its script, or its name and key."""
    name, first, *_ = command.split(" ")
    if name == "EVALSHA":
        return NAMES[first]
    return name if name == "HGETALL" else f"{name} {first}"


@asynccontextmanager
async def counted(policy: Policy) -> AsyncIterator[tuple[Service, Counted]]:
    """A service on a Redis of its own, which has all scripts already."""
    with redis_server() as port:
        async with Redis(port=port) as redis, redis.monitor() as monitor:
            for script in SCRIPTS.values():
                await redis.script_load(script.source)
            url = Secret(f"redis://127.0.0.1:{port}/0")
            async with running(policy=policy, redis_url=url) as service:
                yield service, Counted(redis, monitor)


@pytest.mark.parametrize("case", BEFORE)
async def test_a_hand_on_the_call_costs_one_round_trip(case: str) -> None:
    """At most: the intent, before the provider is asked; a mint costs what it did."""
    policy, before = BEFORE[case]
    async with counted(policy) as (service, redis):
        minted, for_mint = await redis.during(service.mint())
        called, for_call = await redis.during(service.call(minted.json()["value"]))
    assert (minted.status_code, called.status_code) == (200, 201)
    assert {"REDEEM", "BEGIN"} <= set(for_call)
    assert 1 <= len(for_mint) <= before.mint, for_mint
    assert len(for_call) <= before.call + 1, for_call
