"""Clients that mint and call without end, of whose requests one in a hundred goes wrong."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

import httpx
from redis.asyncio import Redis

from tests.faults.soak.provider import Fault, LightProvider
from tests.support.service import OFFER

CLIENTS = 16
ROUNDS_PER_FAULT = 50
"""A round is two requests, so one request in a hundred meets a fault."""
MINT = b'{"model": "voice"}'

OurFault = Literal["mint aborted", "call aborted", "nonsense", "replay", "redis reset"]
"""Two clients that leave, a token that is none, one that is used up, all of Redis's connections."""

PROVIDER_FAULTS: tuple[Fault, ...] = get_args(Fault)
OUR_FAULTS: tuple[OurFault, ...] = get_args(OurFault)


@dataclass(slots=True, kw_only=True)
class Clients:
    """What they have asked and been told so far, `(step, status)` by number."""

    http: httpx.AsyncClient
    key: str
    provider: LightProvider
    redis: Redis
    told: Counter[tuple[str, int]] = field(default_factory=Counter)
    aborted: Counter[str] = field(default_factory=Counter)

    def total(self, step: str, *statuses: int) -> int:
        """How many requests of a step were told one of these."""
        return sum(self.told[step, status] for status in statuses)

    @property
    def refused(self) -> int:
        """How many requests were told that something is wrong."""
        return sum(times for (_, status), times in self.told.items() if status >= 400)

    async def run(self, rounds: int) -> None:
        """So many rounds, by all clients together."""
        numbers = iter(range(rounds))
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self._client(numbers))

    async def _client(self, numbers: Iterator[int]) -> None:
        kinds = (*PROVIDER_FAULTS, *OUR_FAULTS)
        for number in numbers:
            fault, rest = divmod(number, ROUNDS_PER_FAULT)
            if rest:
                await self._round()
            else:
                await self._goes_wrong(kinds[fault % len(kinds)])

    async def _goes_wrong(self, kind: Fault | OurFault) -> None:
        match kind:
            case "mint aborted":
                await self._leave("mint", "client_secrets", self.key, MINT)
            case "call aborted":
                if token := await self._mint():
                    await self._leave("call", "calls", token, OFFER)
            case "nonsense":
                if token := await self._mint():
                    await self._call(
                        token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB"), "nonsense"
                    )
            case "replay":
                if token := await self._round():
                    await self._call(token, "replay")
            case "redis reset":
                await self.redis.client_kill_filter(_type="normal", skipme=True)
                await self._round()
            case _:
                self.provider.faults.append(kind)
                await self._round()

    async def _round(self) -> str | None:
        """A token that has begun its call, unless something went wrong."""
        token = await self._mint()
        if token and await self._call(token) == 201:
            return token
        return None

    async def _mint(self) -> str | None:
        response = await self._post("client_secrets", self.key, MINT)
        self.told["mint", response.status_code] += 1
        return response.json()["value"] if response.status_code == 200 else None

    async def _call(self, token: str, step: str = "call") -> int:
        response = await self._post("calls", token, OFFER)
        self.told[step, response.status_code] += 1
        return response.status_code

    async def _post(self, path: str, key: str, body: bytes) -> httpx.Response:
        return await self.http.post(path, content=body, headers=_headers(key, body))

    async def _leave(self, step: str, path: str, key: str, body: bytes) -> None:
        """Send all of it, and go away before an answer can come."""
        url = self.http.base_url.join(path)
        _, writer = await asyncio.open_connection(url.host, url.port)
        fields = {"host": "voice", "content-length": str(len(body))} | _headers(key, body)
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"POST {url.path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        await writer.drain()
        self.aborted[step] += 1
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def _headers(key: str, body: bytes) -> dict[str, str]:
    kind = "application/json" if body is MINT else "application/sdp"
    return {"authorization": f"Bearer {key}", "content-type": kind}
