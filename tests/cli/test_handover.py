"""What a parent hands to its workers, between two processes."""

import contextlib
import multiprocessing
import resource
import signal
from collections.abc import Iterator
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from signaller.errors import ConfigError
from signaller.handover import Handover, SharedText, handover
from signaller.reloading import RefusedEarlier

SPAWN = multiprocessing.get_context("spawn")
TEXTS = ("a" * 300_000, "b" * 200_000, "c" * 100_000)


@pytest.fixture
def handed(tmp_path: Path) -> Iterator[Handover]:
    """One that began with `first`."""
    with handover("first", tmp_path) as made:
        yield made


def replace_over_and_over(text: SharedText, begun: Event, over: Event) -> None:
    """Write long texts of one letter each, until told otherwise."""
    while not over.is_set():
        for each in TEXTS:
            text.put(each)
            begun.set()


def test_a_reader_never_meets_half_a_text(handed: Handover) -> None:
    """Although other processes replace it all the time, with descriptors that they inherited."""
    over, begun = SPAWN.Event(), [SPAWN.Event() for _ in range(3)]
    writers = [
        SPAWN.Process(target=replace_over_and_over, args=(handed.current, each, over))
        for each in begun
    ]
    for writer in writers:
        writer.start()
    try:
        assert all(each.wait(60) for each in begun)
        seen = {handed.current.get() for _ in range(5000)}
    finally:
        over.set()
        for writer in writers:
            writer.join(60)
    assert seen <= set(TEXTS)
    assert [writer.exitcode for writer in writers] == [0] * 3


def test_a_text_that_finds_no_room_leaves_the_one_before(handed: Handover) -> None:
    """The file system is full in the middle of it."""
    handed.keep("second")
    with room_for(4096 + 10), pytest.raises(ConfigError, match="--workers: expected room"):
        handed.keep("x" * 100)
    assert handed.read() == "second"
    handed.keep("third")
    assert handed.read() == "third"
    assert handed.first.get() == "first"


@contextlib.contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may grow beyond that meanwhile; Python ignores the signal that goes with it."""
    assert signal.getsignal(signal.SIGXFSZ) is signal.SIG_IGN
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_text_may_be_long_and_in_any_language(handed: Handover) -> None:
    """As many bytes as YAML's bound on characters amounts to; more are refused, not cut off."""
    longest = "\U0001f600" * (4 * 1024 * 1024)
    handed.keep(longest)
    assert handed.read() == longest
    with pytest.raises(ConfigError, match="too long"):
        handed.keep("x" * 2**26)
    assert handed.read() == longest


def test_without_a_file_there_is_nothing_to_read(tmp_path: Path) -> None:
    """The environment is all there is."""
    with handover(None, tmp_path) as handed:
        handed.keep(None)
        assert handed.first.get() is None
        assert handed.read() is None


def test_nobody_else_can_open_it(tmp_path: Path) -> None:
    """It has no name, and ends with the last process that has it open."""
    with handover("first", tmp_path) as handed:
        assert list(tmp_path.iterdir()) == []
        assert handed.read() == "first"


def test_a_refusal_is_told_once(handed: Handover) -> None:
    """With all its faults, even those of one that never came to be told."""
    handed.read()
    handed.check_refusal()
    handed.refuse(ConfigError(["overtaken by the next"]))
    handed.refuse(ConfigError(["model_list: none", "signaller: 7\u2028"]))
    with pytest.raises(ConfigError) as refused:
        handed.check_refusal()
    assert refused.value.faults == ("model_list: none", "signaller: 7\u2028")
    assert not isinstance(refused.value, RefusedEarlier)
    handed.check_refusal()


@pytest.mark.parametrize("order", ["good, then faulty", "faulty, then good"])
def test_a_refusal_does_not_hide_a_good_configuration(handed: Handover, order: str) -> None:
    """A worker that looks once finds both, in whatever order they came."""
    assert handed.read() == "first"
    if order == "good, then faulty":
        handed.keep("second")
        handed.refuse(ConfigError(["faulty"]))
    else:
        handed.refuse(ConfigError(["faulty"]))
        handed.keep("second")
    with pytest.raises(RefusedEarlier, match="faulty"):
        handed.check_refusal()
    handed.check_refusal()
    assert handed.read() == "second"


def test_no_room_at_the_start_is_said(tmp_path: Path) -> None:
    """One line, that names the option."""
    with (
        pytest.raises(ConfigError, match="--workers: expected room"),
        handover("first", tmp_path / "missing"),
    ):
        pass
