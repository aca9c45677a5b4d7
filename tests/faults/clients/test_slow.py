"""Clients that take their time: they wait alone."""

import asyncio
import contextlib
import time

import pytest

from signaller.web.bodies import BODY_SECONDS
from tests.faults.clients.attacked import PROMPT_SECONDS, Attacked, until
from tests.faults.clients.wire import connected, head, statuses

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the provider lives on that loop

SLOW = 100
"""Clients at once."""
PER_CONNECTION_KIB = 32
"""A connection with half a head; a body in the making is a task as well."""
LATE_SECONDS = 15
"""For a hundred answers on a busy machine; the drip itself would take 500 s."""


async def test_slow_heads_keep_nobody_else_waiting(service: Attacked) -> None:
    """Slowloris: a hundred heads that never end, a byte at a time, beside honest requests."""
    before, descriptors, resident = service.marks(), service.descriptors(), service.forget_peak()
    async with contextlib.AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(connected(service.port)) for _ in range(SLOW)]
        for byte in b"GET /healthz HTTP/1.1\r\nX-Slow: ":
            for wire in wires:
                await wire.send(bytes([byte]))
        await until(lambda: service.descriptors() >= descriptors + SLOW)  # none was turned away
        waits = [await service.serves() for _ in range(20)]
        assert service.peak_kib() - resident < SLOW * PER_CONNECTION_KIB
    assert max(waits) < PROMPT_SECONDS
    assert service.marks() == before


async def test_slow_bodies_end_on_time(service: Attacked) -> None:
    """A byte now and then does not keep a request alive; each is told so."""
    token = await service.token()
    before, resident = service.marks(), service.forget_peak()
    fields = "Host: x", f"Authorization: Bearer {token}", "Content-Type: application/sdp"
    request = head(
        "POST", "/v1/realtime/calls", *fields, "Content-Length: 1000", "Connection: close"
    )

    async def drip() -> tuple[list[int], float]:
        async with connected(service.port) as wire:
            began = time.monotonic()
            await wire.send(request)
            said = asyncio.create_task(wire.rest())
            while not said.done():
                await wire.send(b"v")
                await asyncio.wait({said}, timeout=0.5)
            return statuses(said.result()), time.monotonic() - began

    answers = await asyncio.gather(*(drip() for _ in range(SLOW)))
    assert [status for status, _ in answers] == [[400]] * SLOW
    assert min(seconds for _, seconds in answers) >= BODY_SECONDS
    assert max(seconds for _, seconds in answers) < BODY_SECONDS + LATE_SECONDS
    assert service.peak_kib() - resident < SLOW * PER_CONNECTION_KIB
    assert service.marks() == before
    assert (await service.client.get("/readyz")).status_code == 200
