"""One Redis: a line that steps share, and lines of their own for those that hold up a connection.

Redis reads nothing more from a connection whose WAIT is pending. On a shared line, replicas that
are slow or gone would make everybody wait, one step after the other.
"""

from collections.abc import Awaitable
from typing import Any

from signaller.stores.line import Line
from signaller.stores.sending import Command
from signaller.stores.wire import Opening

MAX_LANES = 64
"""Per process: so many steps wait for replicas side by side; more than these take turns."""


class Node:
    """Every line to one Redis."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._shared = Line(opening)
        self._lanes: list[Line] = []

    def execute(self, *commands: Command, until: float) -> Awaitable[list[Any]]:
        """The replies, over one connection, the commands side by side on it."""
        line = self._lane() if commands[-1][0] == "WAIT" else self._shared
        return line.execute(*commands, until=until)

    async def aclose(self) -> None:
        """Close every line."""
        for line in (self._shared, *self._lanes):
            await line.aclose()

    def _lane(self) -> Line:
        freest = min(self._lanes, key=lambda lane: lane.waiting, default=None)
        if freest is None or (freest.waiting and len(self._lanes) < MAX_LANES):
            freest = Line(self._opening)
            self._lanes.append(freest)
        return freest
