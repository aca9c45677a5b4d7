"""Clients that never rest: each mints at one replica and calls at another, in turns."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence

from tests.replicas.replica import Replica
from tests.support.process import PATIENCE_SECONDS

CLIENTS = 3
"""Enough that there is always a request in flight when a signal comes."""


class Load:
    """A failed request ends the test."""

    def __init__(self, replicas: Sequence[Replica], key: str) -> None:
        self.pairs = list(itertools.product(replicas, repeat=2))
        self.rounds = [0] * CLIENTS
        self.over = False
        self._key = key
        self._progress = asyncio.Condition()

    async def run(self, number: int) -> None:
        """One client, until the load is over."""
        for minting, calling in itertools.cycle(self.pairs):
            if self.over:
                return
            answered = await calling.call(await minting.token(self._key))
            assert answered.status_code == 201, answered.text
            self.rounds[number] += 1
            async with self._progress:
                self._progress.notify_all()

    async def every_pair_again(self) -> None:
        """Return once each client has been through all pairs of replicas, begun after now."""
        # The round that is under way now began before.
        goals = [rounds + len(self.pairs) + 1 for rounds in self.rounds]
        async with asyncio.timeout(PATIENCE_SECONDS), self._progress:
            await self._progress.wait_for(
                lambda: all(map(int.__ge__, self.rounds, goals)),
            )

    async def moves_to(self, key: str) -> None:
        """Return once every client mints with this key, and has used what it minted before."""
        self._key = key
        await self.every_pair_again()


@contextlib.asynccontextmanager
async def under_load(replicas: Sequence[Replica], key: str) -> AsyncIterator[Load]:
    """Clients that run until the block ends."""
    load = Load(replicas, key)
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(load.run(number))
        try:
            yield load
        finally:
            load.over = True
