"""What every book of calls promises."""

import asyncio
import math
from dataclasses import replace
from uuid import uuid4

import pytest

from signaller.model import CallEntry, Kept, Told
from tests.stores.books import Books

HOUR = 3600


def ids(found: object) -> list[str]:
    """Of the calls that were found."""
    assert isinstance(found, list | tuple)
    return [each.entry.id for each in found]


async def listed(
    books: Books,
    *,
    caller: str | None = None,
    live: bool | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[str] | None:
    """The ids of a list."""
    found = await books.one.list(caller=caller, live=live, after=after, limit=limit)
    return None if found is None else ids(found)


async def test_a_call_is_found_as_it_was_begun(books: Books) -> None:
    """By any replica, as often as one asks, with what was sealed as it was."""
    here, there, _ = books.views
    entry = await books.entry(caller='a "caller" {of} ünicode\n', model="any: model*")
    assert await here.begin(entry, "facts", at_most=1) is None
    expected = Kept(entry=entry, facts="facts", state=None, seen=None, live=True)
    assert [await there.find(entry.id) for _ in range(2)] == [expected] * 2


async def test_what_was_never_begun_is_unknown(books: Books) -> None:
    """To every step there is."""
    book, entry = books.one, await books.entry()
    assert await book.find(entry.id) is None
    assert not await book.end(entry, "state", kept_seconds=3600, event="e")
    assert not await book.saw(entry.id, "seen", fence=0, event="e")
    assert await book.lease(entry.id, "me", seconds=10) is None
    turn = await book.begin_ending(entry.id, "state", seconds=10)
    assert (turn.attempt, turn.wait_seconds) == (0, math.inf)
    await book.pause_ending(entry.id, seconds=10)
    await book.release(entry.id, "me")
    await book.withdraw(entry)
    assert await book.find(entry.id) is None
    assert await book.first_event() is None


async def test_a_call_that_is_begun_twice_counts_once(books: Books) -> None:
    """A step that ran though its reply was lost may be taken again."""
    entry = await books.begun()
    assert await books.one.begin(entry, "intent", at_most=1) is None
    assert await books.one.live() == {("web", "gpt-realtime"): 1}


async def test_a_call_that_is_answered_has_its_facts_replaced(books: Books) -> None:
    """`call.started` is told once, however often the answer is written down."""
    entry = await books.begun()
    later = replace(entry, ends_by=entry.ends_by + 5)
    for _ in range(2):
        await books.one.answered(later, "answered", "event")
    found = await books.one.find(entry.id)
    assert found == Kept(entry=later, facts="answered", state=None, seen=None, live=True)
    assert await told(books) == [("call.started", "web", entry.id, "event")]


async def test_an_answer_whose_intent_was_lost_is_written_anew(books: Books) -> None:
    """A call that goes on has a record, a place and an end."""
    entry = await books.entry()
    await books.one.answered(entry, "answered", "event")
    found = await books.one.find(entry.id)
    assert found == Kept(entry=entry, facts="answered", state=None, seen=None, live=True)
    assert await books.one.live() == {("web", "gpt-realtime"): 1}
    assert await books.one.begin(await books.entry(), "facts", at_most=1) is not None


async def test_a_withdrawn_call_never_was(books: Books) -> None:
    """Its record and its place are gone, and nothing is told."""
    entry = await books.begun()
    for _ in range(2):
        await books.one.withdraw(entry)
    assert await books.one.find(entry.id) is None
    assert await listed(books) == []
    assert await books.one.live() == {}
    assert await books.one.begin(await books.entry(), "facts", at_most=1) is None
    assert await books.one.first_event() is None


async def test_there_are_no_more_places_than_that(books: Books) -> None:
    """One more is told when the next one is free at the latest; others are not concerned."""
    for lives_seconds in (1800, 900):
        entry = await books.entry(lives_seconds=lives_seconds)
        assert await books.one.begin(entry, "facts", at_most=2) is None
    refused = await books.entry()
    wait_seconds = await books.one.begin(refused, "facts", at_most=2)
    assert wait_seconds is not None
    assert 890 < wait_seconds <= 900
    assert await books.one.find(refused.id) is None
    assert await books.one.begin(refused, "facts", at_most=None) is None
    assert await books.one.begin(await books.entry(caller="app"), "facts", at_most=1) is None


async def test_of_60_at_once_from_three_replicas_five_begin(books: Books) -> None:
    """Never more, and the others are told to wait."""
    entries = [await books.entry() for _ in range(60)]
    waits = await asyncio.gather(
        *(
            books.views[number % 3].begin(entry, "facts", at_most=5)
            for number, entry in enumerate(entries)
        )
    )
    assert waits.count(None) == 5
    assert all(wait >= 1 for wait in waits if wait is not None)
    assert await books.one.live() == {("web", "gpt-realtime"): 5}


@pytest.mark.parametrize("places", [1, 5])
async def test_there_are_never_more_than_that_while_calls_come_and_go(
    books: Books, places: int
) -> None:
    """Each end frees one place and no other."""
    most = 0

    async def caller(number: int) -> None:
        nonlocal most
        book = books.views[number % 3]
        for _ in range(8):
            entry = await books.entry()
            if await book.begin(entry, "facts", at_most=places) is None:
                most = max(most, sum((await book.live()).values()))
                if number % 2:
                    await book.withdraw(entry)
                else:
                    await book.end(entry, "over", kept_seconds=3600, event="event")

    await asyncio.gather(*(caller(number) for number in range(12)))
    assert 0 < most <= places
    assert await books.one.live() == {}


async def test_a_person_has_places_of_their_own(books: Books) -> None:
    """Of those of the caller; another's, and another caller's person of that name, do not count."""

    async def begin(person: str, caller: str = "web") -> CallEntry | None:
        entry = replace(await books.entry(caller=caller), person=person)
        wait_seconds = await books.one.begin(entry, "facts", at_most=3, of_one=1)
        return entry if wait_seconds is None else None

    ada = await begin("ada")
    assert ada is not None
    assert await begin("ada") is None
    assert await begin("ada", "app") is not None
    assert await begin("bob") is not None
    await books.one.withdraw(ada)
    again = await begin("ada")
    assert again is not None
    assert await begin("cal") is not None
    assert await begin("dan") is None  # the caller has three
    assert await books.one.end(again, "over", kept_seconds=3600, event="event")
    found = await books.one.find(again.id)
    assert found is not None
    assert found.entry == again
    assert await begin("ada") is not None


async def test_the_place_of_a_call_past_its_end_is_free_again(books: Books) -> None:
    """Without anybody's help: its replica, and the clock, may have died."""
    entry = await books.begun(lives_seconds=2)
    wait_seconds = await books.one.begin(await books.entry(), "facts", at_most=1)
    assert wait_seconds is not None
    assert 1 <= wait_seconds <= 2
    await books.wait_until(entry.ends_by + 1)  # `begun` has cut off a part of a second
    assert await books.one.begin(await books.entry(), "facts", at_most=1) is None
    found = await books.one.find(entry.id)
    assert found is not None
    assert found.live


async def test_a_call_that_ends_is_kept_and_its_place_is_free(books: Books) -> None:
    """The first end stays, and is told once."""
    here, there, _ = books.views
    entry = await books.begun()
    assert await here.end(entry, "first", kept_seconds=3600, event="event")
    assert not await there.end(entry, "second", kept_seconds=3600, event="another")
    found = await there.find(entry.id)
    assert found == Kept(entry=entry, facts="intent", state="first", seen=None, live=False)
    assert await there.begin(await books.entry(), "facts", at_most=1) is None
    assert await told(books) == [("call.ended", "web", entry.id, "event")]


async def test_an_end_whose_reply_was_lost_may_be_written_again(books: Books) -> None:
    """Whoever was first is told so again: no two seals are the same."""
    entry = await books.begun()
    for _ in range(2):
        assert await books.one.end(entry, "mine", kept_seconds=3600, event="event")
    assert await told(books) == [("call.ended", "web", entry.id, "event")]


async def test_a_late_answer_does_not_bring_a_call_back(books: Books) -> None:
    """It has ended: it takes no place, and it does not start."""
    entry = await books.ended()
    await books.one.answered(entry, "answered", "event")
    found = await books.one.find(entry.id)
    assert found == Kept(entry=entry, facts="answered", state="over", seen=None, live=False)
    assert await books.one.live() == {}
    assert [kind for kind, *_ in await told(books)] == ["call.ended"]


async def test_a_call_that_ended_is_forgotten_in_time(books: Books) -> None:
    """Where it is looked for, listed, or given as the place to go on from."""
    entry = await books.ended(kept_seconds=1)
    await books.pass_by(1.01)
    assert await books.one.find(entry.id) is None
    assert await listed(books) == []
    assert await listed(books, after=entry.id) is None


async def test_one_of_many_gets_the_turn(books: Books) -> None:
    """The others are told how long it may take; who asked first is kept."""
    entry = await books.begun()
    turns = await asyncio.gather(
        *(
            books.views[number % 3].begin_ending(entry.id, f"asked by {number}", seconds=30)
            for number in range(40)
        )
    )
    assert sorted(turn.attempt for turn in turns) == [0] * 39 + [1]
    assert all(20 < turn.wait_seconds <= 30 for turn in turns if not turn.attempt)
    (first,) = (number for number, turn in enumerate(turns) if turn.attempt)
    await books.one.pause_ending(entry.id, seconds=0)
    assert (await books.one.begin_ending(entry.id, "later", seconds=30)).attempt == 2
    found = await books.one.find(entry.id)
    assert found is not None
    assert found.state == f"asked by {first}"


async def test_a_pause_and_a_lease_last_a_minute_at_the_most(books: Books) -> None:
    """What lies further ahead was another clock's; a pause may be longer than a turn."""
    entry = await books.begun()
    assert (await books.one.begin_ending(entry.id, "asked", seconds=2)).attempt == 1
    await books.one.pause_ending(entry.id, seconds=1000)
    turn = await books.one.begin_ending(entry.id, "again", seconds=2)
    assert turn.attempt == 0
    assert 50 < turn.wait_seconds <= 60
    assert await books.one.lease(entry.id, "first", seconds=1000) == 1
    assert await books.one.lease(entry.id, "second", seconds=1000) is None


async def test_there_is_no_turn_after_the_end(books: Books) -> None:
    """And a pause does not bring the call back to the clock."""
    entry = await books.ended()
    turn = await books.one.begin_ending(entry.id, "late", seconds=1)
    assert (turn.attempt, turn.wait_seconds) == (0, math.inf)
    await books.one.pause_ending(entry.id, seconds=0)
    await books.pass_by(0.01)
    assert await books.one.due(seconds=30, at_most=9) == []


async def test_a_call_is_due_at_its_end_and_nobody_elses_for_a_while(books: Books) -> None:
    """A claim that came to nothing, because its replica died, comes again."""
    here, there, _ = books.views
    entry = await books.begun(lives_seconds=4)
    await books.begun(lives_seconds=1000)
    assert await here.due(seconds=4, at_most=9) == []
    await books.wait_until(entry.ends_by + 1)
    assert ids(await here.due(seconds=4, at_most=9)) == [entry.id]
    assert await there.due(seconds=4, at_most=9) == []
    await books.pass_by(4)
    assert ids(await there.due(seconds=4, at_most=9)) == [entry.id]


@pytest.mark.parametrize("ahead", [-HOUR, 0, HOUR])
@pytest.mark.parametrize("lives_seconds", [0, 600])
async def test_the_store_says_how_long_a_call_has_left(
    books: Books, ahead: int, lives_seconds: int
) -> None:
    """By its own clock, whatever that of the replica says which has written the call down."""
    here, there, _ = books.views
    entry = await books.entry(lives_seconds=lives_seconds)
    entry = replace(entry, began_at=entry.began_at + ahead, ends_by=entry.ends_by + ahead)
    # A provider may take a while, and the call's time begins with its answer.
    intent = replace(entry, ends_by=entry.ends_by + 20)
    await here.begin(intent, "intent", at_most=None)
    before = await books.now()
    await here.answered(entry, "answered", "event", heir_seconds=0)
    after = await books.now()
    await books.pass_by(1)
    for step in ("orphans", "due"):
        asked = await books.now()
        found = await (
            there.orphans(at_most=9) if step == "orphans" else there.due(seconds=1, at_most=9)
        )
        told = await books.now()
        if step == "due" and lives_seconds:
            assert found == []
            continue
        (kept,) = found
        assert kept.entry == entry
        assert kept.left_seconds is not None
        # Redis tells milliseconds.
        assert before + lives_seconds - told - 0.01 <= kept.left_seconds
        assert kept.left_seconds <= after + lives_seconds - asked + 0.01


@pytest.mark.parametrize("ahead", [-3 * HOUR, 3 * HOUR])
async def test_a_call_is_kept_though_its_replica_has_another_clock(
    books: Books, ahead: int
) -> None:
    """Live and past its end, and after it has ended."""
    entry = await books.entry(lives_seconds=0)
    entry = replace(entry, began_at=entry.began_at + ahead, ends_by=entry.ends_by + ahead)
    await books.one.begin(entry, "intent", at_most=None)
    await books.one.answered(entry, "answered", "event")
    await books.pass_by(0.01)
    assert ids(await books.one.due(seconds=1, at_most=9)) == [entry.id]
    assert await books.one.end(entry, "over", kept_seconds=600, event="event")
    assert await listed(books) == [entry.id]


async def test_what_is_due_is_shared_out(books: Books) -> None:
    """Each call to one replica, no more than each asked for, and all in the end."""
    entries = [await books.begun(lives_seconds=0) for _ in range(20)]
    await books.pass_by(0.01)
    taken = await asyncio.gather(*(view.due(seconds=60, at_most=5) for view in books.views))
    assert [len(each) for each in taken] == [5, 5, 5]
    rest = await books.one.due(seconds=60, at_most=100)
    assert sorted(ids([*rest, *(kept for each in taken for kept in each)])) == sorted(
        entry.id for entry in entries
    )


async def test_an_end_that_was_not_confirmed_is_due_after_its_pause(books: Books) -> None:
    """Though the call's own end may be far."""
    entry = await books.begun()
    await books.one.begin_ending(entry.id, "asked", seconds=30)
    await books.one.pause_ending(entry.id, seconds=1)
    assert await books.one.due(seconds=1, at_most=9) == []
    await books.pass_by(1)
    assert ids(await books.one.due(seconds=1, at_most=9)) == [entry.id]


async def test_a_turn_that_nobody_ended_lets_the_call_be_due(books: Books) -> None:
    """Its replica was killed while it asked the provider."""
    entry = await books.begun()
    assert (await books.one.begin_ending(entry.id, "asked", seconds=1)).attempt == 1
    assert await books.one.due(seconds=1, at_most=9) == []
    await books.pass_by(1)
    assert ids(await books.one.due(seconds=1, at_most=9)) == [entry.id]
    assert (await books.one.begin_ending(entry.id, "again", seconds=1)).attempt == 2


async def test_an_answer_does_not_put_off_an_end_that_is_asked_for(books: Books) -> None:
    """A token that is replayed while the provider is still answering."""
    entry = await books.begun()
    await books.one.begin_ending(entry.id, "asked", seconds=0.2)
    await books.one.answered(entry, "answered", "event")
    await books.pass_by(0.2)
    assert ids(await books.one.due(seconds=1, at_most=9)) == [entry.id]


async def test_what_has_ended_is_not_due(books: Books) -> None:
    """The clock has nothing more to do."""
    entry = await books.begun(lives_seconds=0)
    await books.one.end(entry, "over", kept_seconds=3600, event="event")
    await books.pass_by(0.01)
    assert await books.one.due(seconds=1, at_most=9) == []


async def test_one_of_many_watches(books: Books) -> None:
    """The others are told that it is another's."""
    entry = await books.begun()
    fences = await asyncio.gather(
        *(
            books.views[number % 3].lease(entry.id, f"owner {number}", seconds=30)
            for number in range(30)
        )
    )
    assert sorted(fence or 0 for fence in fences) == [0] * 29 + [1]


async def test_the_owner_keeps_its_number_and_each_heir_has_a_greater_one(books: Books) -> None:
    """Renewed in time or late, as long as nobody else has come."""
    here, there, _ = books.views
    entry = await books.begun()
    assert await here.lease(entry.id, "first", seconds=30) == 1
    assert await here.lease(entry.id, "first", seconds=0.1) == 1
    await books.pass_by(0.1)
    assert await here.lease(entry.id, "first", seconds=0.1) == 1
    await books.pass_by(0.1)
    assert await there.lease(entry.id, "second", seconds=30) == 2
    assert await here.lease(entry.id, "first", seconds=30) is None
    await here.release(entry.id, "first")  # it is not its own any more
    assert await here.lease(entry.id, "first", seconds=30) is None
    await there.release(entry.id, "second")
    assert await here.lease(entry.id, "first", seconds=30) == 3


async def test_calls_without_an_owner_are_found(books: Books) -> None:
    """One that died, and one that let go; not one that was never watched, nor one that ended."""
    here, there, _ = books.views
    died, released, held, never, ended = [await books.begun() for _ in range(5)]
    for entry in (died, released, held, ended):
        seconds = 1 if entry in (died, ended) else 30
        assert await here.lease(entry.id, "first", seconds=seconds) == 1
    await here.end(ended, "over", kept_seconds=3600, event="event")
    assert await there.orphans(at_most=9) == []
    await books.pass_by(1)
    await here.release(released.id, "first")
    await books.pass_by(0.001)
    assert ids(await there.orphans(at_most=9)) == [died.id, released.id]
    assert ids(await there.orphans(at_most=1)) == [died.id]
    for heir in (died, released):
        assert await there.lease(heir.id, "second", seconds=30) == 2
    assert await there.orphans(at_most=9) == []
    assert await there.find(never.id) is not None


async def test_a_call_that_nobody_came_to_watch_is_found(books: Books) -> None:
    """Its process died before the first lease; not one that is leased, nor one that ended."""
    here, there, _ = books.views
    alone, leased, unwatched, ended = [await books.begun() for _ in range(4)]
    for entry in (alone, leased, ended):
        await here.answered(entry, "answered", "event", heir_seconds=3)
    await here.answered(unwatched, "answered", "event")
    assert await here.lease(leased.id, "first", seconds=30) == 1
    await here.answered(leased, "answered", "event", heir_seconds=3)  # its reply was lost
    await here.end(ended, "over", kept_seconds=3600, event="event")
    assert await there.orphans(at_most=9) == []
    await books.pass_by(3.1)
    assert ids(await there.orphans(at_most=9)) == [alone.id]
    assert await there.lease(alone.id, "second", seconds=30) == 1
    assert await there.orphans(at_most=9) == []


async def test_an_owner_that_lost_its_lease_writes_nothing(books: Books) -> None:
    """A process that was frozen does not know that its heir has taken over."""
    frozen, heir, _ = books.views
    entry = await books.begun()
    first = await frozen.lease(entry.id, "frozen", seconds=0.1)
    assert first is not None
    assert await frozen.saw(entry.id, "before", fence=first, event=None)
    await books.pass_by(0.1)
    second = await heir.lease(entry.id, "heir", seconds=30)
    assert second is not None
    assert second > first
    assert await heir.saw(entry.id, "heir's", fence=second, event="event")
    assert not await frozen.saw(entry.id, "late", fence=first, event="late")
    found = await heir.find(entry.id)
    assert found is not None
    assert found.seen == "heir's"
    assert await told(books) == [("call.updated", "web", entry.id, "event")]


async def test_what_was_seen_is_told_once(books: Books) -> None:
    """However often it is written; and not at all where nobody asks for it."""
    entry = await books.begun()
    fence = await books.one.lease(entry.id, "me", seconds=30)
    assert fence is not None
    for seen, event in (("one", "first"), ("one", "first"), ("two", None)):
        assert await books.one.saw(entry.id, seen, fence=fence, event=event)
    assert await told(books) == [("call.updated", "web", entry.id, "first")]


async def test_what_was_seen_may_come_after_the_end(books: Books) -> None:
    """Another replica ended the call before its usage was written down: from who knows that."""
    entry = await books.begun()
    fence = await books.one.lease(entry.id, "me", seconds=30)
    assert fence is not None
    assert await books.one.end(entry, "over", kept_seconds=3600, event="event")
    assert not await books.one.saw(entry.id, "live", fence=fence, event="live")
    for _ in range(2):
        assert await books.one.saw(entry.id, "all of it", fence=fence, event="late", ended=True)
    assert await books.one.saw(entry.id, "all of it", fence=fence, event=None)
    found = await books.one.find(entry.id)
    assert found == Kept(entry=entry, facts="intent", state="over", seen="all of it", live=False)
    assert await books.one.lease(entry.id, "me", seconds=30) is None
    assert await told(books) == [
        ("call.ended", "web", entry.id, "event"),
        ("call.updated", "web", entry.id, "late"),
    ]


async def test_lists_are_newest_first(books: Books) -> None:
    """Of all, of one caller, of those that live, of those that ended, and of both at once."""
    made: list[CallEntry] = []
    for number in range(12):
        caller = "web" if number % 3 else "app"
        made.append(
            await books.begun(caller=caller) if number % 2 else await books.ended(caller=caller)
        )
    newest = [entry.id for entry in reversed(made)]
    assert await listed(books) == newest
    assert await listed(books, live=True) == newest[::2]
    assert await listed(books, live=False) == newest[1::2]
    assert await listed(books, caller="app") == newest[2::3]
    assert await listed(books, caller="app", live=True) == newest[2::6]
    assert await listed(books, caller="nobody") == []
    assert await listed(books, limit=3) == newest[:3]


@pytest.mark.parametrize("live", [None, True, False])
async def test_a_list_goes_on_where_it_ended(books: Books, live: bool | None) -> None:
    """Page by page, each call once, though the last one of a page ends meanwhile."""
    made = [await books.begun() if number % 2 else await books.ended() for number in range(14)]
    whole = await listed(books, live=live)
    assert whole is not None
    found = await listed(books, live=live, limit=2)
    assert found is not None
    while page := await listed(books, live=live, after=found[-1], limit=2):
        assert len(page) <= 2
        found += page
        ends = next(entry for entry in made if entry.id == page[-1])
        await books.one.end(ends, "over", kept_seconds=3600, event="event")
    assert found == whole


async def test_a_list_goes_on_from_nobody_elses_call(books: Books) -> None:
    """An id that is unknown and one that is another's are the same."""
    mine, others = await books.begun(caller="web"), await books.begun(caller="app")
    assert await listed(books, caller="web", after=others.id) is None
    assert await listed(books, after="rtc_unknown") is None
    assert await listed(books, caller="app", after=others.id) == []
    assert await listed(books, after=others.id) == [mine.id]


async def test_live_calls_are_counted_by_caller_and_model(books: Books) -> None:
    """Those that have ended are not."""
    for caller, model, many in (("web", "a", 2), ("web", "b", 1), ("app", "a", 3)):
        for _ in range(many):
            await books.begun(caller=caller, model=model)
    await books.ended(caller="web")
    expected = {("web", "a"): 2, ("web", "b"): 1, ("app", "a"): 3}
    assert await books.views[1].live() == expected


async def told(books: Books, after: str = "") -> list[tuple[str, str, str, str]]:
    """What the feed has told after that, without its ids."""
    events = await books.one.events(after, at_most=5000, wait_seconds=0)
    return [(each.kind, each.caller, each.call_id, each.body) for each in events]


async def tell(books: Books, *bodies: str) -> None:
    """Let the feed tell of a call that starts, for each."""
    for body in bodies:
        await books.views[1].answered(await books.entry(), "facts", body)


async def test_the_feed_tells_what_comes_after(books: Books) -> None:
    """From an event, from now, and no more at once than one asks for; ids grow as texts do."""
    start = await books.one.last_event()
    await tell(books, "a", "b", "c")
    events = await books.one.events(start, at_most=9, wait_seconds=0)
    assert [each.body for each in events] == ["a", "b", "c"]
    assert sorted(each.id for each in events) == [each.id for each in events]
    assert list(await books.one.events(events[0].id, at_most=1, wait_seconds=0)) == [events[1]]
    assert await books.one.first_event() == events[0].id
    assert await books.one.last_event() == events[-1].id
    assert list(await books.one.events(events[-1].id, at_most=9, wait_seconds=0)) == []
    assert list(await books.one.events(None, at_most=9, wait_seconds=0)) == []


@pytest.mark.parametrize("after", ["start", None])
async def test_whoever_waits_for_the_feed_hears_at_once(books: Books, after: str | None) -> None:
    """Everybody who waits does, at each replica, long before their time is over."""
    after = await books.one.last_event() if after == "start" else None

    async def wait(number: int) -> list[Told]:
        view = books.views[number % 3]
        return list(await view.events(after, at_most=9, wait_seconds=60))

    waiting = [asyncio.create_task(wait(number)) for number in range(6)]
    # None of them can say that it waits: until all have heard something, something is told.
    while not all(task.done() for task in waiting):
        await tell(books, "news")
        await asyncio.wait(waiting, timeout=0.05)
    assert {told[0].body for told in await asyncio.gather(*waiting)} == {"news"}


async def test_a_wait_for_the_feed_has_an_end(books: Books) -> None:
    """Nothing is told in that time, and nothing is what one gets."""
    began = asyncio.get_running_loop().time()
    assert list(await books.one.events(None, at_most=9, wait_seconds=0.2)) == []
    assert 0.15 < asyncio.get_running_loop().time() - began < 5


@pytest.mark.parametrize(
    "after", ["", "0", "nonsense", "9" * 40, "é\n", "-", "9-9", "9" * 15 + "-" + "9" * 9]
)
async def test_what_is_no_event_of_this_feed_begins_at_the_oldest(books: Books, after: str) -> None:
    """Nothing is lost in silence: not by a client's mistake, nor by a feed that was lost."""
    await tell(books, "a", "b")
    events = await books.one.events(after, at_most=9, wait_seconds=0)
    assert [each.body for each in events] == ["a", "b"]


async def test_the_feed_keeps_the_last_thousand(books: Books) -> None:
    """Whoever was away for longer can tell so from the oldest."""
    start = await books.one.last_event()
    await tell(books, *(str(number) for number in range(1010)))
    events = await books.one.events(start, at_most=2000, wait_seconds=0)
    assert [each.body for each in events] == [str(number) for number in range(10, 1010)]
    oldest = await books.one.first_event()
    assert oldest == events[0].id
    assert start < oldest


async def test_ten_thousand_short_calls_leave_nothing(books: Books) -> None:
    """No index grows: what is forgotten is taken out of all of them, by those that come later."""

    async def some(number: int) -> None:
        view = books.views[number % 3]
        for _ in range(100):
            entry = await books.entry(caller=f"caller {number % 7}")
            await view.begin(entry, "facts", at_most=None)
            await view.answered(entry, "facts", "event")
            fence = await view.lease(entry.id, uuid4().hex, seconds=10)
            assert fence == 1
            await view.saw(entry.id, "seen", fence=fence, event=None)
            await view.end(entry, "over", kept_seconds=0, event="event")

    await asyncio.gather(*(some(number) for number in range(100)))
    await books.pass_by(0.01)
    assert await books.one.due(seconds=1, at_most=100) == []
    assert await listed(books) == []
    assert await books.one.live() == {}
    assert await books.size() <= 3  # the feed, and where it and the order of calls are
