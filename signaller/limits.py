"""Holds callers to their rates, with the library `limits` over windows that the store shares."""

from collections.abc import Sequence

from limits import RateLimitItemPerMinute
from limits.aio.storage import Storage
from limits.aio.strategies import MovingWindowRateLimiter

from signaller.errors import RateLimitExceeded
from signaller.model import Allowance, Rate

MAX_PER_MINUTE = 60_000
"""No rate is higher, whatever a gateway's JWT says: a window keeps the time of every hit, some
10 bytes each in Redis and 32 in memory."""


class Limits:
    """Counts across all replicas that share a storage."""

    def __init__(self, storage: Storage) -> None:
        """`storage` gives times as `stores.windows` does: in seconds from now."""
        self._limiter = MovingWindowRateLimiter(storage)

    async def take(self, rates: Sequence[Rate]) -> Allowance | None:
        """Count one in each bucket, in order, up to the first that refuses.

        Gives what is left of the tightest, None without a rate. Raises RateLimitExceeded and
        StoreUnavailable; what was counted before stays counted.
        """
        allowances = [await self._take(rate) for rate in rates]
        return min(allowances, key=lambda each: each.remaining, default=None)

    async def _take(self, rate: Rate) -> Allowance:
        item = _PerMinute(min(rate.per_minute, MAX_PER_MINUTE))
        allowed = await self._limiter.hit(item, rate.bucket)
        window = await self._limiter.get_window_stats(item, rate.bucket)
        if not allowed:
            # A hit may have left the window between the two questions.
            wait_seconds = max(0.0, window.reset_time) if window.remaining <= 0 else 0.0
            raise RateLimitExceeded(
                f"{rate.bucket}: {item.amount} a minute",
                limit=item.amount,
                reset_seconds=wait_seconds,
            )
        # All of it is back when the hit that was just counted has left.
        return Allowance(
            limit=item.amount, remaining=window.remaining, reset_seconds=item.get_expiry()
        )


class _PerMinute(RateLimitItemPerMinute):
    """A limit that is no part of its key: hits still count after it has changed."""

    def key_for(self, *identifiers: bytes | str | int | float) -> str:
        return "/".join(str(each) for each in identifiers)
