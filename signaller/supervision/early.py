"""What is heard of a call before anybody decides about it: kept in order, and told later."""

from collections.abc import Callable, Iterator

from signaller.supervision.machine import Effects, Machine

MAX_EARLY = 5000
"""Events that wait for the record of whoever listened before: of some minutes, where it takes
seconds."""
MAX_EARLY_CHARS = 2 * 1024 * 1024
"""And so much of them: a provider's frames may be of megabytes each."""


class Early:
    """Is told what a machine would be, by the same names, and tells it once there is one.

    Beyond MAX_EARLY and MAX_EARLY_CHARS it keeps nothing: from then on nobody has listened, which
    the machine is told.
    """

    def __init__(self) -> None:
        self._kept: list[Callable[[Machine], Effects]] = []
        self._chars = 0
        self._full_since: float | None = None
        self._listening = False

    def attached(self, now: float) -> Effects:
        """`Machine.attached`."""
        self._listening = True
        return self._keep(lambda machine: machine.attached(now), now)

    def frame(self, text: str, now: float) -> Effects:
        """`Machine.frame`."""
        return self._keep(lambda machine: machine.frame(text, now), now, chars=len(text))

    def lost(self, since: float, *, clean: bool = False) -> Effects:
        """`Machine.lost`."""
        self._listening = False
        return self._keep(lambda machine: machine.lost(since, clean=clean), since)

    def tell(self, machine: Machine, now: float) -> Iterator[Effects]:
        """All of it, each with what it makes the machine do."""
        for step in self._kept:
            yield step(machine)
        if self._full_since is not None:
            yield machine.lost(self._full_since)
            if self._listening:
                yield machine.attached(now)

    def _keep(self, step: Callable[[Machine], Effects], now: float, *, chars: int = 0) -> Effects:
        has_room = len(self._kept) < MAX_EARLY and self._chars + chars <= MAX_EARLY_CHARS
        # Once something is left out, all that comes later is: the gap is told behind what is kept.
        if has_room and self._full_since is None:
            self._kept.append(step)
            self._chars += chars
        elif self._full_since is None:
            self._full_since = now
        return ()
