"""Clients that mint at one replica and call at all of them at once, whatever they are told."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable

from tests.faults.redis.replica import Answered, Replica, token_in
from tests.faults.redis.scene import Scene

CLIENTS = 4
"""Enough that there is always a request in flight when something breaks."""
STREAK = 40
"""At each replica. Of some 25 tokens in it, one in three needs what a lost master had."""
PATIENCE_SECONDS = 90
"""For Redis to heal and for the clients to see it, on a machine that is busy with other tests."""


class Load:
    """What the clients have been told, while they go on."""

    def __init__(self, scene: Scene) -> None:
        self.tokens: list[str] = []
        """All that were ever minted."""
        self.health: set[int] = set()
        """Every status that /healthz ever had."""
        self.over = False
        self._scene = scene
        self._progress = asyncio.Condition()

    async def sees(self, *wanted: Callable[[Answered], bool]) -> None:
        """Return once each of these has been the answer to a request that ended after now."""
        before = {id(each) for each in self._scene.answered}

        def seen() -> bool:
            fresh = [each for each in self._scene.answered if id(each) not in before]
            return all(any(want(each) for each in fresh) for want in wanted)

        async with asyncio.timeout(PATIENCE_SECONDS), self._progress:
            await self._progress.wait_for(seen)

    async def heals(self) -> None:
        """Return once so many answers on end were good that no part of Redis can be missing."""

        def healed() -> bool:
            latest = [each.answered[-STREAK:] for each in self._scene.replicas]
            good = all(each.status != 503 for some in latest for each in some)
            return good and all(any(began(each) for each in some) for some in latest)

        await self.sees(minted, began)
        async with asyncio.timeout(PATIENCE_SECONDS), self._progress:
            await self._progress.wait_for(healed)

    async def run(self, number: int) -> None:
        """One client, until the load is over."""
        replicas = self._scene.replicas
        for minting in itertools.islice(itertools.cycle(replicas), number, None):
            if self.over:
                return
            await self._round(minting)
            async with self._progress:
                self._progress.notify_all()

    async def _round(self, minting: Replica) -> None:
        self.health.add(await minting.probe("healthz"))
        minted = await minting.mint()
        if minted.status == 200:
            token = token_in(minted)
            self.tokens.append(token)
            await asyncio.gather(*(each.call(token) for each in self._scene.replicas))

    async def replay_everything(self) -> None:
        """Use every token again at every replica; what was never redeemed may still be."""
        for replica in self._scene.replicas:
            for some in _batches(self.tokens):
                await asyncio.gather(*(replica.call(token) for token in some))


def _batches(tokens: list[str], size: int = 20) -> list[list[str]]:
    return [tokens[begin : begin + size] for begin in range(0, len(tokens), size)]


def began(answered: Answered) -> bool:
    """A call was begun."""
    return answered.status == 201


def minted(answered: Answered) -> bool:
    """A token was minted."""
    return answered.status == 200


def refused(answered: Answered) -> bool:
    """The store was not there."""
    return answered.status == 503


@contextlib.asynccontextmanager
async def under_load(scene: Scene) -> AsyncIterator[Load]:
    """Clients that run until the block ends; then every token is replayed, and all must hold."""
    load = Load(scene)
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(load.run(number))
        try:
            await load.sees(minted, began)
            yield load
        finally:
            load.over = True
    await load.replay_everything()
    assert load.health == {200}
    assert {each.status for each in scene.answered} <= {200, 201, 401, 503}
    scene.holds()
