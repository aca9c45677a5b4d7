"""Several processes of the service behind one set of sockets, and the first one that keeps them.

Each worker reads the configuration by itself, when it starts and at a reload. The first process
only judges it, so that a faulty one is spoken of once and reaches no worker.
"""

import asyncio
import contextlib
import fcntl
import logging
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from signaller.errors import ConfigError
from signaller.logs import Journal
from signaller.metrics import MULTIPROCESS_VARIABLE, Metrics, take_slot
from signaller.server.config_file import ConfigFile
from signaller.server.reload import note_refusal, take_sighup
from signaller.settings import Settings

NEXT_TRY_SECONDS = 2
"""Between two starts of a worker that finds a faulty file: a start takes a second of a core."""

log = logging.getLogger("signaller")


class Workers(Multiprocess):
    """uvicorn's supervisor; at SIGHUP workers reload instead of being replaced."""

    def __init__(
        self,
        config: uvicorn.Config,
        listeners: Sequence[socket.socket],
        file: ConfigFile,
        journal: Journal,
    ) -> None:
        super().__init__(config, list(listeners))
        self._file = file
        self._journal = journal

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM."""
        super().run()
        if any(process.exitcode == STARTUP_FAILURE for process in self.processes):
            sys.exit(STARTUP_FAILURE)

    def handle_signals(self) -> None:
        """SIGHUP is held, so that workers are born with it held and none dies of an early one."""
        if take_sighup():
            self.handle_hup()
        super().handle_signals()

    def handle_hup(self) -> None:
        """Judge the configuration as it is now, and have the workers read it if it is good."""
        try:
            self._file.read(again=True)
        except ConfigError as refused:
            with self._journal.line("reload") as line:
                note_refusal(refused, line)
        except Exception:
            # The old configuration is in force, and workers must still find a parent.
            log.exception("reload failed")
        else:
            for process in self.processes:
                if process.pid is not None and process.exitcode is None:
                    os.kill(process.pid, signal.SIGHUP)

    def keep_subprocess_alive(self) -> None:
        """Replace workers that are gone, also one that dies while it is asked whether it lives.

        We keep no copy of the worker's end of the pipe, so that its death ends the wait.
        """
        for process in self.processes:
            process.child_conn.close()
        super().keep_subprocess_alive()

    def terminate_all(self) -> None:
        """Close the listening sockets, or connections would queue that no worker accepts."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()


def run_workers(
    config: uvicorn.Config, listeners: Sequence[socket.socket], file: ConfigFile
) -> None:
    """Serve with `config.workers` processes until SIGINT or SIGTERM."""
    # This process counts too (refused reloads), so it needs a slot among the workers.
    take_slot()
    Workers(config, listeners, file, Journal(Metrics().observe)).run()


def read_as_worker(file: ConfigFile) -> Settings:
    """The configuration as it is now. Where it is faulty this worker ends, soon but not at once.

    The first process then starts another. With uvicorn's own status for a start that failed it
    would give up instead, and end the workers that serve.
    """
    try:
        return file.read(again=True)
    except ConfigError as refused:
        for fault in refused.faults:
            log.error("worker not started", extra={"fields": {"fault": fault}})
        parent = multiprocessing.parent_process()
        wait([parent.sentinel] if parent else [], timeout=NEXT_TRY_SECONDS)
        sys.exit(os.EX_CONFIG)


def end_with_parent() -> None:
    """Shut this worker down as by SIGTERM when its parent is gone, as after SIGKILL.

    Nobody would restart it or tell it of a reload, and it would keep the port from a new parent.
    """
    parent, loop = multiprocessing.parent_process(), asyncio.get_running_loop()
    if parent is None:
        return
    sentinel = parent.sentinel

    def end() -> None:
        loop.remove_reader(sentinel)
        signal.raise_signal(signal.SIGTERM)

    loop.add_reader(sentinel, end)


@contextlib.contextmanager
def counts_directory() -> Iterator[None]:
    """A directory for the workers' counts that nobody else may enter. Raises ConfigError."""
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
            os.environ[MULTIPROCESS_VARIABLE] = name
            yield
        finally:
            os.close(held)
