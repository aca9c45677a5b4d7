"""A bounded mapping whose entries expire and whose holders have at most a quarter each."""

import heapq
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from signaller.errors import StoreUnavailable
from signaller.ports import Clock

T = TypeVar("T")

SHARES = 4
"""One holder may use at most 1/4 of a map's entries and bytes."""
IN_FLIGHT = 64
"""`check_room` says "full" 1/64 early, so that those it told that there is room still find it."""


class _Entry(NamedTuple, Generic[T]):
    expires_at: int
    value: T
    holder: str
    size: int
    spare: bool


class _Holding:
    """What one holder keeps, the oldest first: what may go, and what is still of use."""

    __slots__ = ("live", "size", "spare", "spare_size")

    def __init__(self) -> None:
        self.size = self.spare_size = 0
        # Not `dict`: to find its first key again and again, after deletions, takes ever longer.
        self.spare: OrderedDict[str, None] = OrderedDict()
        self.live: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self.spare) + len(self.live)


class ExpiringMap(Generic[T]):
    """Keeps values until a moment of their own; `max_entries` and `max_bytes` of them at most.

    A holder at its share makes room by itself, with what may be spared and then with its oldest.
    A map that is full for other reasons lets go of what may be spared, and then takes no more.
    """

    def __init__(
        self,
        clock: Clock,
        what: str,
        *,
        max_entries: int,
        max_bytes: int,
        spare_only: bool = False,
        let_go: Callable[[str, T], None] | None = None,
    ) -> None:
        """`spare_only`: a holder's oldest are kept too, and a holder at its share is refused.

        `let_go` hears of each entry that has expired or made room.
        """
        self._clock = clock
        self._spare_only = spare_only
        self._let_go = let_go
        self._max_entries, self._max_bytes = max_entries, max_bytes
        self._share_entries = max(1, max_entries // SHARES)
        self._share_bytes = max_bytes // SHARES
        self._what = what
        self._entries: dict[str, _Entry[T]] = {}
        self._size = 0
        self._holders: dict[str, _Holding] = {}
        self._spare: OrderedDict[str, None] = OrderedDict()  # everybody's, the oldest first
        self._spare_size = 0
        # Which keys may expire in which second, and these seconds, soonest first. The keys may be
        # those of entries that have been removed or replaced.
        self._expiring: dict[int, list[str]] = {}
        self._seconds: list[int] = []
        self._noted = 0  # how many keys these are

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def size(self) -> int:
        """The bytes of all entries, as those who put them said."""
        return self._size

    def put(
        self,
        key: str,
        value: T,
        expires_at: int,
        *,
        holder: str,
        size: int,
        spare: bool = False,
        always: bool = False,
    ) -> None:
        """Keep or replace a value, which is its holder's newest then.

        `spare`: it goes before others do. `always`: for what is known, or was told that there is
        room. Otherwise raises StoreUnavailable where there is none, and changes nothing.
        """
        self.drop_expired()
        known = self._take(key)
        if not always and not self._could_make_room(holder, size):
            if known is not None:
                self._insert(key, known)
            raise self._full()
        self._make_room(holder, size)
        self._insert(key, _Entry(expires_at, value, holder, size, spare))
        if known is None or known.expires_at != expires_at:
            self._note(key, expires_at)
            self._compact()

    def get(self, key: str) -> T | None:
        """The value, or None when it is unknown or has expired."""
        entry = self._entries.get(key)
        if entry is None or entry.expires_at <= self._clock():
            return None
        return entry.value

    def remove(self, key: str) -> None:
        """Forget a value, known or not."""
        self._take(key)

    def check_room(self, holder: str | None = None) -> None:
        """Raise StoreUnavailable unless there is room: for a holder, or for anybody (None)."""
        self.drop_expired()
        holding = self._holders.get(holder) if holder is not None else None
        at_its_share = holding is not None and self._beyond_share(holding, 0)
        if at_its_share or self._spare:
            return
        entries, size = self._max_entries, self._max_bytes
        if (
            len(self._entries) >= entries - entries // IN_FLIGHT
            or self._size >= size - size // IN_FLIGHT
        ):
            raise self._full()

    def _could_make_room(self, holder: str, size: int) -> bool:
        """Whether there would be room without what may go: the holder's own, and what is spare."""
        if size > self._share_bytes:
            return False
        holding = self._holders.get(holder)
        places = len(self._spare)
        freed = self._spare_size
        if holding and self._beyond_share(holding, size):
            if self._spare_only:
                return self._spare_makes_room(holding, size)
            places += 1
            freed += max(0, holding.size + size - self._share_bytes)
        fits = self._size - freed + size <= self._max_bytes
        return fits and len(self._entries) - places < self._max_entries

    def _spare_makes_room(self, holding: _Holding, size: int) -> bool:
        """Whether a holder at its share has enough that may be spared."""
        fits = holding.size - holding.spare_size + size <= self._share_bytes
        return fits and len(holding.live) < self._share_entries

    def _make_room(self, holder: str, size: int) -> None:
        holding = self._holders.get(holder)
        while holding and self._beyond_share(holding, size):
            if self._spare_only and not holding.spare:
                break  # what must be kept is, and is bounded by what there was room for
            self._drop(next(iter(holding.spare or holding.live)))
        while self._beyond_all(size) and self._spare:
            self._drop(next(iter(self._spare)))

    def _drop(self, key: str) -> None:
        entry = self._take(key)
        if entry is not None and self._let_go is not None:
            self._let_go(key, entry.value)

    def _beyond_share(self, holding: _Holding, size: int) -> bool:
        return len(holding) >= self._share_entries or holding.size + size > self._share_bytes

    def _beyond_all(self, size: int) -> bool:
        return len(self._entries) >= self._max_entries or self._size + size > self._max_bytes

    def _full(self) -> StoreUnavailable:
        kept = f"{len(self._entries)} {self._what}"
        return StoreUnavailable(
            f"the memory store is full: {kept}, {self._size} bytes",
            public=f"The service's store is full: it keeps {kept}. Try again in a moment.",
        )

    def _insert(self, key: str, entry: _Entry[T]) -> None:
        self._entries[key] = entry
        self._size += entry.size
        holding = self._holders.get(entry.holder)
        if holding is None:
            holding = self._holders[entry.holder] = _Holding()
        holding.size += entry.size
        if entry.spare:
            holding.spare[key] = self._spare[key] = None
            holding.spare_size += entry.size
            self._spare_size += entry.size
        else:
            holding.live[key] = None

    def _take(self, key: str) -> _Entry[T] | None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        self._size -= entry.size
        holding = self._holders[entry.holder]
        holding.size -= entry.size
        if entry.spare:
            del holding.spare[key], self._spare[key]
            holding.spare_size -= entry.size
            self._spare_size -= entry.size
        else:
            del holding.live[key]
        if not holding:
            del self._holders[entry.holder]
        return entry

    def _note(self, key: str, expires_at: int) -> None:
        keys = self._expiring.get(expires_at)
        if keys is None:
            keys = self._expiring[expires_at] = []
            heapq.heappush(self._seconds, expires_at)
        keys.append(key)
        self._noted += 1

    def drop_expired(self) -> None:
        """Let go of what has expired."""
        now = self._clock()
        while self._seconds and self._seconds[0] <= now:
            expires_at = heapq.heappop(self._seconds)
            keys = self._expiring.pop(expires_at)
            self._noted -= len(keys)
            for key in keys:
                entry = self._entries.get(key)
                if entry is not None and entry.expires_at == expires_at:
                    self._drop(key)

    def _compact(self) -> None:
        # Redeemed entries leave their expiry behind; without this, a burst of short-lived entries
        # would be remembered until the last of them had expired.
        if self._noted > 2 * len(self._entries) + 64:
            self._expiring, self._seconds, self._noted = {}, [], 0
            for key, entry in self._entries.items():
                self._note(key, entry.expires_at)
