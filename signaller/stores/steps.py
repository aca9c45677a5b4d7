"""Round trips to Redis: each has a connection and an end in time, or is StoreUnavailable."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from redis.exceptions import NoScriptError, RedisError

from signaller.errors import StoreUnavailable
from signaller.stores.connecting import MAX_CONNECTIONS, Link
from signaller.stores.scripts import Script
from signaller.stores.sending import Command


class Steps:
    """Everything that one process asks of its Redis, over one link."""

    def __init__(self, link: Link, timeout_seconds: float, replicas: int = 0) -> None:
        """`replicas`: how many must have what `lasting` says, before it counts as done."""
        self._link = link
        self._replicas = replicas
        self._timeout_seconds = timeout_seconds
        # redis-py's pools fail when exhausted; waiting within the step's time is kinder to bursts.
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)

    async def command(self, name: str, key: str, *command: str | int, lasting: bool = False) -> Any:
        """The reply of a key's owner. Raises StoreUnavailable, which tells the step's name."""
        return await self._bounded(name, self._run(key, command, lasting=lasting))

    async def script(
        self, name: str, script: Script, key: str, *arguments: str | int, lasting: bool = False
    ) -> Any:
        """The reply of a script on one key. Raises StoreUnavailable."""
        return await self._bounded(name, self._run_script(script, key, arguments, lasting=lasting))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._bounded("aclose", self._link.aclose())

    async def _run_script(
        self, script: Script, key: str, arguments: Command, *, lasting: bool
    ) -> Any:
        """One round trip; a second only after Redis has lost its scripts (restart, failover)."""
        run = (1, key, *arguments)
        try:
            return await self._run(key, ("EVALSHA", script.sha, *run), lasting=lasting)
        except NoScriptError:  # nothing ran, so this is no second attempt
            return await self._run(key, ("EVAL", script.source, *run), lasting=lasting)

    async def _run(self, key: str, command: Command, *, lasting: bool) -> Any:
        if not (lasting and self._replicas):
            return (await self._link.execute(key, command))[0]
        # What only the master has is undone by a failover, and a master that was given up while it
        # was frozen does not know that yet: both would let a token be redeemed twice.
        patience_ms = max(1, int(self._timeout_seconds * 500))  # half a step; 0 would be for ever
        wait = ("WAIT", self._replicas, patience_ms)
        reply, have_it = await self._link.execute(key, command, wait)
        if have_it < self._replicas:
            raise StoreUnavailable(f"redis: {have_it} of {self._replicas} replicas have it")
        return reply

    async def _bounded(self, name: str, command: Coroutine[Any, Any, Any]) -> Any:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                async with self._slots:
                    return await command
        except (RedisError, OSError, TimeoutError) as error:
            reason = str(error) or f"no answer within {self._timeout_seconds} s"
            raise StoreUnavailable(f"redis {name}: {type(error).__name__}: {reason}") from error
        finally:
            command.close()  # it may still wait for its slot, never begun
