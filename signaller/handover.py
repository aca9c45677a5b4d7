"""What a parent hands to its workers: two configurations, and word of one that was refused.

It is kept in files without a name, which nobody else can open and which end with the last process
that has them open, also after SIGKILL: a configuration may hold keys.
"""

import contextlib
import fcntl
import os
import struct
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Protocol

from signaller.errors import ConfigError
from signaller.reloading import RefusedEarlier

_HEAD = struct.Struct("=qq")  # where the text begins, 0: nowhere; its length in bytes
# Two places in turn: a text that finds no room leaves the one before as it was.
_PLACES = (4096, 4096 + 2**26)
_MAX_BYTES = 2**26 - 4096  # a configuration has 4 Mi characters at most, 16 MiB


class _Handed(Protocol):
    """A descriptor on its way to a process that is being started."""

    def detach(self) -> int:
        """The one it has there."""


class SharedText:
    """One text between processes, replaced in one step; travels to workers while they start."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __reduce__(self) -> tuple[Callable[[_Handed], "SharedText"], tuple[_Handed]]:
        return _arrived, (DupFd(self._descriptor),)

    def put(self, text: str) -> None:
        """Replace it. Raises OSError, and is then as before."""
        body = memoryview(text.encode("utf-8", "surrogatepass"))
        if len(body) > _MAX_BYTES:
            raise OSError("the text is too long")
        with self._locked(fcntl.LOCK_EX):
            begin = _PLACES[self._head()[0] == _PLACES[0]]
            done = 0
            while done < len(body):
                done += os.pwrite(self._descriptor, body[done:], begin + done)
            os.pwrite(self._descriptor, _HEAD.pack(begin, len(body)), 0)

    def get(self) -> str | None:
        """The text as it is now; None if there is none."""
        with self._locked(fcntl.LOCK_SH):
            return self._read()

    def take(self) -> str | None:
        """The same, once: after that there is none."""
        with self._locked(fcntl.LOCK_EX):
            text = self._read()
            if text is not None:
                os.pwrite(self._descriptor, _HEAD.pack(0, 0), 0)
            return text

    def _read(self) -> str | None:
        begin, length = self._head()
        if not begin:
            return None
        return os.pread(self._descriptor, length, begin).decode("utf-8", "surrogatepass")

    def _head(self) -> tuple[int, int]:
        begin, length = _HEAD.unpack(os.pread(self._descriptor, _HEAD.size, 0) or bytes(_HEAD.size))
        return begin, length

    @contextlib.contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        # Of POSIX, between processes: flock() would not part those that share what was opened.
        fcntl.lockf(self._descriptor, kind)
        try:
            yield
        finally:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN)


def _arrived(handed: _Handed) -> SharedText:
    return SharedText(handed.detach())


@dataclass(kw_only=True)
class Handover:
    """Written by the parent, read by each worker."""

    first: SharedText
    """What the parent began with: some of it stays in force whatever comes later."""
    current: SharedText
    """The last one that was good."""
    refused: SharedText
    """The faults of one that came later, a line each, until one of the workers speaks of them."""
    _seen: str | None = field(default=None, init=False)

    def keep(self, text: str | None) -> None:
        """Replace the current configuration. Raises ConfigError."""
        if text is None:
            return
        try:
            self.current.put(text)
        except OSError as error:
            raise _no_room(error) from error

    def read(self) -> str | None:
        """The current configuration; None: the environment is all there is."""
        self._seen = self.current.get()
        return self._seen

    def refuse(self, refused: ConfigError) -> None:
        """Leave word: of several processes one shall speak of it. Raises OSError."""
        self.refused.put("\n".join(refused.faults))

    def check_refusal(self) -> None:
        """Raise the ConfigError that was left here, once; RefusedEarlier if there is news too."""
        faults = self.refused.take()
        if faults is None:
            return
        if self.current.get() != self._seen:
            raise RefusedEarlier(faults.split("\n"))
        raise ConfigError(faults.split("\n"))


@contextlib.contextmanager
def handover(text: str | None, directory: Path) -> Iterator[Handover]:
    """One that holds a configuration, as long as the block lasts. Raises ConfigError."""
    with contextlib.ExitStack() as stack:
        try:
            files = [stack.enter_context(tempfile.TemporaryFile(dir=directory)) for _ in range(3)]
            first, current, refused = (SharedText(file.fileno()) for file in files)
            if text is not None:
                first.put(text)
        except OSError as error:
            raise _no_room(error) from error
        handed = Handover(first=first, current=current, refused=refused)
        handed.keep(text)
        yield handed


def _no_room(error: OSError) -> ConfigError:
    reason = error.strerror or error
    return ConfigError([f"--workers: expected room for a copy of the configuration: {reason}"])
