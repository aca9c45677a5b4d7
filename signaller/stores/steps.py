"""Round trips to Redis: each has a connection and an end in time, or is StoreUnavailable."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from redis.exceptions import NoScriptError, RedisError

from signaller.errors import StoreUnavailable
from signaller.stores.connecting import MAX_CONNECTIONS, Link
from signaller.stores.scripts import Script


class Steps:
    """Everything that one process asks of its Redis, over one link."""

    def __init__(self, link: Link, timeout_seconds: float) -> None:
        self._link = link
        self._timeout_seconds = timeout_seconds
        # redis-py's pools fail when exhausted; waiting within the step's time is kinder to bursts.
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)

    async def command(self, name: str, key: str, *command: str | int) -> Any:
        """The reply of a key's owner. Raises StoreUnavailable, which tells the step's name."""
        return await self._bounded(name, self._link.execute(key, *command))

    async def script(self, name: str, script: Script, key: str, *arguments: str | int) -> Any:
        """The reply of a script on one key. Raises StoreUnavailable."""
        return await self._bounded(name, self._run(script, key, *arguments))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._bounded("aclose", self._link.aclose())

    async def _run(self, script: Script, key: str, *arguments: str | int) -> Any:
        """One round trip; a second only after Redis has lost its scripts (restart, failover)."""
        try:
            return await self._link.execute(key, "EVALSHA", script.sha, 1, key, *arguments)
        except NoScriptError:  # nothing ran, so this is no second attempt
            return await self._link.execute(key, "EVAL", script.source, 1, key, *arguments)

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
