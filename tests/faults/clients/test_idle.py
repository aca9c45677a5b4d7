"""Connections that never say anything."""

import asyncio
import contextlib
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import LONG
from tests.faults.clients.attacked import PROMPT_SECONDS, Attacked, attacked, until

IDLE = 10_000 if LONG else 2_000
SPARE = 500
"""Descriptors for everything else, in the service and here."""
PER_CONNECTION_KIB = 16
GROWTH_KIB = 8 * 1024
"""What a second crowd may add after the first one has left."""


@contextlib.contextmanager
def descriptors(needed: int) -> Iterator[None]:
    """So many for this process and those it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard >= needed, f"ulimit -Hn is only {hard}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def crowd(port: int, size: int) -> Iterator[list[socket.socket]]:
    """So many connections; the kernel makes those that the service has not taken yet."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 30))
            for _ in range(size)
        ]


async def came_and_went(service: Attacked) -> int:
    """KiB of memory for a crowd while it was there."""
    before, fewest = service.rss_kib(), service.descriptors()
    with contextlib.ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, crowd(service.port, IDLE))
        await until(lambda: service.descriptors() >= fewest + IDLE)
        waits = [await service.serves() for _ in range(50)]
        token = await service.token()
        held = service.rss_kib() - before
    assert max(waits) < PROMPT_SECONDS
    assert token
    await service.descriptors_at_most(fewest + 8)  # the honest client's own connections
    return held


async def test_idle_connections_cost_little_and_nothing_afterwards(tmp_path: Path) -> None:
    """Thousands of them: the service serves, and memory and descriptors come back."""
    with descriptors(IDLE + SPARE):
        async with attacked(tmp_path) as service:
            await service.token()
            held = await came_and_went(service)
            assert held < IDLE * PER_CONNECTION_KIB
            after_one = service.rss_kib()
            await came_and_went(service)
            assert service.rss_kib() - after_one < GROWTH_KIB


@pytest.mark.parametrize("size", [200])
async def test_a_service_out_of_descriptors_recovers(tmp_path: Path, size: int) -> None:
    """Whoever is connected is still served; when the crowd leaves, so is everybody."""
    async with attacked(tmp_path) as service:
        await service.token()
        limit = len(list(service.open_files())) + size // 2
        few = service.descriptors()
        _, hard = resource.prlimit(service.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(service.pid, resource.RLIMIT_NOFILE, (limit, hard))
        with crowd(service.port, size):
            await until(lambda: len(list(service.open_files())) >= limit - 1)  # libuv keeps one
            assert await service.serves() < PROMPT_SECONDS
        await service.descriptors_at_most(few)
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(30):
            assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        await writer.wait_closed()
