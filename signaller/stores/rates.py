"""Holds callers to their rates: moving windows of a minute that all replicas share."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from signaller.errors import RateLimitExceeded, StoreUnavailable
from signaller.model import (
    Allowance,
    Hit,
)
from signaller.policy import MAX_PER_MINUTE, Rate

WINDOW_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a bucket's window said to one more hit."""

    allowed: bool
    remaining: int
    """How many more it allows after this one; 0 when it was refused."""
    wait_seconds: float = 0.0
    """Until one more is allowed, when it was refused."""
    at: float = field(default=0.0, compare=False)
    """When the hit was counted, in the store's own time."""


class Windows(Protocol):
    """Remembers when each of a bucket's newest hits was. Its methods raise StoreUnavailable."""

    async def take_hit(self, bucket: str, limit: int, *, count: bool = True) -> Window:
        """Count a hit unless there would be more than `limit` in a minute.

        `count=False`: only say whether it would be.
        """

    async def take_hit_back(self, hit: Hit) -> None:
        """Take it out of its bucket again, if it is still there."""


class WindowRates:
    """Rates whose hits a store counts, one step for each bucket."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows

    async def take(self, rates: Sequence[Rate]) -> Allowance | None:
        """Count one in each bucket if all of them allow it, in none if one refuses.

        Gives what is left of the tightest, None without a rate. Raises RateLimitExceeded, with
        the longest wait of those that refuse, and StoreUnavailable.
        """
        if not rates:
            return None
        if len(rates) > 1:
            # Who is refused by one bucket must not take a place in another, which somebody else
            # may need, not even for a moment.
            _check([(rate, await self._ask(rate, count=False)) for rate in rates])
        taken: list[tuple[Rate, Window]] = []
        try:
            for rate in rates:
                window = await self._ask(rate)
                if not window.allowed:  # others came in between
                    raise _refusal(rate, window)
                taken.append((rate, window))
        except (RateLimitExceeded, StoreUnavailable):
            for hit in _hits(taken):
                with suppress(StoreUnavailable):  # what is told is why nothing was taken
                    await self._windows.take_hit_back(hit)
            raise
        tightest, window = min(taken, key=lambda each: each[1].remaining)
        # All of it is back when the hit that was just counted has left.
        return Allowance(
            limit=_limit(tightest),
            remaining=window.remaining,
            reset_seconds=WINDOW_SECONDS,
            hits=_hits(taken),
        )

    async def take_back(self, allowance: Allowance) -> None:
        """Take its hits out of their buckets again. Raises StoreUnavailable."""
        for hit in allowance.hits:
            await self._windows.take_hit_back(hit)

    async def _ask(self, rate: Rate, *, count: bool = True) -> Window:
        return await self._windows.take_hit(rate.bucket, _limit(rate), count=count)


def _hits(taken: Sequence[tuple[Rate, Window]]) -> tuple[Hit, ...]:
    return tuple(Hit(bucket=rate.bucket, at=window.at) for rate, window in taken)


def _limit(rate: Rate) -> int:
    return min(rate.per_minute, MAX_PER_MINUTE)


def _check(seen: Sequence[tuple[Rate, Window]]) -> None:
    refused = [(rate, window) for rate, window in seen if not window.allowed]
    if refused:
        raise _refusal(*max(refused, key=lambda each: each[1].wait_seconds))


def _refusal(rate: Rate, window: Window) -> RateLimitExceeded:
    limit = _limit(rate)
    return RateLimitExceeded(
        f"{rate.bucket}: {limit} a minute", limit=limit, reset_seconds=window.wait_seconds
    )
