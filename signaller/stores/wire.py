"""One connection to Redis, from its opening to its end, and the steps that share it.

redis-py opens it, logs in and reads replies. What steps say at the same time leaves in one write,
replies come back in the same order; nothing is written twice, and nothing after a failure.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from signaller.stores.waiting import Waiting

Opening = Callable[[], Awaitable[Any]]
"""Where Redis is now: a connection of redis-py's yet to be opened, whose methods have no types."""


class Wire:
    """It opens at once, and ends at the first failure, which all steps share that wait then."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self.waiting = Waiting(on_silence=lambda: self.end("gave no answer in time"))
        self._connection: Any = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        """None of them before it is open."""
        self._over = False
        self.task = asyncio.get_running_loop().create_task(self._run())

    @property
    def usable(self) -> bool:
        """It takes one more step."""
        if self._over or self._reader is None or self._writer is None:
            return not self._over
        if self._reader.at_eof() or self._writer.is_closing():
            return False  # which the task, that reads, has yet to be told
        return not self._connection.should_reconnect()

    def ask(self, raw: bytes, expected: int, until: float) -> asyncio.Future[list[Any]]:
        """The replies to so many commands."""
        future = self.waiting.add(raw, expected, until)
        if self._writer is not None:
            # No drain: what lies in the buffer belongs to steps that wait for it to be answered.
            self._writer.write(raw)
        return future

    def end(self, why: str) -> None:
        """Fail whoever waits, and hang up: `task` is done when that is."""
        if not self._over:
            self._fail(why)
            self.task.cancel()

    def _fail(self, why: str) -> None:
        self._over = True
        self.waiting.fail(why)

    async def _run(self) -> None:
        connection = None
        try:
            connection = await self._opening()
            await connection.connect()
            # redis-py's send_packed_command would connect anew behind our back.
            self._reader, self._writer = connection._reader, connection._writer
            self._connection = connection
            connection._writer.writelines(self.waiting.still_wanted())
            while self.waiting or not connection.should_reconnect():
                await self._read(connection)
        except (RedisError, OSError, ValueError) as error:  # a ValueError is not the protocol
            self._fail(f"failed: {type(error).__name__}: {error}")
        finally:
            self._fail("has ended")  # nobody waits for what is not read, whatever happened
            if connection is not None:
                await _hang_up(connection)

    async def _read(self, connection: Any) -> None:
        try:
            reply = await connection.read_response(disconnect_on_error=False)
        except ResponseError as error:  # it belongs to its step, the connection is well
            reply = error
            if isinstance(error, ReadOnlyError):
                connection.mark_for_reconnect()  # no master any more: the next step looks for it
        self.waiting.settle(reply)


async def _hang_up(connection: Any) -> None:
    if connection._writer is not None:
        # What a silent Redis has not taken yet would keep the socket open, and be done later.
        connection._writer.transport.abort()
    with contextlib.suppress(RedisError, OSError):
        await connection.disconnect()
