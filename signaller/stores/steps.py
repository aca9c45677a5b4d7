"""Round trips to Redis: each has an end in time, or is StoreUnavailable."""

import asyncio
from typing import Any

from redis.exceptions import NoScriptError, RedisError

from signaller.errors import StoreUnavailable
from signaller.stores.connecting import Link
from signaller.stores.scripts import Script
from signaller.stores.sending import Command


class Steps:
    """Everything that one process asks of its Redis, over one link."""

    def __init__(self, link: Link, timeout_seconds: float, replicas: int = 0) -> None:
        """`replicas`: how many must have what `lasting` says, before it counts as done."""
        self._link = link
        self._replicas = replicas
        self._timeout_seconds = timeout_seconds

    async def command(self, name: str, key: str, *command: str | int, lasting: bool = False) -> Any:
        """The reply of a key's owner. Raises StoreUnavailable, which tells the step's name."""
        try:
            return await self._run(key, command, self._deadline(), lasting=lasting)
        except (RedisError, OSError) as error:  # a TimeoutError is an OSError
            raise self._unavailable(name, error) from error

    async def script(
        self, name: str, script: Script, key: str, *arguments: str | int, lasting: bool = False
    ) -> Any:
        """The reply of a script on one key. Raises StoreUnavailable."""
        # One round trip; a second only after Redis has lost its scripts (restart, failover).
        run, until = (1, key, *arguments), self._deadline()
        try:
            try:
                return await self._run(key, ("EVALSHA", script.sha, *run), until, lasting=lasting)
            except NoScriptError:  # nothing ran, so this is no second attempt
                return await self._run(key, ("EVAL", script.source, *run), until, lasting=lasting)
        except (RedisError, OSError) as error:
            raise self._unavailable(name, error) from error

    async def aclose(self) -> None:
        """Close every connection."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._link.aclose()
        except (RedisError, OSError) as error:
            raise self._unavailable("aclose", error) from error

    async def _run(self, key: str, command: Command, until: float, *, lasting: bool) -> Any:
        if not (lasting and self._replicas):
            return (await self._link.execute(key, command, until=until))[0]
        # What only the master has is undone by a failover, and a master that was given up while it
        # was frozen does not know that yet: both would let a token be redeemed twice.
        patience_ms = max(1, int(self._timeout_seconds * 500))  # half a step; 0 would be for ever
        wait = ("WAIT", self._replicas, patience_ms)
        reply, have_it = await self._link.execute(key, command, wait, until=until)
        if have_it < self._replicas:
            raise StoreUnavailable(f"redis: {have_it} of {self._replicas} replicas have it")
        return reply

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._timeout_seconds

    def _unavailable(self, name: str, error: Exception) -> StoreUnavailable:
        reason = str(error) or f"no answer within {self._timeout_seconds} s"
        return StoreUnavailable(f"redis {name}: {type(error).__name__}: {reason}")
