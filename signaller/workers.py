"""Several processes of the service behind one set of sockets, and the parent that keeps them.

Workers read nothing but what the parent hands over, which it has judged before: one that is
started again after a crash never meets a file that an editor has half written.
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
from pathlib import Path

from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from signaller.errors import ConfigError
from signaller.handover import Handover, handover
from signaller.metrics.exposition import VARIABLE
from signaller.running import ServiceConfig
from signaller.signals import take_hangup

log = logging.getLogger("signaller")


class Workers(Multiprocess):
    """uvicorn's supervisor; at SIGHUP workers reload instead of being replaced."""

    config: ServiceConfig

    def __init__(
        self,
        config: ServiceConfig,
        listeners: Sequence[socket.socket],
        handed: Handover,
    ) -> None:
        super().__init__(config, list(listeners))
        self._handed = handed

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
        source = self.config.source
        try:
            text = source.text(again=True)
            settings = source.understood(text)
            self._handed.keep(text)
        except ConfigError as refused:
            self._refuse(refused)
        except Exception:
            # The old configuration is in force, and workers must still find a parent.
            log.exception("reload failed")
        else:
            # For workers that are started from now on; the others do the same for themselves.
            self.config.allow_for(settings)
            self._hang_up(self._living())

    def _refuse(self, refused: ConfigError) -> None:
        """Have one worker say why not, and count it: the parent has no metrics."""
        try:
            self._handed.refuse(refused)
        except OSError:
            for fault in refused.faults:
                log.error("reload refused", extra={"fields": {"fault": fault}})
            return
        self._hang_up(self._living()[:1])

    def _living(self) -> list[int]:
        return [p.pid for p in self.processes if p.pid is not None and p.exitcode is None]

    def _hang_up(self, pids: Sequence[int]) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGHUP)

    def terminate_all(self) -> None:
        """Let go of the sockets: once the workers have closed theirs, nobody would accept."""
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
    with handover(text, directory) as config.handover:
        Workers(config, listeners, config.handover).run()


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
