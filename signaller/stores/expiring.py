"""A bounded mapping whose entries expire; cleaning up costs each entry its share, never a scan."""

import heapq
from typing import Generic, TypeVar

from signaller.errors import StoreUnavailable
from signaller.ports import Clock

T = TypeVar("T")


class ExpiringMap(Generic[T]):
    """Keeps at most `max_entries` live values, each until a moment of its own."""

    def __init__(self, clock: Clock, max_entries: int, what: str) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._what = what
        self._entries: dict[str, tuple[int, T]] = {}
        # Which keys may expire in which second, and these seconds, soonest first. The keys may be
        # those of entries that have been removed or replaced.
        self._expiring: dict[int, list[str]] = {}
        self._seconds: list[int] = []
        self._noted = 0
        """How many keys these are."""

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: str, value: T, expires_at: int) -> None:
        """Keep or replace a value. Raises StoreUnavailable when full of live entries."""
        self._drop_expired()
        if key not in self._entries and len(self._entries) >= self._max_entries:
            raise StoreUnavailable(f"the memory store is full: {self._max_entries} {self._what}")
        known = self._entries.get(key)
        self._entries[key] = (expires_at, value)
        if known is None or known[0] != expires_at:
            self._note(key, expires_at)
            self._compact()

    def get(self, key: str) -> T | None:
        """The value, or None when it is unknown or has expired."""
        entry = self._entries.get(key)
        if entry is None or entry[0] <= self._clock():
            return None
        return entry[1]

    def remove(self, key: str) -> None:
        """Forget a value, known or not."""
        self._entries.pop(key, None)

    def _note(self, key: str, expires_at: int) -> None:
        keys = self._expiring.get(expires_at)
        if keys is None:
            keys = self._expiring[expires_at] = []
            heapq.heappush(self._seconds, expires_at)
        keys.append(key)
        self._noted += 1

    def _drop_expired(self) -> None:
        now = self._clock()
        while self._seconds and self._seconds[0] <= now:
            expires_at = heapq.heappop(self._seconds)
            keys = self._expiring.pop(expires_at)
            self._noted -= len(keys)
            for key in keys:
                entry = self._entries.get(key)
                if entry is not None and entry[0] == expires_at:
                    del self._entries[key]

    def _compact(self) -> None:
        # Redeemed entries leave their expiry behind; without this, a burst of short-lived entries
        # would be remembered until the last of them had expired.
        if self._noted > 2 * len(self._entries) + 64:
            self._expiring, self._seconds, self._noted = {}, [], 0
            for key, entry in self._entries.items():
                self._note(key, entry[0])
