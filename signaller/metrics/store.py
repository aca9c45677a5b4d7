"""A store, and rates, that measure what they pass on."""

from collections.abc import Sequence

from prometheus_client import Counter, Histogram

from signaller.errors import RateLimitExceeded
from signaller.metrics.series import Series
from signaller.metrics.step import Step
from signaller.model import Allowance, Call, Grant, Rate, Returned, Spent, Turn
from signaller.ports import Rates, Store


class StoreStep:
    """One step of the store, its series looked up once: zero is there before the first error."""

    def __init__(self, series: Series, name: str) -> None:
        self._seconds: Histogram = series.store_seconds.labels(name)
        self._errors: Counter = series.store_errors.labels(name)

    def measured(self) -> Step:
        """A block that is this step."""
        return Step(self._seconds, self._failed)

    def _failed(self, error: Exception) -> None:
        # A limit that is reached is an answer.
        if not isinstance(error, RateLimitExceeded):
            self._errors.inc()


class MeteredStore:
    """Does what a store does, and counts (`ports.Store`)."""

    def __init__(self, store: Store, series: Series) -> None:
        self._store = store
        self._put_grant = StoreStep(series, "put_grant")
        self._redeem = StoreStep(series, "redeem")
        self._give_back = StoreStep(series, "give_back")
        self._uses_left = StoreStep(series, "uses_left")
        self._revoke = StoreStep(series, "revoke")
        self._link = StoreStep(series, "link")
        self._put_warm = StoreStep(series, "put_warm")
        self._get_warm = StoreStep(series, "get_warm")
        self._drop_warm = StoreStep(series, "drop_warm")
        self._claim_warm = StoreStep(series, "claim_warm")
        self._pause_warm = StoreStep(series, "pause_warm")
        self._put_call = StoreStep(series, "put_call")
        self._get_call = StoreStep(series, "get_call")
        self._begin_ending = StoreStep(series, "begin_ending")
        self._pause_ending = StoreStep(series, "pause_ending")
        self._ping = StoreStep(series, "ping")

    async def put_grant(self, grant: Grant) -> None:
        """`Store.put_grant`, measured."""
        with self._put_grant.measured():
            await self._store.put_grant(grant)

    async def redeem(self, grant_id: str, *, withheld: int = 0) -> Grant | Spent | None:
        """`Store.redeem`, measured."""
        with self._redeem.measured():
            return await self._store.redeem(grant_id, withheld=withheld)

    async def give_back(self, grant: Grant, *, at_most: int | None = None) -> Returned:
        """`Store.give_back`, measured."""
        with self._give_back.measured():
            return await self._store.give_back(grant, at_most=at_most)

    async def uses_left(self, grant_id: str) -> int:
        """`Store.uses_left`, measured."""
        with self._uses_left.measured():
            return await self._store.uses_left(grant_id)

    async def revoke(self, grant_id: str) -> None:
        """`Store.revoke`, measured."""
        with self._revoke.measured():
            await self._store.revoke(grant_id)

    async def link(self, grant: Grant, call_id: str) -> bool:
        """`Store.link`, measured."""
        with self._link.measured():
            return await self._store.link(grant, call_id)

    async def put_warm(self, name: str, sealed: str, until: int) -> bool:
        """`Store.put_warm`, measured."""
        with self._put_warm.measured():
            return await self._store.put_warm(name, sealed, until)

    async def get_warm(self, name: str) -> str | None:
        """`Store.get_warm`, measured."""
        with self._get_warm.measured():
            return await self._store.get_warm(name)

    async def drop_warm(self, record: str) -> None:
        """`Store.drop_warm`, measured."""
        with self._drop_warm.measured():
            await self._store.drop_warm(record)

    async def claim_warm(self, name: str, seconds: int) -> bool:
        """`Store.claim_warm`, measured."""
        with self._claim_warm.measured():
            return await self._store.claim_warm(name, seconds)

    async def pause_warm(self, name: str, seconds: int) -> None:
        """`Store.pause_warm`, measured."""
        with self._pause_warm.measured():
            await self._store.pause_warm(name, seconds)

    async def put_call(self, call: Call) -> None:
        """`Store.put_call`, measured."""
        with self._put_call.measured():
            await self._store.put_call(call)

    async def get_call(self, call_id: str) -> Call | None:
        """`Store.get_call`, measured."""
        with self._get_call.measured():
            return await self._store.get_call(call_id)

    async def begin_ending(self, call: Call, *, seconds: float, at_most: int) -> Turn:
        """`Store.begin_ending`, measured."""
        with self._begin_ending.measured():
            return await self._store.begin_ending(call, seconds=seconds, at_most=at_most)

    async def pause_ending(self, call: Call, *, seconds: float) -> None:
        """`Store.pause_ending`, measured."""
        with self._pause_ending.measured():
            await self._store.pause_ending(call, seconds=seconds)

    async def ping(self, *, within_seconds: float = 0) -> None:
        """`Store.ping`, measured."""
        with self._ping.measured():
            await self._store.ping(within_seconds=within_seconds)

    async def aclose(self) -> None:
        """Let go of the store's connections."""
        await self._store.aclose()


class MeteredRates:
    """Does what rates do, and counts it as a step of the store (`ports.Rates`)."""

    def __init__(self, rates: Rates, series: Series) -> None:
        self._rates = rates
        self._take = StoreStep(series, "take")
        self._take_back = StoreStep(series, "take_back")

    async def take(self, rates: Sequence[Rate]) -> Allowance | None:
        """`Rates.take`, measured; without a rate the store is not asked."""
        if not rates:
            return None
        with self._take.measured():
            return await self._rates.take(rates)

    async def take_back(self, rates: Sequence[Rate]) -> None:
        """`Rates.take_back`, measured likewise."""
        if rates:
            with self._take_back.measured():
                await self._rates.take_back(rates)
