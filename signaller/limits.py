"""Holds callers to their rates, with the library `limits` over windows that the store shares."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from limits import RateLimitItemPerMinute
from limits.aio.storage import Storage
from limits.aio.strategies import MovingWindowRateLimiter

from signaller.errors import RateLimitExceeded
from signaller.model import Allowance, Rate
from signaller.policy import MAX_PER_MINUTE

TakeBack = Callable[[str], Awaitable[None]]
"""Takes the newest hit out of a bucket again, which the library cannot."""


class Limits:
    """Counts across all replicas that share a storage."""

    def __init__(self, storage: Storage, take_back: TakeBack) -> None:
        """`storage` gives times as `stores.windows` does: in seconds from now."""
        self._take_back = take_back
        self._limiter = MovingWindowRateLimiter(storage)

    async def take(self, rates: Sequence[Rate]) -> Allowance | None:
        """Count one in each bucket if all of them allow it, in none if one refuses.

        Gives what is left of the tightest, None without a rate. Raises RateLimitExceeded, with
        the longest wait of those that refuse, and StoreUnavailable.
        """
        windows = [await self._window(rate) for rate in rates]
        _refuse_if_full(windows)
        for window in windows:
            # The hits decide: of many at once, those that were a little late may have counted in
            # buckets before the one that is full now, never the other way round.
            if not await self._limiter.hit(_item(window.rate), window.rate.bucket):
                _refuse_if_full([await self._window(rate) for rate in rates])
                raise _refusal(window)  # a hit has left the window since
        allowances = [_left_of(window) for window in windows]
        return min(allowances, key=lambda each: each.remaining, default=None)

    async def take_back(self, rates: Sequence[Rate]) -> None:
        """Take one hit out of each bucket again. Raises StoreUnavailable."""
        for rate in rates:
            await self._take_back(rate.bucket)

    async def _window(self, rate: Rate) -> "_Window":
        stats = await self._limiter.get_window_stats(_item(rate), rate.bucket)
        # In a window with room, one more is allowed at once.
        wait_seconds = max(0.0, stats.reset_time) if stats.remaining <= 0 else 0.0
        return _Window(rate=rate, remaining=stats.remaining, wait_seconds=wait_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    rate: Rate
    remaining: int
    wait_seconds: float
    """Until one more is allowed."""


def _refuse_if_full(windows: Sequence[_Window]) -> None:
    full = [window for window in windows if window.remaining <= 0]
    if full:
        raise _refusal(max(full, key=lambda window: window.wait_seconds))


def _refusal(window: _Window) -> RateLimitExceeded:
    limit = _item(window.rate).amount
    return RateLimitExceeded(
        f"{window.rate.bucket}: {limit} a minute", limit=limit, reset_seconds=window.wait_seconds
    )


def _left_of(window: _Window) -> Allowance:
    item = _item(window.rate)
    # All of it is back when the hit that was just counted has left.
    return Allowance(
        limit=item.amount, remaining=window.remaining - 1, reset_seconds=item.get_expiry()
    )


def _item(rate: Rate) -> RateLimitItemPerMinute:
    return _PerMinute(min(rate.per_minute, MAX_PER_MINUTE))


class _PerMinute(RateLimitItemPerMinute):
    """A limit that is no part of its key: hits still count after it has changed."""

    def key_for(self, *identifiers: bytes | str | int | float) -> str:
        return "/".join(str(each) for each in identifiers)
