"""Clients that never rest, and what became of every request of theirs.

Each token is used for one offer that no other token is used for: the provider's record tells how
often a token began a call.
"""

import asyncio
import contextlib
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import httpx

from tests.support.process import MASTER, PATIENCE_SECONDS
from tests.support.provider import FakeProvider
from tests.support.service import OFFER

CLIENTS = 8
"""Enough that there is always a request in every stage; nginx in tests serves 32."""
UNREACHABLE = (httpx.ConnectError, httpx.ConnectTimeout)
"""No connection was ever made, so nothing was sent and anybody may try again."""

Step = Literal["client_secrets", "calls"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One request; no status: it was sent, and never answered."""

    step: Step
    place: int
    status: int | None
    text: str = ""

    @property
    def good(self) -> bool:
        """Whether it was answered as it should be."""
        return self.status == (200 if self.step == "client_secrets" else 201)


@dataclass(slots=True, kw_only=True)
class Load:
    """Clients of one or more places that serve the same tokens, in turns."""

    places: Sequence[httpx.AsyncClient]
    over: bool = False
    unreachable: int = 0
    """How often nobody was there to be asked."""
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Not set while a place dies: the kernel takes connections for it to the last, and whoever has
    lost a request waits until that is over."""
    outcomes: list[Outcome] = field(default_factory=list)
    _tokens: int = 0
    _progress: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def bad(self) -> list[Outcome]:
        """Whatever was sent and not answered as it should be."""
        return [outcome for outcome in self.outcomes if not outcome.good]

    @property
    def calls(self) -> int:
        """How many calls were begun, as clients saw it."""
        return sum(each.good for each in self.outcomes if each.step == "calls")

    async def client(self, number: int) -> None:
        """One client: mints at one place, calls at the next, until the load is over."""
        for turn in itertools.count(number):
            if self.over:
                return
            minted = await self._asked("client_secrets", turn % len(self.places))
            if minted is None:
                await asyncio.sleep(0)  # without any place this loop would starve everybody
            elif minted.good:
                await self.call(json.loads(minted.text)["value"], turn + 1)

    async def call(self, token: str, turn: int) -> Outcome | None:
        """One call, at the first place from this turn on that is there; None if none was."""
        self._tokens += 1
        offer = OFFER.replace(b"o=- 1 2", b"o=- %d 2" % self._tokens)
        for place in range(turn, turn + len(self.places)):
            if outcome := await self._asked("calls", place % len(self.places), token, offer):
                return outcome
        return None

    async def more(self, requests: int = 5 * CLIENTS) -> None:
        """Return once so many more requests have been answered well."""
        goal = self._answered() + requests
        async with asyncio.timeout(PATIENCE_SECONDS), self._progress:
            await self._progress.wait_for(lambda: self._answered() >= goal)

    def _answered(self) -> int:
        return len(self.outcomes) - len(self.bad)

    async def _asked(
        self, step: Step, place: int, key: str = MASTER, offer: bytes = b""
    ) -> Outcome | None:
        """What became of it; None if nobody was there to be asked."""
        kind = "application/sdp" if offer else "application/json"
        try:
            response = await self.places[place].post(
                f"/v1/realtime/{step}",
                content=offer or b'{"model": "voice"}',
                headers={"authorization": f"Bearer {key}", "content-type": kind},
            )
            outcome = Outcome(
                step=step, place=place, status=response.status_code, text=response.text
            )
        except UNREACHABLE:
            self.unreachable += 1
            return None
        except httpx.TransportError as error:
            outcome = Outcome(step=step, place=place, status=None, text=repr(error))
        self.outcomes.append(outcome)
        async with self._progress:
            self._progress.notify_all()
        if outcome.status is None:
            await self.settled.wait()
        return outcome


@contextlib.asynccontextmanager
async def under_load(*places: httpx.AsyncClient) -> AsyncIterator[Load]:
    """Clients that run until the block ends; then all they asked for has been answered."""
    load = Load(places=places)
    load.settled.set()
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(load.client(number))
        try:
            yield load
        finally:
            load.over = True


def begun(provider: FakeProvider) -> Counter[bytes]:
    """How often the provider saw each offer."""
    return Counter(request.body for request in provider.call.requests)


def unpooled(base_url: str) -> httpx.AsyncClient:
    """A client with a connection for each request: what is refused was never sent."""
    return httpx.AsyncClient(
        base_url=base_url,
        limits=httpx.Limits(max_keepalive_connections=0),
        timeout=PATIENCE_SECONDS,
        trust_env=False,
    )
