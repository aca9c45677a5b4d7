"""Moving windows for the library `limits`: when each of a bucket's newest hits was.

Its own storages do not do: the one over Redis takes the time from each replica and knows neither
our Cluster nor our time-outs, the one in memory walks all keys at every hit.
"""

import math
from abc import ABC
from collections import deque
from typing import NoReturn

from limits.aio.storage import MovingWindowSupport, Storage

from signaller.model import rate_owner
from signaller.ports import Clock
from signaller.stores.expiring import ExpiringMap
from signaller.stores.scripts import Script
from signaller.stores.steps import Steps

BUCKET_BYTES, HIT_BYTES = 1200, 32
"""Of a window in memory, measured."""
MAX_BYTES = 128 * 1024 * 1024
"""A caller's share of it has 16 windows of the highest rate there is (`MAX_PER_MINUTE`)."""


class Windows(Storage, MovingWindowSupport, ABC):
    """Moving windows and nothing else; times are in seconds from now, 0 or less.

    Not Unix time: whose clock it is, only the storage knows. So a `WindowStats.reset_time` says
    in how many seconds one more is allowed in a full window.
    """

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """None for the library to wrap: what fails here is StoreUnavailable already."""
        return ()

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Not here."""
        _not_a_counter()

    async def get(self, key: str) -> int:
        """Not here."""
        _not_a_counter()

    async def get_expiry(self, key: str) -> float:
        """Not here."""
        _not_a_counter()

    async def check(self) -> bool:
        """Not here."""
        raise NotImplementedError("readiness is the store's to say, which shares its connections")

    async def reset(self) -> int | None:
        """Not here."""
        raise NotImplementedError("nobody may forget everybody's hits")

    async def clear(self, key: str) -> None:
        """Not here."""
        raise NotImplementedError("hits leave a window by getting old, and in no other way")


def _not_a_counter() -> NoReturn:
    raise NotImplementedError("the counters of fixed windows are not kept, only moving windows")


class MemoryWindows(Windows):
    """Windows of one process. Atomic because no step awaits anything."""

    def __init__(self, clock: Clock, max_buckets: int) -> None:
        super().__init__()
        self._clock = clock
        # Oldest hit first; at most as many as the bucket's limit, and gone with the newest. Of a
        # caller at its share the bucket goes that nobody has counted in for longest.
        self._buckets: ExpiringMap[deque[float]] = ExpiringMap(
            clock, "rate buckets", max_entries=max_buckets, max_bytes=MAX_BYTES
        )

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount` hits unless there would be more than `limit` in `expiry` seconds."""
        hits, now = self._window(key, expiry)
        if len(hits) + amount > limit:
            return False
        self._keep(key, hits, math.ceil(now + expiry), len(hits) + amount)
        hits.extend([now] * amount)
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the oldest of the newest `limit` hits was, and how many these are."""
        hits, now = self._window(key, expiry)
        count = min(len(hits), limit)
        return (hits[-count] - now if count else 0.0), count

    async def take_back(self, key: str) -> None:
        """Take the newest hit out of a bucket again, if there is one."""
        hits = self._buckets.get(key)
        if hits:
            hits.pop()

    def _window(self, key: str, expiry: int) -> tuple[deque[float], float]:
        known = self._buckets.get(key)
        hits, now = known if known is not None else deque[float](), self._clock()
        while hits and hits[0] <= now - expiry:
            hits.popleft()
        if hits and hits[-1] > now:  # the clock was set back
            # As if made just now: dropped, they would let too many through; left as they are, they
            # would count until the clock is there again, and bar the bucket for so long.
            ahead = sum(1 for hit in hits if hit > now)
            for _ in range(ahead):
                hits.pop()
            hits.extend([now] * ahead)
            self._keep(key, hits, math.ceil(now + expiry), len(hits))
        return hits, now

    def _keep(self, key: str, hits: deque[float], expires_at: int, count: int) -> None:
        size = BUCKET_BYTES + HIT_BYTES * count
        self._buckets.put(key, hits, expires_at, owner=rate_owner(key), size=size)


# A bucket is a list of times in microseconds, newest first. Redis's own clock, because those of
# replicas differ; it may be another one after a failover, or set back. Hits that lie ahead of it
# count as made just now, once and for all: they must neither be forgotten nor bar the bucket until
# the clock is there again. To pop first matters: a full Redis lets a script push what it popped.
_NOW = """
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2]) * 1000000
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local stamp, ahead = string.format('%.0f', now), 0
local newest = redis.call('LINDEX', KEYS[1], 0)
while newest and tonumber(newest) > now do
  redis.call('LPOP', KEYS[1])
  ahead, newest = ahead + 1, redis.call('LINDEX', KEYS[1], 0)
end
for _ = 1, ahead do redis.call('LPUSH', KEYS[1], stamp) end
if ahead > 0 then redis.call('PEXPIRE', KEYS[1], window / 1000) end
"""

ACQUIRE = Script(f"""
{_NOW}
local amount = tonumber(ARGV[3])
if amount > limit then return 0 end
local hit = redis.call('LINDEX', KEYS[1], limit - amount)
if hit and tonumber(hit) > now - window then return 0 end
for _ = 1, amount do redis.call('LPUSH', KEYS[1], stamp) end
redis.call('LTRIM', KEYS[1], 0, limit - 1)
redis.call('PEXPIRE', KEYS[1], window / 1000)
return 1
""")
"""KEYS: the bucket; ARGV: limit, seconds, how many hits. 1 if they are allowed, and counted."""

COUNT = Script(f"""
{_NOW}
local count, above = 0, math.min(limit, redis.call('LLEN', KEYS[1]))
local oldest = now
while count < above do
  local middle = math.ceil((count + above) / 2)
  local hit = tonumber(redis.call('LINDEX', KEYS[1], middle - 1))
  if hit > now - window then count, oldest = middle, hit else above = middle - 1 end
end
return {{count, now - oldest}}
""")
"""KEYS: the bucket; ARGV: limit, seconds. How many hits, and the oldest one's age (us)."""


class RedisWindows(Windows):
    """Windows that all replicas share. Every method raises StoreUnavailable."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._steps = steps

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount` hits unless there would be more than `limit` in `expiry` seconds."""
        arguments = (limit, expiry, amount)
        return bool(await self._steps.script("take", ACQUIRE, _bucket_key(key), *arguments))

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the oldest of the newest `limit` hits was, and how many these are."""
        arguments = (limit, expiry)
        count, age = await self._steps.script("count", COUNT, _bucket_key(key), *arguments)
        return -age / 1_000_000, count

    async def take_back(self, key: str) -> None:
        """Take the newest hit out of a bucket again, if there is one."""
        bucket = _bucket_key(key)
        await self._steps.command("take_back", bucket, "LPOP", bucket)


def _bucket_key(key: str) -> str:
    # Any text will do, braces included: a script touches this one key, so its slot is its own.
    return f"signaller:{{{key}}}:window"
