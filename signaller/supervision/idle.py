"""How long nothing that mattered has happened on a call, with a pause while a function runs."""

from collections.abc import Iterable

MAX_PAUSE_SECONDS = 600
"""A function that has not answered by then will hardly do so, and nobody is waiting for it."""


class Idle:
    """When a call will have been idle for too long, if nothing happens until then.

    The times are Unix seconds. They stand still from a response with a function call until its
    output, the next response, or MAX_PAUSE_SECONDS.
    """

    __slots__ = ("_calls", "_paused_at", "_since", "limit_seconds")

    def __init__(
        self,
        limit_seconds: float,
        *,
        since: float,
        paused_at: float | None = None,
        calls: Iterable[str] = (),
    ) -> None:
        """As it begins, or as another one was."""
        self.limit_seconds = limit_seconds
        self._since = since
        self._paused_at = paused_at
        self._calls = set(calls)

    @property
    def since(self) -> float:
        """Since when nothing mattered; later than it was by what pauses took."""
        return self._since

    @property
    def paused_at(self) -> float | None:
        """Since when it has waited for functions; None: it does not."""
        return self._paused_at

    @property
    def calls(self) -> tuple[str, ...]:
        """The functions it waits for."""
        return tuple(sorted(self._calls))

    @property
    def ends_at(self) -> float:
        """When it is enough."""
        pause_ends = (self._paused_at or 0.0) + MAX_PAUSE_SECONDS
        return self._since + self.limit_seconds + self._paused(until=pause_ends)

    def mattered(self, now: float) -> None:
        """Something has happened; a pause goes on."""
        self._since = max(self._since, now)

    def wait_for(self, calls: Iterable[str], now: float) -> None:
        """A response called functions."""
        self.go_on(now)
        self._calls = set(calls)
        if self._calls:
            self._paused_at = now

    def answered(self, call: str, now: float) -> None:
        """A function has answered."""
        self._calls.discard(call)
        if not self._calls:
            self.go_on(now)

    def go_on(self, now: float) -> None:
        """Nobody waits for a function any more."""
        self._since += self._paused(until=now)
        self._paused_at = None
        self._calls.clear()

    def _paused(self, *, until: float) -> float:
        """How many seconds of the pause lie between `since` and then."""
        if self._paused_at is None:
            return 0.0
        end = min(until, self._paused_at + MAX_PAUSE_SECONDS)
        return max(0.0, end - max(self._paused_at, self._since))
