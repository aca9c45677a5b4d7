"""The shared store: a Redis, its Sentinels or a Cluster; every step is one bounded round trip."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from redis.exceptions import NoScriptError, RedisClusterException, RedisError

from signaller.errors import StoreUnavailable
from signaller.model import Call, Grant
from signaller.ports import Clock
from signaller.secret import Secret
from signaller.stores.connecting import MAX_CONNECTIONS, Connected, connect
from signaller.stores.records import call_from_json, call_to_json, grant_from_json, grant_to_json
from signaller.stores.scripts import GIVE_BACK, REDEEM, Script
from signaller.stores.urls import parse_redis_url


class RedisStore:
    """Grants and calls that several replicas share."""

    def __init__(self, connected: Connected, *, timeout_seconds: float, clock: Clock) -> None:
        self._connected = connected
        # redis-py types replies by command and protocol; here each is checked where it is read.
        self._client: Any = connected.client
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        # redis-py's pools fail when exhausted; waiting within the step's time is kinder to bursts.
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)

    @classmethod
    def from_url(cls, url: Secret, *, timeout_seconds: float, clock: Clock) -> "RedisStore":
        """A store for one of the URLs in `urls`; raises ConfigError and does no I/O."""
        connected = connect(parse_redis_url(url), timeout_seconds)
        return cls(connected, timeout_seconds=timeout_seconds, clock=clock)

    async def put_grant(self, grant: Grant) -> None:
        """Keep a grant until `grant.terms.start_by`, in one command with its TTL."""
        record = f"{grant.terms.uses}:{grant_to_json(grant)}"
        key, start_by = _grant_key(grant.id), grant.terms.start_by
        await self._step("put_grant", lambda: self._client.set(key, record, exat=start_by))

    async def redeem(self, grant_id: str) -> Grant | None:
        """Take one use, atomically; None once the uses are spent or the grant has expired."""
        reply = await self._step("redeem", lambda: self._run(REDEEM, _grant_key(grant_id)))
        if reply is None:
            return None
        grant = grant_from_json(reply)
        # Redis expires by its own clock, which may be behind ours.
        return grant if self._clock() < grant.terms.start_by else None

    async def give_back(self, grant: Grant) -> None:
        """Undo one `redeem`; a grant never gets more uses than it was minted with."""
        terms = grant.terms
        if terms.start_by <= self._clock():
            return
        key, record = _grant_key(grant.id), grant_to_json(grant)
        await self._step(
            "give_back", lambda: self._run(GIVE_BACK, key, record, terms.start_by, terms.uses)
        )

    async def put_call(self, call: Call) -> None:
        """Remember a call until `call.deadline`, in one command with its TTL."""
        key, record = _call_key(call.id), call_to_json(call)
        await self._step("put_call", lambda: self._client.set(key, record, exat=call.deadline))

    async def get_call(self, call_id: str) -> Call | None:
        """The call, or None when it is unknown or past its deadline."""
        reply = await self._step("get_call", lambda: self._client.get(_call_key(call_id)))
        if reply is None:
            return None
        call = call_from_json(reply)
        return call if self._clock() < call.deadline else None

    async def ping(self) -> None:
        """Prove that Redis answers a read: in a Cluster, PING would ask every node and replica."""
        await self._step("ping", lambda: self._client.get(_grant_key("ping")))

    async def aclose(self) -> None:
        """Close the pool, and the Sentinels' with it."""
        for close in self._connected.closers:
            await self._step("aclose", close)

    async def _run(self, script: Script, key: str, *arguments: str | int) -> Any:
        """One round trip; a second only after Redis has lost its scripts (restart, failover)."""
        try:
            return await self._client.evalsha(script.sha, 1, key, *arguments)
        except NoScriptError:  # nothing ran, so this is no second attempt
            return await self._client.eval(script.source, 1, key, *arguments)

    async def _step(self, name: str, command: Callable[[], Awaitable[Any]]) -> Any:
        try:
            async with asyncio.timeout(self._timeout_seconds), self._slots:
                return await command()
        except (RedisError, RedisClusterException, OSError, TimeoutError) as error:
            reason = str(error) or f"no answer within {self._timeout_seconds} s"
            raise StoreUnavailable(f"redis {name}: {type(error).__name__}: {reason}") from error


# The braces are a Cluster hash tag: whatever belongs to one id lives in one slot.
def _grant_key(grant_id: str) -> str:
    return f"signaller:{{{grant_id}}}:grant"


def _call_key(call_id: str) -> str:
    return f"signaller:{{{call_id}}}:call"
