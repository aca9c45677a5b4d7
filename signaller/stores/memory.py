"""The embedded store: one process, bounded, gone with the process."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha1

from signaller.errors import StoreUnavailable
from signaller.model import (
    Grant,
    Hit,
    Peeked,
    Returned,
    Spent,
)
from signaller.policy import bucket_caller
from signaller.ports import Clock
from signaller.stores.expiring import ExpiringMap
from signaller.stores.rates import WINDOW_SECONDS, Window
from signaller.strict_json import write_json

MIB = 1024 * 1024
GRANT_BYTES, SPENT_BYTES, TEXT_BYTES = 800, 600, 500
BUCKET_BYTES, HIT_BYTES = 1200, 32
"""What a record takes beside its texts: objects, places in maps, its share of their spare room.
Measured; `test_bytes_are_counted_as_they_are` holds them to it."""
BUCKETS_BYTES = 128 * MIB
"""A caller's share of it has 16 windows of the highest rate there is (`MAX_PER_MINUTE`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A grant's record; once its uses are spent, a tombstone without the grant."""

    caller: str
    uses: int
    grant: Grant | None
    start_by: int
    call_ids: tuple[str, ...] = ()
    replayed: bool = False
    returns: int = 0
    """How often a use was given back and counted."""


class MemoryStore:
    """Grants of one process. Atomic because no step awaits anything.

    Each caller has a share of a quarter; spent grants make room before live ones.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        max_grants: int = 250_000,
        max_buckets: int = 100_000,
        max_warm: int = 10_000,
        check_calls: Callable[[], None] = lambda: None,
    ) -> None:
        """`check_calls` raises StoreUnavailable where there is no room for the call of a grant."""
        self._clock = clock
        self._check_calls = check_calls
        # The bytes are what a flood may take of the machine; there is room for the records of a
        # busy hour in them.
        self._grants: ExpiringMap[_Kept] = ExpiringMap(
            clock, "unused tokens", max_entries=max_grants, max_bytes=256 * MIB
        )
        # Each hit's moment, oldest first; no more than the bucket's limit, and gone with the
        # newest. Of a caller at its share the bucket goes that nobody has counted in for longest.
        self._buckets: ExpiringMap[deque[float]] = ExpiringMap(
            clock, "rate buckets", max_entries=max_buckets, max_bytes=BUCKETS_BYTES
        )
        self._warm: ExpiringMap[str] = ExpiringMap(
            clock, "warm secrets", max_entries=max_warm, max_bytes=64 * MIB
        )
        self._leases: ExpiringMap[bool] = ExpiringMap(
            clock, "leases", max_entries=max_warm, max_bytes=8 * MIB
        )

    async def put_grant(self, grant: Grant) -> None:
        """Keep a grant until `grant.terms.start_by`."""
        uses, start_by = grant.terms.uses, grant.terms.start_by
        kept = _Kept(caller=grant.caller, uses=uses, grant=grant, start_by=start_by)
        self._keep(grant.id, kept, always=False)

    async def redeem(self, grant_id: str, *, withheld: int = 0) -> Grant | Spent | None:
        """Take one use; Spent if none is left, and from then on it is replayed."""
        kept = self._grants.get(grant_id)
        if kept is None:
            return None
        if kept.grant is None:
            self._keep(grant_id, replace(kept, replayed=True))
            return Spent(call_ids=kept.call_ids)
        if kept.uses <= withheld:
            return Spent(call_ids=kept.call_ids)
        left = kept.uses - 1
        self._keep(grant_id, replace(kept, uses=left, grant=kept.grant if left else None))
        return kept.grant

    async def give_back(self, grant: Grant, *, at_most: int | None = None) -> Returned:
        """Undo one `redeem`; a grant never gets more uses than it was minted with."""
        kept = self._grants.get(grant.id)
        if kept is None:  # revoked, or expired
            return Returned(given_back=False, uses_left=0)
        returns = kept.returns
        if at_most is not None:
            if returns >= at_most:
                return Returned(given_back=False, uses_left=kept.uses)
            returns += 1
        uses = min(kept.uses + 1, grant.terms.uses)
        # Clears the replay mark: an attempt while the token was out must not end its next call.
        back = replace(kept, uses=uses, grant=grant, replayed=False, returns=returns)
        self._keep(grant.id, back)
        return Returned(given_back=True, uses_left=uses)

    async def uses_left(self, grant_id: str) -> int:
        """How many more calls a grant may start."""
        kept = self._grants.get(grant_id)
        return kept.uses if kept is not None else 0

    async def peek(self, grant_id: str) -> Peeked | None:
        """A grant that has uses left, without taking one."""
        kept = self._grants.get(grant_id)
        if kept is None or kept.grant is None:
            return None
        return Peeked(grant=kept.grant, uses_left=kept.uses)

    async def revoke(self, grant_id: str) -> None:
        """Let a grant be no more, its trail included."""
        self._grants.remove(grant_id)

    async def link(self, grant: Grant, call_id: str) -> bool:
        """Remember, until the grant expires, that it began a call; False if it was replayed."""
        kept = self._grants.get(grant.id)
        if kept is None:
            return True
        if kept.replayed:
            return False
        if call_id not in kept.call_ids:
            self._keep(grant.id, replace(kept, call_ids=(*kept.call_ids, call_id)))
        return True

    async def put_warm(self, name: str, sealed: str, until: int) -> bool:
        """Keep a sealed secret until then, and end the lease on it; False without room."""
        holder = name.partition(".")[0]
        try:
            self._warm.put(name, sealed, until, holder=holder, size=TEXT_BYTES + len(sealed))
        except StoreUnavailable:
            return False
        self._leases.remove(name)
        return True

    async def get_warm(self, name: str) -> str | None:
        """The sealed secret of that name, if it is still there."""
        return self._warm.get(name)

    async def drop_warm(self, record: str) -> None:
        """Forget it, unless another one has taken its place."""
        name, _, digest = record.rpartition(".")
        sealed = self._warm.get(name)
        if (
            sealed is not None
            and digest == sha1(sealed.encode(), usedforsecurity=False).hexdigest()
        ):
            self._warm.remove(name)

    async def lease_warm(self, name: str, seconds: int) -> bool:
        """Be the one that makes it new, for so long."""
        if self._leases.get(name):
            return False
        await self.pause_warm(name, seconds)
        return True

    async def pause_warm(self, name: str, seconds: int) -> None:
        """Let nobody make it new for so long; 0: whoever asks next may."""
        until, holder = int(self._clock()) + seconds, name.partition(".")[0]
        self._leases.put(name, True, until, holder=holder, size=TEXT_BYTES)

    async def ping(self, *, within_seconds: float = 0) -> None:
        """Nothing to reach; but there must be room for another grant and for its call."""
        self._grants.check_room()
        self._check_calls()

    async def take_hit(self, bucket: str, limit: int, *, count: bool = True) -> Window:
        """Count a hit unless there would be more than `limit` in a minute."""
        hits, now = self._hits(bucket)
        if len(hits) >= limit:
            last = hits[-limit] if limit else now
            return Window(allowed=False, remaining=0, wait_seconds=last + WINDOW_SECONDS - now)
        remaining = limit - len(hits) - 1
        if count:
            self._keep_hits(bucket, hits, math.ceil(now + WINDOW_SECONDS), len(hits) + 1)
            hits.append(now)
        return Window(allowed=True, remaining=remaining, at=now)

    async def take_hit_back(self, hit: Hit) -> None:
        """Take it out of its bucket again, if it is still there."""
        hits = self._buckets.get(hit.bucket)
        if hits and hit.at in hits:
            hits.remove(hit.at)

    async def aclose(self) -> None:
        """Nothing to let go of."""

    def _keep(self, grant_id: str, kept: _Kept, *, always: bool = True) -> None:
        spent = kept.grant is None
        texts = write_json(kept.grant) if kept.grant else "".join(kept.call_ids)
        self._grants.put(
            grant_id,
            kept,
            kept.start_by,
            holder=kept.caller,
            size=(SPENT_BYTES if spent else GRANT_BYTES) + len(texts),
            spare=spent,
            always=always,
        )

    def _hits(self, bucket: str) -> tuple[deque[float], float]:
        known = self._buckets.get(bucket)
        hits, now = known if known is not None else deque[float](), self._clock()
        while hits and hits[0] <= now - WINDOW_SECONDS:
            hits.popleft()
        if hits and hits[-1] > now:  # the clock was set back
            # As if made just now: dropped, they would let too many through; left as they are, they
            # would count until the clock is there again, and bar the bucket for so long.
            ahead = sum(1 for hit in hits if hit > now)
            for _ in range(ahead):
                hits.pop()
            hits.extend([now] * ahead)
            self._keep_hits(bucket, hits, math.ceil(now + WINDOW_SECONDS), len(hits))
        return hits, now

    def _keep_hits(self, bucket: str, hits: deque[float], expires_at: int, count: int) -> None:
        size = BUCKET_BYTES + HIT_BYTES * count
        self._buckets.put(bucket, hits, expires_at, holder=bucket_caller(bucket), size=size)
