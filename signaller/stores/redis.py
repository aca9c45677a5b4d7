"""The shared store: a Redis, its Sentinels or a Cluster; every step is one bounded round trip."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from redis.exceptions import NoScriptError, RedisError

from signaller.errors import StoreUnavailable
from signaller.model import Call, Grant
from signaller.ports import Clock
from signaller.secret import Secret
from signaller.stores.connecting import MAX_CONNECTIONS, Link, connect
from signaller.stores.records import call_from_json, call_to_json, grant_from_json, grant_to_json
from signaller.stores.scripts import GIVE_BACK, REDEEM, Script
from signaller.stores.urls import parse_redis_url

PING_SECONDS = 5
"""Nothing reads it; it has a TTL because everything has."""


class RedisStore:
    """Grants and calls that several replicas share."""

    def __init__(self, link: Link, *, timeout_seconds: float, clock: Clock) -> None:
        self._link = link
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        # redis-py's pools fail when exhausted; waiting within the step's time is kinder to bursts.
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)

    @classmethod
    def from_url(cls, url: Secret, *, timeout_seconds: float, clock: Clock) -> "RedisStore":
        """A store for one of the URLs in `urls`; raises ConfigError and does no I/O."""
        link = connect(parse_redis_url(url), timeout_seconds)
        return cls(link, timeout_seconds=timeout_seconds, clock=clock)

    async def put_grant(self, grant: Grant) -> None:
        """Keep a grant until `grant.terms.start_by`, in one command with its TTL."""
        key, record = _grant_key(grant.id), f"{grant.terms.uses}:{grant_to_json(grant)}"
        await self._set("put_grant", key, record, grant.terms.start_by)

    async def redeem(self, grant_id: str) -> Grant | None:
        """Take one use, atomically; None once the uses are spent or the grant has expired."""
        reply = await self._step("redeem", self._run(REDEEM, _grant_key(grant_id)))
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
        await self._step("give_back", self._run(GIVE_BACK, key, record, terms.start_by, terms.uses))

    async def put_call(self, call: Call) -> None:
        """Remember a call until `call.deadline`, in one command with its TTL."""
        await self._set("put_call", _call_key(call.id), call_to_json(call), call.deadline)

    async def get_call(self, call_id: str) -> Call | None:
        """The call, or None when it is unknown or past its deadline."""
        key = _call_key(call_id)
        reply = await self._step("get_call", self._link.execute(key, "GET", key))
        if reply is None:
            return None
        call = call_from_json(reply)
        return call if self._clock() < call.deadline else None

    async def ping(self) -> None:
        """Prove that Redis takes a write: one that is full or a replica answers reads and PING."""
        key = _grant_key("ping")
        await self._step("ping", self._link.execute(key, "SET", key, "", "EX", PING_SECONDS))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._step("aclose", self._link.aclose())

    async def _set(self, step: str, key: str, record: str, expires_at: int) -> None:
        await self._step(step, self._link.execute(key, "SET", key, record, "EXAT", expires_at))

    async def _run(self, script: Script, key: str, *arguments: str | int) -> Any:
        """One round trip; a second only after Redis has lost its scripts (restart, failover)."""
        try:
            return await self._link.execute(key, "EVALSHA", script.sha, 1, key, *arguments)
        except NoScriptError:  # nothing ran, so this is no second attempt
            return await self._link.execute(key, "EVAL", script.source, 1, key, *arguments)

    async def _step(self, name: str, command: Coroutine[Any, Any, Any]) -> Any:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                async with self._slots:
                    return await command
        except (RedisError, OSError, TimeoutError) as error:
            reason = str(error) or f"no answer within {self._timeout_seconds} s"
            raise StoreUnavailable(f"redis {name}: {type(error).__name__}: {reason}") from error
        finally:
            command.close()  # it may still wait for its slot, never begun


# The braces are a Cluster hash tag: whatever belongs to one id lives in one slot.
def _grant_key(grant_id: str) -> str:
    return f"signaller:{{{grant_id}}}:grant"


def _call_key(call_id: str) -> str:
    return f"signaller:{{{call_id}}}:call"
