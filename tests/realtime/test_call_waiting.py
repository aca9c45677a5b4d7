"""What one reader of the feed is sent, and where it may go on."""

from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from signaller.realtime.call_waiting import RESET, UPDATE_SECONDS, Event, Waiting
from signaller.stores.call_terms import event_id

KINDS = ("call.started", "call.updated", "call.updated", "call.updated", "call.ended")


def event(number: int, kind: str = "call.updated", call_id: str = "a") -> Event:
    """One of a feed."""
    return Event(id=event_id(number, 0), kind=kind, call_id=call_id, data=str(number))


@dataclass
class Reader:
    """What a reader was told, and when."""

    waiting: Waiting = field(default_factory=lambda: Waiting(event_id(0, 0)))
    now: float = 100.0
    told: list[tuple[float, Event]] = field(default_factory=list)

    def read(self) -> None:
        """Take all that may be taken now."""
        while (event := self.waiting.take(self.now)) is not None:
            self.told.append((self.now, event))


def newest(events: list[Event]) -> dict[str, Event]:
    """The last that was told of each call."""
    return {event.call_id: event for event in sorted(events, key=lambda event: event.id)}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.sampled_from("abc"),
        st.sampled_from([0.0, 0.1, 1.0, 2.5]),
        st.booleans(),
    ),
    max_size=40,
)


@given(steps=STEPS)
def test_no_calls_updates_come_oftener_than_every_two_seconds(
    steps: list[tuple[str, str, float, bool]],
) -> None:
    """However often it is told, and whenever the reader reads; the newest comes in the end."""
    reader, feed = Reader(), []
    for number, (kind, call_id, pause, reads) in enumerate(steps, start=1):
        feed.append(event(number, kind, call_id))
        reader.waiting.add(feed[-1], reader.now)
        if reads:
            reader.read()
        reader.now += pause
    reader.read()
    while (due := reader.waiting.due()) is not None:
        reader.now = max(reader.now, due)
        reader.read()
    for call_id in "abc":
        times = [
            when
            for when, told in reader.told
            if (told.kind, told.call_id) == ("call.updated", call_id)
        ]
        assert all(late - early >= UPDATE_SECONDS for early, late in pairwise(times))
    told = [each for _, each in reader.told]
    assert {call_id: last.id for call_id, last in newest(feed).items()} == {
        call_id: last.id for call_id, last in newest(told).items()
    }
    others = [each for each in feed if each.kind != "call.updated"]
    assert [each for each in told if each.kind != "call.updated"] == others


@given(steps=STEPS)
def test_whoever_goes_on_misses_nothing(steps: list[tuple[str, str, float, bool]]) -> None:
    """Cut off at any moment, it has the newest of each call from what it had and what follows."""
    reader, feed = Reader(), []
    for number, (kind, call_id, pause, reads) in enumerate(steps, start=1):
        feed.append(event(number, kind, call_id))
        reader.waiting.add(feed[-1], reader.now)
        if reads:
            reader.read()
        reader.now += pause
        place = reader.waiting.resume_at
        assert place is not None
        rest = [each for each in feed if each.id > place]
        had = [each for _, each in reader.told]
        assert newest(had + rest) == newest(feed)
        gone = [each for each in feed if each.kind != "call.updated"]
        assert all(each in had or each in rest for each in gone)


def test_an_update_that_an_end_has_overtaken_is_not_told() -> None:
    """The end tells all of it."""
    reader = Reader()
    reader.waiting.add(event(1), reader.now)
    reader.read()
    reader.waiting.add(event(2), reader.now)
    reader.waiting.add(event(3, "call.ended"), reader.now)
    reader.read()
    assert [told.data for _, told in reader.told] == ["1", "3"]
    assert reader.waiting.due() is None


def test_others_events_move_the_place_on() -> None:
    """A quiet reader comes back to where the feed is, not to where it last heard something."""
    reader = Reader()
    reader.waiting.add(event(1), reader.now)
    reader.read()
    reader.waiting.moved(event_id(7, 0))
    assert reader.waiting.resume_at == event_id(7, 0)


def test_an_update_that_waits_holds_the_place() -> None:
    """Until it is sent, whatever else is sent meanwhile."""
    reader = Reader()
    for number in (1, 2):
        reader.waiting.add(event(number), reader.now)
        reader.read()
    reader.waiting.add(event(3, "call.started", "b"), reader.now)
    reader.read()
    assert reader.waiting.resume_at == event_id(1, 0)
    reader.now += UPDATE_SECONDS
    reader.read()
    assert reader.waiting.resume_at == event_id(3, 0)


def test_after_a_reset_no_place_is_told_before_all_is() -> None:
    """What was missed must be asked for again if the reader is cut off."""
    reader = Reader()
    reader.waiting.add(event(1), reader.now)
    reader.waiting.add(RESET, reader.now)
    reader.waiting.add(event(5, "call.started"), reader.now)
    assert reader.waiting.resume_at is None
    reader.read()
    assert [told.kind for _, told in reader.told] == ["reset", "call.started"]
    assert reader.waiting.resume_at == event_id(5, 0)
