"""A real `signaller` process on a real Redis, and what an attack leaves behind in it."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import redis

from tests.config.reading import KEY
from tests.support.process import MASTER, PATIENCE_SECONDS, Running, config, served
from tests.support.provider import FakeProvider
from tests.support.redis import redis_server
from tests.support.service import MODEL, bearer
from tests.support.serving import serving

PROMPT_SECONDS = 10
"""For an honest client's /healthz on a busy machine; slow heads last twice as long."""
FAULT_LINES = r"fault|Exception in .*|Task exception .*|Unhandled .*"
"""What the service and uvicorn log of a fault of service_file, with or without a response."""

CLOCK = ("eval", "evalsha", "time", "zrangebyscore", "del", "hgetall", "hello", "info")
OF_THE_CLOCK = frozenset(f"cmdstat_{name}" for name in CLOCK)
"""What is asked of Redis each half second, whoever sends what. A mint, a call, a hang-up and a look
at a token each ask something besides: SET, GET, HMGET or GETRANGE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """Where an attack began."""

    provider_requests: int
    redis_commands: dict[str, int]
    fault_lines: int


@dataclass(slots=True, kw_only=True)
class Attacked:
    """The service under attack."""

    process: Running
    provider: FakeProvider
    client: httpx.AsyncClient
    """An honest one, to see whether the service still serves."""
    store: "redis.Redis"
    port: int
    provider_port: int
    redis_port: int
    pid: int = field(init=False)

    def __post_init__(self) -> None:
        self.pid = self.process.process.pid

    async def token(self) -> str:
        """A fresh token, minted by the honest client."""
        response = await self.client.post(
            "/v1/realtime/client_secrets", json={"model": MODEL}, headers=bearer(MASTER)
        )
        assert response.status_code == 200, response.text
        value: str = response.json()["value"]
        return value

    async def serves(self) -> float:
        """Seconds that the honest client waits for /healthz."""
        began = time.monotonic()
        assert (await self.client.get("/healthz")).status_code == 200
        return time.monotonic() - began

    def marks(self) -> Marks:
        """What provider, store and log have seen so far."""
        stats = self.store.info("commandstats")
        assert isinstance(stats, dict)
        calls = {name: stat["calls"] for name, stat in stats.items() if name not in OF_THE_CLOCK}
        return Marks(
            provider_requests=len(self.provider.requests),
            redis_commands=calls,
            fault_lines=len(self.process.lines(FAULT_LINES)),
        )

    def rss_kib(self) -> int:
        """Resident memory of the process."""
        return self._status_kib("VmRSS")

    def forget_peak(self) -> int:
        """Let the peak begin anew at what is resident now, in KiB (proc(5), clear_refs)."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")
        return self.peak_kib()

    def peak_kib(self) -> int:
        """The most resident memory since then."""
        return self._status_kib("VmHWM")

    def _status_kib(self, name: str) -> int:
        found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert found
        return int(found[1])

    def descriptors(self) -> int:
        """Open file descriptors of the process.

        Connections to provider and store are left out: pools keep what was once needed at a time.
        """
        pooled = {self.provider_port, self.redis_port}
        ends = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        left_out = {f"socket:[{fields[9]}]" for fields in ends if int(fields[2][-4:], 16) in pooled}
        return sum(1 for target in self.open_files() if target not in left_out)

    def open_files(self) -> Iterator[str]:
        """What every file descriptor of the process stands for."""
        for link in Path(f"/proc/{self.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                yield str(link.readlink())

    async def descriptors_at_most(self, most: int) -> None:
        """Return once so few are open; TimeoutError otherwise."""
        await until(lambda: self.descriptors() <= most)


async def until(condition: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Return once it holds; TimeoutError otherwise."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - another process's state sends no notice
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def attacked(folder: Path) -> AsyncIterator[Attacked]:
    """A service for as long as it is attacked."""
    provider = FakeProvider()
    with redis_server() as redis_port, redis.Redis(port=redis_port) as store:
        ours = f"signaller: {{redis_url: 'redis://127.0.0.1:{redis_port}/0', token_keys: [{KEY}]}}"
        async with serving(provider.app) as provider_url:
            with served("--config", config(folder, provider_url, ours)) as process:
                url = await asyncio.to_thread(process.url)
                await asyncio.to_thread(process.ready)
                async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as client:
                    yield Attacked(
                        process=process,
                        provider=provider,
                        client=client,
                        store=store,
                        port=int(url.rpartition(":")[2]),
                        provider_port=int(provider_url.rpartition(":")[2]),
                        redis_port=redis_port,
                    )
