"""The embedded store: one process, bounded, gone with the process."""

import math

import msgspec
from msgspec.structs import replace

from signaller.model import Call, Grant, Spent, Turn
from signaller.ports import Clock
from signaller.stores.expiring import ExpiringMap
from signaller.stores.windows import MemoryWindows


class _Kept(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A grant's record; once its uses are spent, a tombstone without the grant."""

    uses: int
    grant: Grant | None
    start_by: int
    call_ids: tuple[str, ...] = ()
    replayed: bool = False
    returns: int = 0
    """How often a use was given back and counted."""


class _Ending(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How often the end of a call was asked for, and from when on it may be again."""

    attempts: int
    free_at: float


class MemoryStore:
    """Grants and calls of one process. Atomic because no step awaits anything."""

    def __init__(
        self,
        clock: Clock,
        *,
        max_grants: int = 250_000,
        max_calls: int = 100_000,
        max_buckets: int = 100_000,
        max_warm: int = 10_000,
    ) -> None:
        # About 1 KB each, a third of it once they are spent: some 200 MB at the most, where a mint
        # flood would otherwise take it all.
        self._clock = clock
        self._grants: ExpiringMap[_Kept] = ExpiringMap(clock, max_grants, "grants")
        self._calls: ExpiringMap[Call] = ExpiringMap(clock, max_calls, "calls")
        self._endings: ExpiringMap[_Ending] = ExpiringMap(clock, max_calls, "calls about to end")
        self._windows = MemoryWindows(clock, max_buckets)
        self._warm: ExpiringMap[str] = ExpiringMap(clock, max_warm, "warm secrets")
        self._claims: ExpiringMap[bool] = ExpiringMap(clock, max_warm, "claims")

    async def put_grant(self, grant: Grant) -> None:
        """Keep a grant until `grant.terms.start_by`."""
        terms = grant.terms
        self._keep(grant.id, _Kept(uses=terms.uses, grant=grant, start_by=terms.start_by))

    async def redeem(self, grant_id: str, *, withheld: int = 0) -> Grant | Spent | None:
        """Take one use; Spent if none is left, and from then on it is replayed."""
        kept = self._grants.get(grant_id)
        if kept is None:
            return None
        if kept.grant is None:
            self._keep(grant_id, replace(kept, replayed=True))
            return Spent(call_ids=kept.call_ids)
        if kept.uses <= withheld:
            return None
        left = kept.uses - 1
        self._keep(grant_id, replace(kept, uses=left, grant=kept.grant if left else None))
        return kept.grant

    async def give_back(self, grant: Grant, *, at_most: int | None = None) -> bool:
        """Undo one `redeem`; a grant never gets more uses than it was minted with."""
        kept = self._grants.get(grant.id)
        if kept is None:  # revoked, or expired
            return False
        returns = kept.returns
        if at_most is not None:
            if returns >= at_most:
                return False
            returns += 1
        uses = min(kept.uses + 1, grant.terms.uses)
        # What was tried in vain meanwhile must not end the next good call.
        back = replace(kept, uses=uses, grant=grant, replayed=False, returns=returns)
        self._keep(grant.id, back)
        return True

    async def uses_left(self, grant_id: str) -> int:
        """How many more calls a grant may start."""
        kept = self._grants.get(grant_id)
        return kept.uses if kept is not None else 0

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

    async def put_warm(self, name: str, sealed: str, until: int) -> None:
        """Keep a sealed secret until then."""
        self._warm.put(name, sealed, until)

    async def get_warm(self, name: str) -> str | None:
        """The sealed secret of that name, if it is still there."""
        return self._warm.get(name)

    async def drop_warm(self, name: str) -> None:
        """Forget it."""
        self._warm.remove(name)

    async def claim_warm(self, name: str, seconds: int) -> bool:
        """Be the one that makes it new, for so long."""
        if self._claims.get(name):
            return False
        self._claims.put(name, True, int(self._clock()) + seconds)
        return True

    async def put_call(self, call: Call) -> None:
        """Remember a call until `call.deadline`."""
        self._calls.put(call.id, call, call.deadline)

    async def get_call(self, call_id: str) -> Call | None:
        """The call, or None when it is unknown or past its deadline."""
        return self._calls.get(call_id)

    async def begin_ending(self, call: Call, *, seconds: float, at_most: int) -> Turn:
        """Be the only one who asks for a call's end."""
        known, now = self._endings.get(call.id), self._clock()
        if known is not None and known.attempts >= at_most:
            return Turn(attempt=0, wait_seconds=math.inf)
        if known is not None and known.free_at > now:
            return Turn(attempt=0, wait_seconds=known.free_at - now)
        attempt = 1 if known is None else known.attempts + 1
        ending = _Ending(attempts=attempt, free_at=now + seconds)
        self._endings.put(call.id, ending, call.deadline)
        return Turn(attempt=attempt)

    async def pause_ending(self, call: Call, *, seconds: float) -> None:
        """End one's turn."""
        known = self._endings.get(call.id)
        if known is not None:
            paused = replace(known, free_at=self._clock() + seconds)
            self._endings.put(call.id, paused, call.deadline)

    async def ping(self, *, within_seconds: float = 0) -> None:
        """Nothing to reach."""

    def windows(self) -> MemoryWindows:
        """The moving windows of this process."""
        return self._windows

    async def aclose(self) -> None:
        """Nothing to let go of."""

    def _keep(self, grant_id: str, kept: _Kept) -> None:
        self._grants.put(grant_id, kept, kept.start_by)
