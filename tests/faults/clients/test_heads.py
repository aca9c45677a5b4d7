"""Heads that are bombs: answered or refused, and their memory is given back."""

import pytest

from tests.faults.clients.attacked import Attacked
from tests.faults.clients.wire import LAST, exchange, head, statuses

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the provider lives on that loop

ROUNDS = 10
GROWTH_KIB = 32 * 1024
"""What eight bombs may add after two: half of what they would if their 8 MB were kept."""
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
        head("POST", "/v1/realtime/calls", "Transfer-Encoding: chunked") + b"1;",
        *[b"x" * MEGABYTE] * 8,
    ],
    "long-trailer": [
        head("POST", "/v1/realtime/calls", "Transfer-Encoding: chunked") + b"0\r\nX: ",
        *[b"x" * MEGABYTE] * 8,
        b"\r\n\r\n",
    ],
    "pipeline": [LAST.replace(b"close", b"keep-alive") * 20_000],
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
async def test_a_bomb_of_a_head_goes_off_once(service: Attacked, bomb: list[bytes]) -> None:
    """No 500, nothing reaches provider or store, and the next bomb finds the same memory."""
    before = service.marks()
    sizes = []
    for _ in range(ROUNDS):
        said = await exchange(service.port, *bomb, b"!\r\n\r\n")  # no request: the end, with 400
        assert set(statuses(said)) <= {200, 400, 401, 404, 431}
        sizes.append(service.rss_kib())
    assert sizes[-1] - sizes[1] < GROWTH_KIB
    assert service.marks() == before
    assert await service.serves() < 5
