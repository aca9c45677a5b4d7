"""Steps that wait for the replies to what they said, in the order in which they said it."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Any

from redis.exceptions import (
    ConnectionError,  # noqa: A004 - redis-py's name
    InvalidResponse,
)


class _Asked:
    """What a step has said, and what has come back."""

    __slots__ = ("expected", "future", "raw", "replies", "until")

    def __init__(
        self, raw: bytes, expected: int, until: float, future: asyncio.Future[list[Any]]
    ) -> None:
        self.raw = raw
        self.expected = expected
        self.until = until
        self.future = future
        self.replies: list[Any] = []


class Waiting:
    """Each keeps its place until its replies are there, even if nobody awaits them any more."""

    def __init__(self, on_silence: Callable[[], None]) -> None:
        self._on_silence = on_silence
        self._loop = asyncio.get_running_loop()
        self._asked: deque[_Asked] = deque()
        # One for all of them: hardly any step is ever late.
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf
        self.total_bytes = 0
        """How much they have said."""

    def __len__(self) -> int:
        return len(self._asked)

    def add(self, raw: bytes, expected: int, until: float) -> asyncio.Future[list[Any]]:
        """The replies, errors of Redis among them. Fails at a moment of the loop's clock."""
        future = self._loop.create_future()
        self._asked.append(_Asked(raw, expected, until, future))
        self.total_bytes += len(raw)
        if until < self._due:
            self._look_at(until)
        return future

    def still_wanted(self) -> list[bytes]:
        """What they said, without the steps that have been given up: these never happen."""
        for asked in [asked for asked in self._asked if asked.future.done()]:
            self._forget(asked)
        return [asked.raw for asked in self._asked]

    def settle(self, reply: Any) -> None:
        """Give it to the first of them. Raises InvalidResponse if nobody waits."""
        if not self._asked:
            raise InvalidResponse("a reply that nobody asked for")
        asked = self._asked[0]
        asked.replies.append(reply)
        if len(asked.replies) == asked.expected:
            self._forget(asked)
            if not asked.future.done():  # otherwise its client has left, and it is thrown away
                asked.future.set_result(asked.replies)

    def fail(self, why: str) -> None:
        """There will be no replies. None of them is told more than this: what ran may have run."""
        self._look_at(math.inf)
        while self._asked:
            asked = self._asked[0]
            self._forget(asked)
            if not asked.future.done():
                asked.future.set_exception(ConnectionError(f"the connection {why}"))

    def _look_at(self, moment: float) -> None:
        """Look for late ones at that moment, and not before."""
        if self._timer is not None:
            self._timer.cancel()
        self._due, self._timer = moment, None
        if moment < math.inf:
            self._timer = self._loop.call_at(moment, self._expire)

    def _expire(self) -> None:
        """Fail those that are late; the others come again."""
        late = [asked for asked in self._asked if asked.until <= self._due]
        first_is_late = bool(late) and late[0] is self._asked[0]
        for asked in late:
            if not asked.future.done():
                asked.future.set_exception(TimeoutError())
            asked.until = math.inf
        self._look_at(min((asked.until for asked in self._asked), default=math.inf))
        # Replies keep their order, so it is the first step that Redis keeps waiting. Even if its
        # client has left meanwhile: then it is the next steps that would wait in vain.
        if first_is_late:
            self._on_silence()

    def _forget(self, asked: _Asked) -> None:
        self._asked.remove(asked)  # nearly always the first
        self.total_bytes -= len(asked.raw)
