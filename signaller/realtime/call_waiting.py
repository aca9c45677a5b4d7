"""What one reader of the feed has still to be sent: pure, with time as an argument.

Each event tells the whole call, so an older update is not worth sending once there is a newer one.
"""

from collections import deque
from dataclasses import dataclass
from itertools import islice

UPDATE_SECONDS = 2.0
"""A reader hears no oftener of one call's updates: what is shown to people changes no faster."""
MAX_WAITING = 1500
"""The 1,000 that the store keeps (`call_terms.FEED_EVENTS`), for a reader who comes back behind a
`reset`, and 500 for what comes while it is sent them. Whoever is further behind is let go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event as readers get it."""

    id: str
    """Where the feed is with it."""
    kind: str
    """`call.started`, `call.updated`, `call.ended` or `reset`."""
    call_id: str
    data: str
    """JSON."""


RESET = Event(id="", kind="reset", call_id="", data="{}")
"""Some events may be missing: whoever keeps a list of calls has to read it again."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    event: Event
    before: str | None
    """Where the feed was before it: whoever goes on from there is told it."""
    due: float = 0.0


class Waiting:
    """The events that wait, and where their reader may go on after what it was sent."""

    def __init__(self, position: str | None) -> None:
        """`position`: the last event that the reader knows; None: it cannot be told."""
        self._position = position
        # Both in the order of the feed.
        self._queue: deque[_Waiting] = deque()
        self._updates: dict[str, _Waiting] = {}
        # When each call's update was sent last, the oldest first; none is older than it matters.
        self._sent: dict[str, float] = {}

    def __len__(self) -> int:
        """How many wait."""
        return len(self._queue) + len(self._updates)

    @property
    def resume_at(self) -> str | None:
        """After which event nothing is missed that was not sent, as far as that is known."""
        waiting = [*islice(self._queue, 1), *islice(self._updates.values(), 1)]
        if not waiting:
            return self._position
        places = [each.before for each in waiting if each.before is not None]
        return min(places) if len(places) == len(waiting) else None

    def moved(self, position: str) -> None:
        """The feed has come to here, and this event is none of the reader's."""
        self._position = position

    def add(self, event: Event, now: float) -> None:
        """An event that the reader has to be sent."""
        before, self._position = self._position, event.id or None
        if event.kind == "reset":
            # What waits is told anew by the list that the reader gets now.
            self._queue.clear()
            self._updates.clear()
            self._queue.append(_Waiting(event, None))
            return
        older = self._updates.pop(event.call_id, None)
        if event.kind != "call.updated":
            self._queue.append(_Waiting(event, before))
            return
        if older is None:
            due = self._sent.get(event.call_id, now - UPDATE_SECONDS) + UPDATE_SECONDS
        else:
            due = older.due
        self._updates[event.call_id] = _Waiting(event, before, due)

    def take(self, now: float) -> Event | None:
        """The next one that may be sent now."""
        if self._queue:
            return self._queue.popleft().event
        for call_id, update in self._updates.items():
            if update.due <= now:
                del self._updates[call_id]
                self._note_sent(call_id, now)
                return update.event
        return None

    def due(self) -> float | None:
        """When there will be one to take, if nothing is added; None: never."""
        return min((update.due for update in self._updates.values()), default=None)

    def _note_sent(self, call_id: str, now: float) -> None:
        self._sent.pop(call_id, None)
        self._sent[call_id] = now
        while (oldest := next(iter(self._sent))) and self._sent[oldest] <= now - UPDATE_SECONDS:
            del self._sent[oldest]
