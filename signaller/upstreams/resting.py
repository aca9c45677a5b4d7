"""Connections at rest: the last used goes out first, so that those not needed grow old and end."""

import asyncio

from signaller.upstreams.address import Origin
from signaller.upstreams.connection import Connection

IDLE_SECONDS = 15.0
"""Shorter than any known provider's keep-alive: a reused connection should not be a stale one."""


class Resting:
    """A stack of connections for each origin, and one timer for all of them."""

    def __init__(self, idle_seconds: float) -> None:
        self._idle_seconds = idle_seconds
        self._stacks: dict[Origin, list[Connection]] = {}  # the last used at the end
        self._timer: asyncio.TimerHandle | None = None

    def take(self, origin: Origin) -> Connection | None:
        """One that is open and young enough."""
        stack = self._stacks.get(origin)
        if not stack:
            return None
        newest = asyncio.get_running_loop().time() - self._idle_seconds
        while stack:
            connection = stack.pop()
            if connection.idle_since > newest and not connection.closing:
                return connection
            connection.close()
        return None

    def put(self, connection: Connection) -> None:
        """It has nothing to do."""
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._stacks.setdefault(connection.origin, []).append(connection)
        if self._timer is None:
            self._timer = loop.call_later(self._idle_seconds, self._close_old)

    def forget(self, connection: Connection) -> None:
        """It is closed, if it ever was here."""
        stack = self._stacks.get(connection.origin, [])
        if connection in stack:
            stack.remove(connection)

    def give_up_one(self) -> None:
        """Close the one that has rested longest, so that another may be opened elsewhere."""
        longest = [stack[0] for stack in self._stacks.values() if stack]
        if longest:
            connection = min(longest, key=lambda each: each.idle_since)
            self.forget(connection)
            connection.abort()

    def stop(self) -> None:
        """No timer any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _close_old(self) -> None:
        loop = asyncio.get_running_loop()
        newest = loop.time() - self._idle_seconds
        kept: dict[Origin, list[Connection]] = {}
        for origin, stack in self._stacks.items():
            for connection in stack:
                if connection.idle_since > newest:
                    kept.setdefault(origin, []).append(connection)
                else:
                    connection.close()
        self._stacks, self._timer = kept, None
        if kept:
            oldest = min(stack[0].idle_since for stack in kept.values())
            self._timer = loop.call_at(oldest + self._idle_seconds, self._close_old)
