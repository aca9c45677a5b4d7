"""Whether a client has changed its session: what it must leave alone, compared by fingerprints."""

from collections.abc import Iterable, Mapping

from signaller.realtime.session_prints import fingerprint_at

UNREADABLE = "session"
"""What is said to have changed where a session cannot be read: it may be anything."""


class Drift:
    """Compares each session with the first one, as the client found it."""

    __slots__ = ("_fields", "_first", "_last")

    def __init__(
        self,
        fields: Iterable[str],
        *,
        first: Mapping[str, str],
        last: Mapping[str, str],
    ) -> None:
        """`fields` by their paths, with their fingerprints as far as they are known."""
        self._fields = tuple(fields)
        self._first = dict(first)
        self._last = dict(last)

    @property
    def first(self) -> Mapping[str, str]:
        """Fingerprints of the fields as they were at first."""
        return self._first

    @property
    def last(self) -> Mapping[str, str]:
        """As they are now."""
        return self._last

    def told(self, session: Mapping[str, object]) -> tuple[str, ...]:
        """The fields that are not as at first, nor as they were told last."""
        changed = []
        for field in self._fields:
            now = fingerprint_at(session, field)
            if now not in (self._first.setdefault(field, now), self._last.get(field)):
                changed.append(field)
            self._last[field] = now
        return tuple(changed)
