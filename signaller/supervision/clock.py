"""The clock: ends calls whose moment has come, whoever began them and whoever has died since.

When a call is due is written in the store, and goes by the store's time; whichever replica looks
first takes it. So it needs no memory of its own, and no clock of its own could mislead it.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from signaller.errors import HangupUnconfirmed, StoreUnavailable
from signaller.realtime.call_records import CallRecord
from signaller.realtime.hangups import Hangups

log = logging.getLogger("signaller")

LOOK_SECONDS = 0.5
"""Between two looks: a call ends within 1.5 s of its moment, the request to its provider included,
and a replica costs the store two short scripts a second."""
CLAIM_SECONDS = 1.0
"""Until a call is due again that was taken and then left, as when a process is killed: an attempt
to end it begins at once, and claims it for as long as it may take."""
MAX_AT_ONCE = 500
"""Ends asked for at the same time: a process has as many connections for one provider."""
MAX_PER_LOOK = 100
COUNT_SECONDS = 5.0
"""Between two counts of live calls: scrapes are 15 s apart or more."""

TASK = "clock"
"""The name of its tasks."""

Count = Callable[[Mapping[tuple[str, str], int]], None]
"""Is told how many calls are live, by caller and model."""


class CallClock:
    """Looks at the store again and again, for as long as the process runs."""

    def __init__(self, hangups: Callable[[], Hangups], count: Count) -> None:
        """`hangups`: those of the configuration in force."""
        self._hangups = hangups
        self._count = count
        self._settling: set[asyncio.Task[None]] = set()
        self._silent = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look while the block lasts; what it has begun to end then, it ends."""
        work = (self._look(), self._count_live())
        tasks = [asyncio.create_task(each, name=TASK) for each in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            if self._settling:
                await asyncio.wait(self._settling)

    async def _look(self) -> None:
        while True:
            try:
                await self._take_due()
            except StoreUnavailable as error:
                self._lost(error)
            except Exception:
                # A fault in one look must not be the end of all limits.
                log.exception("the clock met a fault of its own")
            else:
                self._silent = False
            await asyncio.sleep(LOOK_SECONDS)

    async def _take_due(self) -> None:
        hangups = self._hangups()
        room = min(MAX_AT_ONCE - len(self._settling), MAX_PER_LOOK)
        if room <= 0:
            return
        for record in await hangups.book.due(seconds=CLAIM_SECONDS, at_most=room):
            task = asyncio.create_task(self._settle(hangups, record), name=TASK)
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)

    async def _settle(self, hangups: Hangups, record: CallRecord) -> None:
        try:
            await hangups.settle(record)
        except HangupUnconfirmed as error:
            fields = {"call": record.facts.id, "detail": str(error)}
            log.warning("end of a call not confirmed", extra={"fields": fields})
        except StoreUnavailable as error:
            self._lost(error)
        except Exception:
            log.exception("the clock could not end a call")

    async def _count_live(self) -> None:
        while True:
            with contextlib.suppress(StoreUnavailable):  # `_look` has said so
                self._count(await self._hangups().book.live())
            await asyncio.sleep(COUNT_SECONDS)

    def _lost(self, error: StoreUnavailable) -> None:
        """Nobody is hung up by mistake: what is due then is due as soon as the store is there."""
        if not self._silent:
            log.warning("the clock cannot read the store", extra={"fields": {"detail": str(error)}})
        self._silent = True
