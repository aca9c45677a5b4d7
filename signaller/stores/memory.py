"""The embedded store: one process, bounded, gone with the process."""

import math
from hashlib import sha1

import msgspec
from msgspec.structs import replace

from signaller.errors import StoreUnavailable, token_is
from signaller.json_writer import write_json
from signaller.model import Call, Grant, Returned, Spent, Turn
from signaller.ports import Clock
from signaller.stores.expiring import ExpiringMap
from signaller.stores.windows import MemoryWindows

MIB = 1024 * 1024
GRANT_BYTES, SPENT_BYTES, CALL_BYTES, ENDING_BYTES, TEXT_BYTES = 800, 600, 550, 350, 500
"""What a record takes beside its texts: objects, places in maps, its share of their spare room.
Measured; `test_bytes_are_counted_as_they_are` holds them to it."""


class _Kept(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A grant's record; once its uses are spent, a tombstone without the grant."""

    caller: str
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
    """Grants and calls of one process. Atomic because no step awaits anything.

    Each caller has a share of a quarter; spent grants and ended calls make room before live ones.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        max_grants: int = 250_000,
        max_calls: int = 100_000,
        max_buckets: int = 100_000,
        max_warm: int = 10_000,
    ) -> None:
        self._clock = clock
        # The bytes are what a flood may take of the machine; there is room for the records of a
        # busy hour in them.
        self._grants: ExpiringMap[_Kept] = ExpiringMap(
            clock, "unused tokens", max_entries=max_grants, max_bytes=256 * MIB
        )
        self._calls: ExpiringMap[Call] = ExpiringMap(
            clock, "calls", max_entries=max_calls, max_bytes=128 * MIB
        )
        self._endings: ExpiringMap[_Ending] = ExpiringMap(
            clock, "calls about to end", max_entries=max_calls, max_bytes=32 * MIB
        )
        self._windows = MemoryWindows(clock, max_buckets)
        self._warm: ExpiringMap[str] = ExpiringMap(
            clock, "warm secrets", max_entries=max_warm, max_bytes=64 * MIB
        )
        self._claims: ExpiringMap[bool] = ExpiringMap(
            clock, "claims", max_entries=max_warm, max_bytes=8 * MIB
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
        # A call that could not be remembered would have to be ended as soon as it had begun.
        with token_is("unspent"):
            self._calls.check_room(kept.caller)
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
        # What was tried in vain meanwhile must not end the next good call.
        back = replace(kept, uses=uses, grant=grant, replayed=False, returns=returns)
        self._keep(grant.id, back)
        return Returned(given_back=True, uses_left=uses)

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

    async def put_warm(self, name: str, sealed: str, until: int) -> bool:
        """Keep a sealed secret until then, and let go of the claim to it; False without room."""
        owner = name.partition(".")[0]
        try:
            self._warm.put(name, sealed, until, owner=owner, size=TEXT_BYTES + len(sealed))
        except StoreUnavailable:
            return False
        self._claims.remove(name)
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

    async def claim_warm(self, name: str, seconds: int) -> bool:
        """Be the one that makes it new, for so long."""
        if self._claims.get(name):
            return False
        await self.pause_warm(name, seconds)
        return True

    async def pause_warm(self, name: str, seconds: int) -> None:
        """Let nobody make it new for so long; 0: whoever asks next may."""
        until, owner = int(self._clock()) + seconds, name.partition(".")[0]
        self._claims.put(name, True, until, owner=owner, size=TEXT_BYTES)

    async def put_call(self, call: Call) -> None:
        """Remember a call until `call.deadline`, even if there is no room left for another one."""
        size = CALL_BYTES + len(write_json(call))
        self._calls.put(
            call.id,
            call,
            call.deadline,
            owner=call.caller,
            size=size,
            spare=call.ended,
            always=True,
        )

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
        self._keep_ending(call, _Ending(attempts=attempt, free_at=now + seconds))
        return Turn(attempt=attempt)

    async def pause_ending(self, call: Call, *, seconds: float) -> None:
        """End one's turn."""
        known = self._endings.get(call.id)
        if known is not None:
            self._keep_ending(call, replace(known, free_at=self._clock() + seconds))

    async def ping(self, *, within_seconds: float = 0) -> None:
        """Nothing to reach; but there must be room for another grant and for its call."""
        self._grants.check_room()
        self._calls.check_room()

    def windows(self) -> MemoryWindows:
        """The moving windows of this process."""
        return self._windows

    async def aclose(self) -> None:
        """Nothing to let go of."""

    def _keep(self, grant_id: str, kept: _Kept, *, always: bool = True) -> None:
        spent = kept.grant is None
        texts = write_json(kept.grant) if kept.grant else "".join(kept.call_ids)
        self._grants.put(
            grant_id,
            kept,
            kept.start_by,
            owner=kept.caller,
            size=(SPENT_BYTES if spent else GRANT_BYTES) + len(texts),
            spare=spent,
            always=always,
        )

    def _keep_ending(self, call: Call, ending: _Ending) -> None:
        # Never refused: there are no more of them than calls, and one that could not be counted
        # could be asked for without end.
        self._endings.put(
            call.id, ending, call.deadline, owner=call.caller, size=ENDING_BYTES, always=True
        )
