"""Watched calls of replicas, and what each of these tells of them."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.replicas.configuration import caller, caller_key
from tests.replicas.fleet import Fleet
from tests.replicas.replica import Replica
from tests.support.service import MASTER_KEY, bearer

Told = dict[str, Any]


async def shown(replica: Replica, call_id: str) -> Told:
    """A call as a replica tells it."""
    response = await replica.client.get(f"/v1/realtime/calls/{call_id}", headers=bearer(MASTER_KEY))
    found: Told = response.json()
    return found


async def until(
    replica: Replica, call_id: str, holds: Callable[[Told], bool], *, seconds: float = 30
) -> Told:
    """The same, as soon as something holds of it."""
    found: Told = {}
    try:
        async with asyncio.timeout(seconds):
            while not holds(found := await shown(replica, call_id)):  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"never so: {found}") from None
    return found


async def settled(replica: Replica, call_id: str, responses: int) -> Told:
    """The same, once so many responses are in it."""
    return await until(replica, call_id, lambda call: call["usage"]["responses"] == responses)


def ended(call: Told) -> bool:
    """Whether it is over."""
    return bool(call["status"] == "ended")


async def begun(
    fleet: Fleet, replica: Replica, count: int = 1, **policy: object
) -> list[tuple[str, str]]:
    """New watched calls of one replica: our ids, and the provider's."""
    key = caller_key()
    await fleet.admits(caller(key, **({"supervision": "best_effort"} | policy)))
    calls = []
    for _ in range(count):
        before = set(fleet.provider.live_calls)
        response = await replica.call(await replica.token(key))
        assert response.status_code == 201, response.text
        (theirs,) = fleet.provider.live_calls - before
        await fleet.provider.sidebands.attached(theirs)
        calls.append((response.headers["location"].rpartition("/")[2], theirs))
    return calls
