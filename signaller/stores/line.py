"""A way to one Redis that steps share: one wire at a time, and another one after a failure."""

import asyncio
from typing import Any

from redis.exceptions import (
    ConnectionError,  # noqa: A004 - redis-py's name
    RedisError,
)

from signaller.stores.sending import Command, packed
from signaller.stores.wire import Opening, Wire

MAX_WAITING = 1000
"""A Redis that answers is done with so many in about 30 ms; more would only wait for one that does
not, each with its record in memory."""

MAX_WAITING_BYTES = 64 * 1024 * 1024
"""Sixteen of the longest sessions that are kept warm; all other records are a kilobyte or two."""


class Line:
    """Connects at the first step, and at the first one after a failure."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._wire: Wire | None = None
        self._wires: set[Wire] = set()
        """The current one, and those that have not ended yet."""
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many steps the next one has before it."""
        return 0 if self._wire is None else len(self._wire.waiting)

    async def execute(self, *commands: Command, until: float) -> list[Any]:
        """The replies. Raises the first that is an error, ConnectionError or TimeoutError."""
        raw, wire = packed(commands), self._wire
        if wire is None or not wire.usable:
            wire = self._renew()
        waiting = wire.waiting
        if len(waiting) >= MAX_WAITING or waiting.total_bytes > MAX_WAITING_BYTES:
            raise RedisError(f"{len(waiting)} steps are waiting already")
        replies = await wire.ask(raw, len(commands), until)
        for reply in replies:
            if isinstance(reply, RedisError):
                raise reply
        return replies

    async def aclose(self) -> None:
        """Fail what waits, and return when nothing is left open."""
        self._closed = True
        wires = tuple(self._wires)
        for wire in wires:
            wire.end("is closed")
        if wires:
            await asyncio.wait([wire.task for wire in wires])

    def _renew(self) -> Wire:
        if self._closed:
            raise ConnectionError("the store is closed")
        if self._wire is not None and not self._wire.waiting:
            self._wire.end("is not needed any more")  # otherwise it ends with its last reply
        wire = self._wire = Wire(self._opening)
        self._wires.add(wire)
        wire.task.add_done_callback(lambda _: self._wires.discard(wire))
        return wire
