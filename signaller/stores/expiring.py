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
        # (expires_at, key), soonest first; may name entries that have been removed or replaced.
        self._expiries: list[tuple[int, str]] = []

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
            heapq.heappush(self._expiries, (expires_at, key))
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

    def _drop_expired(self) -> None:
        now = self._clock()
        while self._expiries and self._expiries[0][0] <= now:
            expires_at, key = heapq.heappop(self._expiries)
            entry = self._entries.get(key)
            if entry is not None and entry[0] == expires_at:
                del self._entries[key]

    def _compact(self) -> None:
        # Redeemed entries leave their expiry behind; without this, a burst of short-lived entries
        # would be remembered until the last of them had expired.
        if len(self._expiries) > 2 * len(self._entries) + 64:
            self._expiries = [(entry[0], key) for key, entry in self._entries.items()]
            heapq.heapify(self._expiries)
