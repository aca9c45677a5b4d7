"""The shared store: a Redis, its Sentinels or a Cluster; every step is one bounded round trip."""

import math
import time

from signaller.errors import StoreUnavailable
from signaller.model import Call, Grant, Returned, Spent, Turn
from signaller.ports import Clock
from signaller.secret import Secret
from signaller.stores.connecting import Link, connect
from signaller.stores.records import (
    call_from_json,
    call_to_json,
    grant_from_json,
    grant_to_json,
    trail_from_lines,
    uses_from_count,
)
from signaller.stores.scripts import (
    BEGIN_ENDING,
    DROP_WARM,
    GIVE_BACK,
    LINK,
    PAUSE_ENDING,
    PUT_WARM,
    REDEEM,
)
from signaller.stores.steps import Steps
from signaller.stores.urls import check_tls_files, parse_redis_url
from signaller.stores.windows import RedisWindows

PING_SECONDS = 5
"""Nothing reads it; it has a TTL because everything has."""

COUNT_BYTES = 16
"""Of a grant's record: more than any count of uses has, with its colon."""

MAX_WARM_OF_ONE = 1024
MAX_WARM_BYTES_OF_ONE = 4 * 1024 * 1024
"""Warm secrets of one caller. Most take some 4 KB, so that both are reached together; it is a
sixteenth of the Redis in docker-compose.yml. Beyond it are those of end users who come once."""


class RedisStore:
    """Grants and calls that several replicas share."""

    def __init__(
        self, link: Link, *, timeout_seconds: float, clock: Clock, replicas: int = 0
    ) -> None:
        self._steps = Steps(link, timeout_seconds, replicas)
        self._replicas = replicas
        self._clock = clock
        self._proved_at = -math.inf  # by the monotonic clock

    @classmethod
    def from_url(cls, url: Secret, *, timeout_seconds: float, clock: Clock) -> "RedisStore":
        """A store for one of the URLs in `urls`; raises ConfigError, and connects to nothing."""
        address = parse_redis_url(url)
        check_tls_files(address)
        link = connect(address, timeout_seconds)
        return cls(link, timeout_seconds=timeout_seconds, clock=clock, replicas=address.replicas)

    async def put_grant(self, grant: Grant) -> None:
        """Keep a grant until `grant.terms.start_by`, in one command with its TTL."""
        key, record = _grant_key(grant.id), f"{grant.terms.uses}:{grant_to_json(grant)}"
        await self._set("put_grant", key, record, grant.terms.start_by)

    async def redeem(self, grant_id: str, *, withheld: int = 0) -> Grant | Spent | None:
        """Take one use, atomically; Spent if none is left, and from then on it is replayed."""
        key = _grant_key(grant_id)
        reply = await self._steps.script("redeem", REDEEM, key, withheld, lasting=True)
        if reply is None:
            return None
        if isinstance(reply, list):
            return Spent(call_ids=trail_from_lines(reply[0]))
        grant = grant_from_json(reply)
        # Redis expires by its own clock, which may be behind ours.
        return grant if self._clock() < grant.terms.start_by else None

    async def give_back(self, grant: Grant, *, at_most: int | None = None) -> Returned:
        """Undo one `redeem`; a grant never gets more uses than it was minted with."""
        if grant.terms.start_by <= self._clock():
            return Returned(given_back=False, uses_left=0)
        key, record = _grant_key(grant.id), grant_to_json(grant)
        bound = -1 if at_most is None else at_most
        given_back, uses_left = await self._steps.script(
            "give_back", GIVE_BACK, key, record, grant.terms.uses, bound
        )
        return Returned(given_back=bool(given_back), uses_left=uses_left)

    async def uses_left(self, grant_id: str) -> int:
        """How many more calls a grant may start, by Redis's clock; its body stays unread."""
        key = _grant_key(grant_id)
        reply = await self._steps.command("uses_left", key, "GETRANGE", key, 0, COUNT_BYTES - 1)
        return uses_from_count(reply)

    async def revoke(self, grant_id: str) -> None:
        """Let a grant be no more, its trail included; even a full Redis does."""
        key = _grant_key(grant_id)
        await self._steps.command("revoke", key, "DEL", key, lasting=True)

    async def link(self, grant: Grant, call_id: str) -> bool:
        """Remember, until the grant expires, that it began a call; False if it was replayed."""
        # Whether it has expired is for Redis alone to say: its clock also decides whether another
        # replica's replay still finds this call.
        reply = await self._steps.script("link", LINK, _grant_key(grant.id), call_id)
        return bool(reply)

    async def put_warm(self, name: str, sealed: str, until: int) -> bool:
        """Keep a sealed secret until then, and end the claim to it; False without room."""
        key, last_ms = _warm_list(name), until * 1000 - 1
        limits = (MAX_WARM_OF_ONE, MAX_WARM_BYTES_OF_ONE)
        step = self._steps.script("put_warm", PUT_WARM, key, name, sealed, last_ms, *limits)
        return bool(await step)

    async def get_warm(self, name: str) -> str | None:
        """The sealed secret of that name, if it is still there."""
        key = _warm_key(name)
        reply = await self._steps.command("get_warm", key, "GET", key)
        return None if reply is None else reply.decode("ascii", "replace")

    async def drop_warm(self, record: str) -> None:
        """Forget it, unless another one has taken its place."""
        name, _, digest = record.rpartition(".")
        await self._steps.script("drop_warm", DROP_WARM, _warm_list(name), name, digest)

    async def claim_warm(self, name: str, seconds: int) -> bool:
        """Be the one that makes it new: the first of all replicas, for so long."""
        key = f"{_warm_key(name)}:claim"
        reply = await self._steps.command("claim_warm", key, "SET", key, "", "NX", "EX", seconds)
        return reply is not None

    async def pause_warm(self, name: str, seconds: int) -> None:
        """Let nobody make it new for so long; 0: whoever asks next may."""
        key = f"{_warm_key(name)}:claim"
        pause = ("SET", key, "", "EX", seconds) if seconds else ("DEL", key)
        await self._steps.command("pause_warm", key, *pause)

    async def put_call(self, call: Call) -> None:
        """Remember a call until `call.deadline`, in one command with its TTL."""
        await self._set("put_call", _call_key(call.id), call_to_json(call), call.deadline)

    async def get_call(self, call_id: str) -> Call | None:
        """The call, or None when it is unknown or past its deadline."""
        key = _call_key(call_id)
        reply = await self._steps.command("get_call", key, "GET", key)
        if reply is None:
            return None
        call = call_from_json(reply)
        return call if self._clock() < call.deadline else None

    async def begin_ending(self, call: Call, *, seconds: float, at_most: int) -> Turn:
        """Be the only one of all replicas who asks for a call's end, by Redis's clock."""
        key, last_ms = _ending_key(call.id), call.deadline * 1000
        busy_ms = math.ceil(seconds * 1000)
        attempt, wait_ms = await self._steps.script(
            "begin_ending", BEGIN_ENDING, key, at_most, busy_ms, last_ms
        )
        return Turn(attempt=attempt, wait_seconds=math.inf if wait_ms < 0 else wait_ms / 1000)

    async def pause_ending(self, call: Call, *, seconds: float) -> None:
        """End one's turn."""
        pause_ms = math.ceil(seconds * 1000)
        await self._steps.script("pause_ending", PAUSE_ENDING, _ending_key(call.id), pause_ms)

    async def ping(self, *, within_seconds: float = 0) -> None:
        """Prove that Redis keeps a write: one that is full or a replica answers reads and PING."""
        # A master that kept a write a moment ago may have lost its replicas since.
        if not self._replicas and time.monotonic() < self._proved_at + within_seconds:
            return
        key = _grant_key("ping")
        await self._steps.command("ping", key, "SET", key, "", "EX", PING_SECONDS, lasting=True)
        self._proved_at = time.monotonic()

    def windows(self) -> RedisWindows:
        """Moving windows in the same Redis, over the same connections."""
        return RedisWindows(self._steps)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._steps.aclose()

    async def _set(self, step: str, key: str, record: str, expires_at: int) -> None:
        # Redis keeps a key through the millisecond it expires in; ours are over when that begins.
        last_ms = expires_at * 1000 - 1
        try:
            await self._steps.command(step, key, "SET", key, record, "PXAT", last_ms)
        except StoreUnavailable:
            self._proved_at = -math.inf
            raise


# The braces are a Cluster hash tag: whatever belongs to one id lives in one slot.
def _grant_key(grant_id: str) -> str:
    return f"signaller:{{{grant_id}}}:grant"


def _call_key(call_id: str) -> str:
    return f"signaller:{{{call_id}}}:call"


def _ending_key(call_id: str) -> str:
    return f"signaller:{{{call_id}}}:ending"


def _warm_list(name: str) -> str:
    """What lists one owner's warm secrets; they are in its slot, so that one script reaches all."""
    return f"signaller:{{{name.partition('.')[0]}}}:warm"


def _warm_key(name: str) -> str:
    return f"{_warm_list(name)}:{name}"
