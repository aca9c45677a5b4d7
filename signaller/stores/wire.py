"""One connection to Redis, from its opening to its end, and the steps that share it.

redis-py opens it and logs in; from then on it is read and written here. What steps say at the same
time leaves in one write, replies come back in the same order; nothing is written twice, and nothing
after a failure.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from redis.exceptions import ReadOnlyError, RedisError

from signaller.stores.replies import Replies
from signaller.stores.waiting import Waiting

Opening = Callable[[], Awaitable[Any]]
"""Where Redis is now: a connection of redis-py's yet to be opened, whose methods have no types."""


class Wire(asyncio.Protocol):
    """It opens at once, and ends at the first failure, which all steps share that wait then."""

    def __init__(self, opening: Opening) -> None:
        loop = asyncio.get_running_loop()
        self._opening = opening
        self.waiting = Waiting(on_silence=lambda: self.end("gave no answer in time"))
        self._replies = Replies()
        self._connection: Any = None
        self._transport: Any = None
        """Neither of them before it is open."""
        self._over = False
        self._closed = loop.create_future()
        self.task = loop.create_task(self._run())

    @property
    def usable(self) -> bool:
        """It takes one more step."""
        if self._over or self._transport is None:
            return not self._over
        return not (self._transport.is_closing() or self._connection.should_reconnect())

    def ask(self, raw: bytes, expected: int, until: float) -> asyncio.Future[list[Any]]:
        """The replies to so many commands."""
        future = self.waiting.add(raw, expected, until)
        if self._transport is not None:
            # No drain: what lies in the buffer belongs to steps that wait for it to be answered.
            self._transport.write(raw)
        return future

    def end(self, why: str) -> None:
        """Fail whoever waits, and hang up: `task` is done when that is."""
        if not self._over:
            self._fail(why)
            self.task.cancel()

    def data_received(self, data: bytes) -> None:
        """Replies, or a part of one."""
        try:
            for reply in self._replies.of(data):
                if isinstance(reply, ReadOnlyError):
                    # No master any more: the next step looks for it. The error is its step's.
                    self._connection.mark_for_reconnect()
                self.waiting.settle(reply)
        except RedisError as error:  # not the protocol, or more than was asked for
            self.end(f"failed: {type(error).__name__}: {error}")
        if not self.waiting and self._connection.should_reconnect():
            self.end("is not needed any more")

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, whoever brought it about."""
        self._fail(f"failed: {exc or 'closed by Redis'}")
        if not self._closed.done():  # whoever awaited it may have been cancelled
            self._closed.set_result(None)

    def _fail(self, why: str) -> None:
        self._over = True
        self.waiting.fail(why)

    async def _run(self) -> None:
        connection = None
        try:
            connection = await self._opening()
            await connection.connect()
            await self._carry(connection)
        except (RedisError, OSError) as error:
            self._fail(f"failed: {type(error).__name__}: {error}")
        finally:
            self._fail("has ended")  # nobody waits for what is not read, whatever happened
            if connection is not None:
                await _hang_up(connection)

    async def _carry(self, connection: Any) -> None:
        """Read and write in redis-py's place until it is over."""
        # redis-py would take a task and two streams for each reply, connect anew behind our back,
        # and write for one step at a time.
        transport = connection._writer.transport
        before = transport.get_protocol()
        transport.set_protocol(self)
        self._connection, self._transport = connection, transport
        transport.writelines(self.waiting.still_wanted())
        try:
            await asyncio.shield(self._closed)
        finally:
            transport.abort()  # what Redis has not taken yet would be done later
            await self._closed
            before.connection_lost(None)  # which redis-py waits for


async def _hang_up(connection: Any) -> None:
    with contextlib.suppress(RedisError, OSError):
        await connection.disconnect()
