"""The embedded store: one process, bounded, gone with the process."""

from signaller.model import Call, Grant
from signaller.ports import Clock
from signaller.stores.expiring import ExpiringMap


class MemoryStore:
    """Grants and calls of one process. Atomic because no step awaits anything."""

    def __init__(
        self, clock: Clock, *, max_grants: int = 100_000, max_calls: int = 100_000
    ) -> None:
        # About 1 KB each: 100 MB at the most, where a mint flood would otherwise take it all.
        self._clock = clock
        self._grants: ExpiringMap[tuple[int, Grant]] = ExpiringMap(clock, max_grants, "grants")
        self._calls: ExpiringMap[Call] = ExpiringMap(clock, max_calls, "calls")

    async def put_grant(self, grant: Grant) -> None:
        """Keep a grant until `grant.terms.start_by`."""
        self._keep(grant, grant.terms.uses)

    async def redeem(self, grant_id: str) -> Grant | None:
        """Take one use; None once the uses are spent or the grant has expired."""
        kept = self._grants.get(grant_id)
        if kept is None:
            return None
        uses, grant = kept
        if uses > 1:
            self._keep(grant, uses - 1)
        else:
            self._grants.remove(grant_id)
        return grant

    async def give_back(self, grant: Grant) -> None:
        """Undo one `redeem`; a grant never gets more uses than it was minted with."""
        if grant.terms.start_by <= self._clock():
            return
        kept = self._grants.get(grant.id)
        uses = kept[0] if kept is not None else 0
        self._keep(grant, min(uses + 1, grant.terms.uses))

    async def put_call(self, call: Call) -> None:
        """Remember a call until `call.deadline`."""
        self._calls.put(call.id, call, call.deadline)

    async def get_call(self, call_id: str) -> Call | None:
        """The call, or None when it is unknown or past its deadline."""
        return self._calls.get(call_id)

    async def ping(self) -> None:
        """Nothing to reach."""

    async def aclose(self) -> None:
        """Nothing to let go of."""

    def _keep(self, grant: Grant, uses: int) -> None:
        self._grants.put(grant.id, (uses, grant), grant.terms.start_by)
