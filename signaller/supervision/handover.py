"""How a watched call goes from the process that leaves it to its heir: one of them always listens.

They share only the call's record, and speak by notes in it:

    who leaves: LEAVING               I let go of the lease, and go on listening
    the heir:   FENCE                 the lease is mine, and this is its number
    the heir:   HEIR                  I listen too
    who leaves: all that it knows, under that number and without notes; then it stops

What the heir hears meanwhile it keeps (`early`), and begins with that record. Either one may die on
the way: the heir waits for RELIEF_SECONDS at the most, the other one as long as its process may.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace

from signaller.errors import StoreUnavailable
from signaller.realtime.call_records import CallRecord, SealedBook
from signaller.supervision.seen import FENCE, HEIR, LEAVING
from signaller.supervision.watch import Watch

HANDOVER_SECONDS = 5.0
"""How long a process that ends waits for heirs."""
RELIEF_SECONDS = 4.0
"""How long an heir waits for the record of whoever leaves, which leaves within HANDOVER_SECONDS."""
POLL_SECONDS = 0.2
"""Between two looks at a record that another one is about to write."""


async def offer(watch: Watch, book: SealedBook, name: str) -> None:
    """Let another process lease the call at once; this one, `name`, goes on listening."""
    with contextlib.suppress(StoreUnavailable):
        await watch.write({LEAVING: name})
        await book.release(watch.facts.id, name)


async def let_go(watch: Watch, book: SealedBook) -> None:
    """Stop where the call is over, or an heir listens by now: it is left all that is known."""
    with contextlib.suppress(StoreUnavailable):
        record = await book.find(watch.facts.id)
        if record is None or record.status == "ended":
            await watch.settle("client")
            return
        heir, fence = record.seen.get(HEIR), record.seen.get(FENCE)
        if isinstance(heir, str) and isinstance(fence, int):
            await watch.hand_to(heir, fence)


def is_offered(record: CallRecord) -> bool:
    """Whether somebody still listens, and waits for an heir."""
    return LEAVING in record.seen


async def relieve(
    watch: Watch, record: CallRecord, book: SealedBook, name: str
) -> Mapping[str, object]:
    """Say that this one, `name`, listens, and wait for what the one who leaves knows.

    Gives what was written last, be it from before.
    """
    seen, fence = record.seen, watch.fence or 0
    with contextlib.suppress(TimeoutError, StoreUnavailable):
        async with asyncio.timeout(RELIEF_SECONDS):
            # Should the call end first, what is known of it is written under this number.
            here = {**seen, HEIR: None, FENCE: fence}
            await book.saw(replace(record, seen=here), fence=fence, tell=False)
            await watch.opened.wait()
            here = {**here, HEIR: name}
            await book.saw(replace(record, seen=here), fence=fence, tell=False)
            while seen.get(LEAVING) is not None:
                await asyncio.sleep(POLL_SECONDS)
                found = await book.find(record.facts.id)
                seen = seen if found is None else found.seen
    return seen
