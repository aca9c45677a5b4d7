"""The parent of several workers, within a process of our own."""

import logging
import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import SIGNALS, Process

from signaller.logs import Journal
from signaller.server.config_file import ConfigFile
from signaller.server.workers import Workers
from signaller.settings import Settings
from tests.support.process import config
from tests.support.service import settings
from tests.support.serving import QuietConfig

NOWHERE = "http://127.0.0.1:1"


class BrokenFile(ConfigFile):
    """One whose reader has a fault of its own."""

    def read(self, *, again: bool = False) -> Settings:
        """Fail."""
        raise RuntimeError("bug")


class Hearing(Process):
    """A worker that is this very process, and counts the signals that reach it."""

    def __init__(self) -> None:
        self.heard = 0
        signal.signal(signal.SIGHUP, self.hear)

    def hear(self, *_: object) -> None:
        """Count one."""
        self.heard += 1

    @property
    def pid(self) -> int:
        """Our own."""
        return os.getpid()

    @property
    def exitcode(self) -> None:
        """It lives."""
        return


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A parent with one worker, the file that it reads and the lines that it counts."""

    path: Path
    worker: Hearing
    counted: list[object] = field(default_factory=list)

    def parent(self, kind: type[ConfigFile] = ConfigFile) -> Workers:
        """One that reads a file in this way."""
        file = kind(path=self.path)
        made = QuietConfig(file, settings(), log_level="info", log_format="json")
        journal = Journal(lambda _event, fields, _error: self.counted.append(fields["outcome"]))
        parent = Workers(made, [], file, journal)
        signal.signal(signal.SIGHUP, self.worker.hear)  # uvicorn's handler is in its place
        parent.processes.append(self.worker)
        return parent


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """One with a good file; this process's own handling of signals is put back."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield Stage(path=Path(config(tmp_path, NOWHERE)), worker=Hearing())
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_good_configuration_is_passed_on_as_the_signal(stage: Stage) -> None:
    """Each worker reads it by itself, and counts its own reload."""
    stage.parent().handle_hup()
    assert (stage.worker.heard, stage.counted) == (1, [])


def test_a_faulty_configuration_reaches_no_worker(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """The first process says why, a line for each fault, and counts it once."""
    stage.path.write_text("model_list: 7\nsignaller: {token: {uses: none}}\n")
    stage.parent().handle_hup()
    said = [each for each in caplog.records if each.message == "reload refused"]
    assert [each.levelno for each in said] == [logging.ERROR] * 2
    assert (stage.worker.heard, stage.counted) == (0, ["refused"])


def test_a_fault_of_ours_does_not_end_the_parent(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged; the next signal is answered."""
    stage.parent(BrokenFile).handle_hup()
    assert "reload failed" in caplog.messages
    assert stage.worker.heard == 0
    stage.parent().handle_hup()
    assert stage.worker.heard == 1


class Stillborn(Process):
    """A worker that could not start."""

    def __init__(self) -> None:
        _, self.child_conn = multiprocessing.Pipe()

    def is_alive(self, timeout: float = 5) -> bool:
        """It is not."""
        return False

    def kill(self) -> None:
        """There is nothing to be killed."""

    terminate = join = kill

    @property
    def pid(self) -> int:
        """One that no process has."""
        return 0

    @property
    def exitcode(self) -> int:
        """uvicorn's for an application that does not start."""
        return STARTUP_FAILURE


def test_an_application_that_does_not_start_ends_the_service(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With uvicorn's exit status: supervisors see a failure, and none starts it over and over."""
    parent = stage.parent()
    parent.processes.clear()
    monkeypatch.setattr(parent, "init_processes", lambda: parent.processes.append(Stillborn()))
    with pytest.raises(SystemExit) as ended:
        parent.run()
    assert ended.value.code == STARTUP_FAILURE
