"""Pages of calls: how much is looked at for one."""

import pytest

from signaller.errors import InvalidRequest
from signaller.model import Caller
from signaller.policy import Policy
from signaller.realtime.call_lists import CallLists, CallQuery
from signaller.stores.memory_calls import MemoryCallBook
from tests.stores.making import SetClock
from tests.support.calls import Writer
from tests.support.service import token_key

MASTER = Caller.under(Policy(), "master", "key:1", is_master=True)


async def test_a_page_looks_at_a_bounded_number_of_calls() -> None:
    """It may be short then, and says where to go on."""
    book = MemoryCallBook(SetClock())
    writer = Writer(book, [token_key()])
    lists = CallLists(book=book, records=writer.records, max_scanned=100)
    wanted = await writer.start(model="rare")
    others = [await writer.start() for _ in range(100)]
    page = await lists.page(MASTER, CallQuery(model="rare"))
    assert (page.records, page.last_id, page.has_more) == ((), others[0].id, True)
    page = await lists.page(MASTER, CallQuery(model="rare", after=page.last_id))
    assert [record.facts.id for record in page.records] == [wanted.id]
    assert not page.has_more


async def test_a_place_that_is_forgotten_is_no_place() -> None:
    """An ended call is kept for a while only; a list that stands there begins anew."""
    clock = SetClock()
    book = MemoryCallBook(clock)
    writer = Writer(book, [token_key()])
    lists = CallLists(book=book, records=writer.records)
    call = await writer.start()
    await writer.end(call)
    clock.now += 4000
    with pytest.raises(InvalidRequest) as refused:
        await lists.page(MASTER, CallQuery(after=call.id))
    assert refused.value.param == "after"
