"""Several processes of the service behind one set of sockets, and the parent that keeps them.

Workers read nothing but the parent's copy of the configuration, which it has judged before: one
that is started again after a crash never meets a file that an editor has half written.
"""

import contextlib
import fcntl
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from signaller.errors import ConfigError
from signaller.metrics import forget_worker
from signaller.metrics.exposition import VARIABLE
from signaller.running import ServiceConfig
from signaller.signals import take_hangup
from signaller.source import Source

log = logging.getLogger("signaller")


class Workers(Multiprocess):
    """uvicorn's supervisor; at SIGHUP workers reload instead of being replaced."""

    config: ServiceConfig

    def __init__(
        self,
        config: ServiceConfig,
        listeners: Sequence[socket.socket],
        *,
        source: Source,
        copy: Path | None,
    ) -> None:
        super().__init__(config, list(listeners))
        self._source, self._copy = source, copy
        self._pids: set[int] = set()

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM."""
        super().run()
        if any(process.exitcode == STARTUP_FAILURE for process in self.processes):
            sys.exit(STARTUP_FAILURE)

    def handle_signals(self) -> None:
        """SIGHUP is held, so that workers are born with it held and none dies of an early one."""
        if take_hangup():
            self.handle_hup()
        super().handle_signals()

    def handle_hup(self) -> None:
        """Judge the configuration as it is now; only a good one reaches the workers."""
        try:
            text = self._source.text(again=True)
            settings = self._source.understood(text)
            self.config.source.forget_refusal()
            keep(text, self._copy)
        except ConfigError as refused:
            # One worker says why not, and counts it: the parent has no metrics.
            self.config.source.refuse(refused)
            self._hang_up(self._living()[:1])
            return
        # For workers that are started from now on; the others do the same for themselves.
        self.config.allow_for(settings)
        self._hang_up(self._living())

    def _living(self) -> list[int]:
        return [p.pid for p in self.processes if p.pid is not None and p.exitcode is None]

    def _hang_up(self, pids: Sequence[int]) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGHUP)

    def keep_subprocess_alive(self) -> None:
        """As uvicorn does; what a worker counted outlives it."""
        super().keep_subprocess_alive()
        living = {process.pid for process in self.processes if process.pid is not None}
        for pid in self._pids - living:
            forget_worker(pid)
        self._pids = living

    def terminate_all(self) -> None:
        """Close the door first: whoever came now would wait for nobody."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()


def run_workers(
    config: ServiceConfig,
    listeners: Sequence[socket.socket],
    text: str | None,
    directory: Path,
) -> None:
    """Serve with `config.source.workers` processes until SIGINT or SIGTERM."""
    source, copy = config.source, None
    if source.path is not None:
        copy = directory / "config.yaml"
        keep(text, copy)
        config.source = replace(source, path=copy, is_copy=True)
    Workers(config, listeners, source=source, copy=copy).run()


@contextlib.contextmanager
def private_directory() -> Iterator[Path]:
    """A directory that nobody else may enter, and where workers' counts go. Raises ConfigError."""
    try:
        directory = tempfile.TemporaryDirectory(prefix="signaller-")
    except OSError as error:
        raise ConfigError(
            [f"--workers: expected a directory for temporary files, found none: {error.strerror}"]
        ) from error
    with directory as name:
        held = os.open(name, os.O_RDONLY)
        try:
            # systemd-tmpfiles clears old files away, but none below a directory that is locked.
            fcntl.flock(held, fcntl.LOCK_SH)
            counts = Path(name) / "metrics"
            counts.mkdir(0o700)
            # prometheus_client looks at it when it is imported: in workers, not here any more.
            os.environ[VARIABLE] = str(counts)
            yield Path(name)
        finally:
            os.close(held)


def keep(text: str | None, copy: Path | None) -> None:
    """Replace the workers' copy in one step, readable by nobody else. Raises ConfigError."""
    if text is None or copy is None:
        return
    fresh = copy.with_suffix(".new")
    try:
        opened = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(opened, "w", encoding="utf-8") as file:
            file.write(text)
        fresh.replace(copy)
    except OSError as error:
        raise ConfigError(
            [f"--workers: expected room for a copy of the configuration: {error.strerror}"]
        ) from error
