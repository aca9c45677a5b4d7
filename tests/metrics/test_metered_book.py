"""A book of calls that is measured does the same as before, and its steps are counted."""

import inspect
import time
from collections.abc import Awaitable, Callable

import pytest

from signaller.errors import StoreUnavailable
from signaller.metrics import Metrics
from signaller.model import CallEntry, Turn
from signaller.ports import CallBook
from signaller.secret import Secret
from signaller.stores import RedisStore
from signaller.stores.call_book import RedisCallBook
from signaller.stores.memory_calls import MemoryCallBook
from tests.metrics.text import samples, series
from tests.support.redis import free_port

ENTRY = CallEntry(id="rtc_1", caller="web", model="voice", began_at=1, ends_by=2_000_000_000)
OTHER = CallEntry(id="rtc_2", caller="web", model="voice", began_at=1, ends_by=2_000_000_000)
KEPT_SECONDS = 2_000_000_000

Step = tuple[Callable[[CallBook], Awaitable[object]], Callable[[object], bool]]
# In an order in which each has something to answer.
STEPS: dict[str, Step] = {
    "begin": (lambda book: book.begin(ENTRY, "facts", at_most=1), lambda got: got is None),
    "answered": (lambda book: book.answered(ENTRY, "facts", "event"), lambda got: got is None),
    "withdraw": (lambda book: book.withdraw(OTHER), lambda got: got is None),
    "find": (lambda book: book.find("rtc_1"), lambda got: got is not None),
    "list": (
        lambda book: book.list(caller="web", live=True, after=None, limit=9),
        lambda got: isinstance(got, list) and len(got) == 1,
    ),
    "lease": (lambda book: book.lease("rtc_1", "me", seconds=9), lambda got: got == 1),
    "saw": (lambda book: book.saw("rtc_1", "seen", fence=1, event=None), lambda got: got is True),
    "release": (lambda book: book.release("rtc_1", "me"), lambda got: got is None),
    "orphans": (lambda book: book.orphans(at_most=9), lambda got: got != []),
    "begin_ending": (
        lambda book: book.begin_ending("rtc_1", "state", seconds=9),
        lambda got: got == Turn(attempt=1),
    ),
    "pause_ending": (lambda book: book.pause_ending("rtc_1", seconds=0), lambda got: got is None),
    "due": (lambda book: book.due(seconds=9, at_most=9), lambda got: got != []),
    "live": (lambda book: book.live(), lambda got: got == {("web", "voice"): 1}),
    "events": (lambda book: book.events("", at_most=9, wait_seconds=0), lambda got: got != []),
    "first_event": (lambda book: book.first_event(), lambda got: got is not None),
    "last_event": (lambda book: book.last_event(), lambda got: got is not None),
    "end": (
        lambda book: book.end(ENTRY, "state", kept_seconds=KEPT_SECONDS, event="event"),
        lambda got: got is True,
    ),
}


async def test_every_step_of_the_book_is_measured(metrics: Metrics) -> None:
    """Each answers what the book answers; a wait for the feed has no duration worth telling."""
    steps = {
        name
        for name, _ in inspect.getmembers(CallBook, inspect.iscoroutinefunction)
        if not name.startswith("_")
    }
    assert set(STEPS) == steps
    book = metrics.metered_book(MemoryCallBook(time.time))
    for name, (act, is_answer) in STEPS.items():
        assert is_answer(await act(book)), name
        found = samples(metrics.exposition())
        measured = 0 if name == "events" else 1
        assert found[series("signaller_store_seconds_count", step=name)] == measured
        assert found[series("signaller_store_errors_total", step=name)] == 0


@pytest.mark.parametrize("step", STEPS)
async def test_a_step_at_which_the_book_fails_is_counted(metrics: Metrics, step: str) -> None:
    """The error goes on as it is."""
    url = Secret(f"redis://127.0.0.1:{free_port()}")
    store = RedisStore.from_url(url, timeout_seconds=5, clock=time.time)
    book = metrics.metered_book(RedisCallBook(store.steps))
    with pytest.raises(StoreUnavailable, match="redis"):
        await STEPS[step][0](book)
    found = samples(metrics.exposition())
    assert found[series("signaller_store_errors_total", step=step)] == 1
    await store.aclose()
