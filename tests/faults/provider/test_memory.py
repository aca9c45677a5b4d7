"""What a provider says too much of is not kept: measured in a process of the service's own."""

import asyncio
import os
import re
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.faults.provider.bodies import BOMB, LARGE, UNPACKED
from tests.faults.provider.scene import minted
from tests.faults.provider.speaking import floods
from tests.providers.raw import Speak, http, raw_server, says
from tests.support.process import MASTER, PATIENCE_SECONDS, config, served
from tests.support.service import OFFER, bearer

pytestmark = pytest.mark.asyncio(loop_scope="module")

GROWTH_KIB = 8 * 1024
"""A body is read up to 2 MiB and joined once; less than any of the floods, 16 times less than the
bomb."""
CHUNKED = b"HTTP/1.1 %s\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
LINE = b"X: " + b"y" * 4000 + b"\r\n"
GZIP = "Content-Encoding: gzip"
FLOODS: dict[str, tuple[Speak, set[int]]] = {
    "large": (says(http("200 OK", LARGE)), {502}),
    "large-error": (says(http("400 No", LARGE)), {400}),
    "endless": (floods(CHUNKED % b"200 OK", PIECE), {502}),
    "endless-error": (floods(CHUNKED % b"500 No", PIECE), {500}),
    "endless-head": (floods(b"HTTP/1.1 200 OK\r\n", LINE), {502}),
    "endless-100s": (floods(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100), {502, 504}),
    "endless-trailer": (floods(CHUNKED % b"200 OK" + b"0\r\n", LINE), {502}),
    # Zeros before a number: aiohttp reads on, and keeps none of them, until the time is over.
    "endless-chunk-size": (floods(CHUNKED % b"200 OK", b"0" * 4000), {502, 504}),
    "gzip-bomb": (says(http("200 OK", BOMB, GZIP)), {502}),
    "gzip-bomb-error": (says(http("400 No", BOMB, GZIP)), {400}),
    "gzip-bomb-in-transfer": (
        says(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n%x\r\n" % len(BOMB)
            + BOMB
            + b"\r\n0\r\n\r\n"
        ),
        {502},
    ),
}


@dataclass(slots=True, kw_only=True)
class Flooded:
    """A service, and what its provider says; `mints`: only behind the mint."""

    client: httpx.AsyncClient
    pid: int
    speak: Speak
    mints: bool = True

    async def ask(self, step: str) -> int:
        """The status of a mint or of a call."""
        self.mints = step == "call"
        mint = "/v1/realtime/client_secrets"
        answer = await self.client.post(mint, json={"model": "voice"}, headers=bearer(MASTER))
        if step == "call":
            kind = bearer(answer.json()["value"]) | {"content-type": "application/sdp"}
            answer = await self.client.post("/v1/realtime/calls", content=OFFER, headers=kind)
        return answer.status_code


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def flooded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Flooded]:
    """One service for all floods."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if found.mints and b"/client_secrets " in raw.received[-1].partition(b"\r\n")[0]:
            writer.write(minted())
        else:
            await found.speak(reader, writer)

    limits = "signaller: {timeouts: {mint_seconds: 3, call_seconds: 3}}"
    async with raw_server(answer) as raw:
        path = config(tmp_path_factory.mktemp("flooded"), raw.url, limits)
        with served("--config", path) as process:
            url = await asyncio.to_thread(process.url)
            await asyncio.to_thread(process.ready)
            async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as client:
                found = Flooded(client=client, pid=process.process.pid, speak=says())
                yield found


@pytest.mark.parametrize("step", ["mint", "call"])
@pytest.mark.parametrize(("speak", "statuses"), FLOODS.values(), ids=FLOODS)
async def test_no_flood_is_kept(
    flooded: Flooded, speak: Speak, statuses: set[int], step: str
) -> None:
    """Its most memory while it is flooded is what it had before, and the room for one body."""
    flooded.speak = speak
    assert await flooded.ask(step) in statuses  # what is made once is made now
    before = forget_peak(flooded.pid)
    assert await flooded.ask(step) in statuses
    assert peak_kib(flooded.pid) - before < GROWTH_KIB


async def test_the_measure_sees_a_bomb_that_goes_off() -> None:
    """So the test above says something: here it is unpacked, in this process."""
    before = forget_peak(os.getpid())
    unpacked = zlib.decompress(BOMB, wbits=31)
    assert len(unpacked) == UNPACKED
    del unpacked
    assert peak_kib(os.getpid()) - before > 8 * GROWTH_KIB


def forget_peak(pid: int) -> int:
    """Let the peak begin anew at what the process has now, in KiB (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return peak_kib(pid)


def peak_kib(pid: int) -> int:
    """The most resident memory since then."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])
