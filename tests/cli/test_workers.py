"""The parent of several workers, within a process of our own."""

import logging
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import SIGNALS, Process

from signaller.handover import Handover, handover
from signaller.running import ServiceConfig
from signaller.settings import Settings
from signaller.source import Source
from signaller.workers import Workers
from tests.cli.test_handover import room_for
from tests.support.process import config
from tests.support.service import settings

NOWHERE = "http://127.0.0.1:1"


class QuietConfig(ServiceConfig):
    """One that leaves this process's logging alone."""

    def configure_logging(self) -> None:
        """Do nothing."""


class FaultySource(Source):
    """A reader with a fault of its own."""

    def understood(self, text: str | None) -> Settings:
        """Fail."""
        raise RuntimeError("bug")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A parent without workers, the file that it reads and what it hands over."""

    parent: Workers
    path: Path
    handed: Handover


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """One that began with an older text; this process's own handling of signals is put back."""
    path = Path(config(tmp_path, NOWHERE))
    before = {number: signal.getsignal(number) for number in SIGNALS}
    made = QuietConfig(Source(path=path), settings(), log_level="info", log_format="json")
    try:
        with handover("old", tmp_path) as handed:
            yield Stage(parent=Workers(made, [], handed), path=path, handed=handed)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_good_configuration_is_handed_over(stage: Stage) -> None:
    """As the file has it."""
    stage.parent.handle_hup()
    assert stage.handed.read() == stage.path.read_text()
    assert stage.handed.refused.take() is None


def test_no_room_for_a_configuration_is_said_and_changes_nothing(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """By the parent itself, as there is no room for word to its workers either."""
    with room_for(10):
        stage.parent.handle_hup()
    (said,) = [each for each in caplog.records if each.message == "reload refused"]
    assert said.levelno == logging.ERROR
    assert "--workers: expected room for a copy" in said.__dict__["fields"]["fault"]
    assert stage.handed.read() == "old"


def test_a_fault_of_ours_does_not_end_the_parent(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged; the next signal is answered."""
    good = stage.parent.config.source
    stage.parent.config.source = FaultySource(path=stage.path)
    stage.parent.handle_hup()
    assert "reload failed" in caplog.messages
    assert stage.handed.read() == "old"
    stage.parent.config.source = good
    stage.parent.handle_hup()
    assert stage.handed.read() == stage.path.read_text()


class Stillborn(Process):
    """A worker that could not start."""

    def __init__(self) -> None:
        pass

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


def test_a_worker_that_cannot_start_ends_the_service(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With uvicorn's exit status: supervisors see a failure, and none starts it over and over."""
    monkeypatch.setattr(
        stage.parent, "init_processes", lambda: stage.parent.processes.append(Stillborn())
    )
    with pytest.raises(SystemExit) as ended:
        stage.parent.run()
    assert ended.value.code == STARTUP_FAILURE
