"""Heads that are bombs: answered or refused, and never held in memory."""

import time

import h11
import pytest

from signaller.server.http1 import MAX_HEAD_BYTES, StrictConnection
from tests.faults.clients.attacked import PROMPT_SECONDS, Attacked
from tests.faults.clients.wire import LAST, exchange, head, statuses

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the provider lives on that loop

ROUNDS = 10
GROWTH_KIB = 4 * 1024
"""At any moment of eight bombs after two: half of what a single one of 8 MB has, if it is held."""
MEGABYTE = 1_000_000
BOMBS = {
    "long-name": [b"GET /healthz HTTP/1.1\r\n", *[b"x" * MEGABYTE] * 8, b": y\r\n\r\n"],
    "long-value": [b"GET /healthz HTTP/1.1\r\nX: ", *[b"x" * MEGABYTE] * 8, b"\r\n\r\n"],
    "many": [b"GET /healthz HTTP/1.1\r\n", *[b"x-a: b\r\n" * 10_000] * 10, b"\r\n"],
    "long-url": [b"GET /", *[b"x" * MEGABYTE] * 8, b" HTTP/1.1\r\n\r\n"],
    "long-query": [b"GET /healthz?", *[b"x" * 30_000] * 2, b" HTTP/1.1\r\nHost: x\r\n\r\n"],
    "long-credential": [
        b"POST /v1/realtime/calls HTTP/1.1\r\nAuthorization: Bearer ek_",
        *[b"x" * MEGABYTE] * 8,
        b"\r\nContent-Length: 0\r\n\r\n",
    ],
    "long-extension": [
        head("POST", "/v1/realtime/calls", "Host: x", "Transfer-Encoding: chunked") + b"1;",
        *[b"x" * MEGABYTE] * 8,
    ],
    "pipeline": [LAST.replace(b"close", b"keep-alive") * 20_000],
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
async def test_a_bomb_of_a_head_goes_off_once(service: Attacked, bomb: list[bytes]) -> None:
    """No 500, nothing reaches provider or store, and it is never all in memory."""
    before, resident = service.marks(), 0
    for round_ in range(ROUNDS):
        if round_ == 2:  # what is made once is made now
            resident = service.forget_peak()
        said = await exchange(service.port, *bomb, b"!\r\n\r\n")  # no request: the end, with 400
        assert set(statuses(said)) <= {200, 400, 401, 404, 431}
    assert service.peak_kib() - resident < GROWTH_KIB
    assert service.marks() == before
    assert await service.serves() < PROMPT_SECONDS


async def test_a_bomb_behind_a_body_is_not_held_either(service: Attacked) -> None:
    """A trailer's value of 24 MB: the connection ends, or it is forgotten as it comes."""
    before, resident = service.marks(), service.forget_peak()
    start = head("POST", "/v1/realtime/calls", "Host: x", "Transfer-Encoding: chunked")
    trailer = [b"0\r\nX: ", *[b"x" * MEGABYTE] * 24, b"\r\n\r\n"]
    said = await exchange(service.port, start, *trailer, b"!\r\n\r\n")
    assert set(statuses(said)) <= {400, 401}
    assert service.marks() == before
    assert service.peak_kib() - resident < GROWTH_KIB


async def test_a_drip_of_a_long_head_costs_no_second_look() -> None:
    """A byte behind 60 KB is looked at, and not all that came before it."""
    connection = StrictConnection(h11.SERVER, MAX_HEAD_BYTES)
    connection.receive_data(b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"x" * 60_000)
    connection.next_event()
    began = time.process_time()
    for _ in range(2000):
        connection.receive_data(b"x")
        assert connection.next_event() is h11.NEED_DATA
    assert time.process_time() - began < 0.5  # a look at all of it each time takes two seconds
