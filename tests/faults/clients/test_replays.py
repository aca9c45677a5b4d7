"""One token, 64 times at the same moment."""

import asyncio
import contextlib
from collections import Counter

import pytest

from tests.faults import LONG
from tests.faults.clients.attacked import Attacked
from tests.faults.clients.test_aborts import call
from tests.faults.clients.wire import connected, statuses

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the provider lives on that loop

WAYS = 64
ROUNDS = 100 if LONG else 8


async def test_of_a_storm_of_replays_one_begins_a_call(service: Attacked) -> None:
    """All but the last byte is there before any is complete; the losers learn nothing but 401."""
    for _ in range(ROUNDS):
        token = await service.token()
        begun = len(service.provider.call.requests)
        request = call(token).replace(b"Host: x", b"Host: x\r\nConnection: close")
        async with contextlib.AsyncExitStack() as stack:
            wires = [await stack.enter_async_context(connected(service.port)) for _ in range(WAYS)]
            for wire in wires:
                await wire.send(request[:-1])
            for wire in wires:
                wire.writer.write(request[-1:])
            said = await asyncio.gather(*(wire.rest() for wire in wires))
        found = Counter(tuple(statuses(each)) for each in said)
        assert found == {(201,): 1, (401,): WAYS - 1}
        assert len(service.provider.call.requests) == begun + 1
