"""Several processes count as one."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from signaller.metrics import Metrics, of_workers
from tests.metrics.text import Samples, parsed, series

MINTS = series("signaller_mints_total", caller="web", deployment="d1")
WATCHED = series("signaller_calls_watched", state="watched")
RESTING = series("signaller_deployment_rests_until_seconds", deployment="d1")
PINGS = series("signaller_store_seconds_count", step="ping")

WORKER = """
import asyncio, os, sys
from signaller.metrics import Metrics, take_slot
from tests.metrics.doubles import FakeStore
if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    take_slot()
mints, until = map(float, sys.argv[1:])
metrics = Metrics()
metrics.name_callers({"web"})
for _ in range(int(mints)):
    metrics.observe("mint", {"caller": "web", "deployment": "d1"}, None)
    asyncio.run(metrics.metered_store(FakeStore()).ping())
metrics.rests("d1", until)
metrics.watches({"watched": mints})
print("recorded", flush=True)
sys.stdin.readline()
print(metrics.exposition()[1].decode(), flush=True)
sys.stdin.readline()
"""
PARENT = """
import sys
from signaller.metrics import of_workers, serve
with serve("127.0.0.1", 0, of_workers) as port:
    print(port, flush=True)
    sys.stdin.readline()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A Python process that one speaks to in lines."""

    process: subprocess.Popen[str]

    def say(self, line: str = "") -> None:
        """Send a line."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        """The next line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> str:
        """All that it has yet to say, once its input has ended."""
        return self.process.communicate(timeout=20)[0]


@contextlib.contextmanager
def program(source: str, *arguments: object, folder: Path | None) -> Iterator[Program]:
    """A process with the multiprocess directory set before its interpreter starts."""
    environment = dict(os.environ)
    if folder is not None:
        environment["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", source, *map(str, arguments)],
        env=environment,
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Program(process=process)
        finally:
            process.kill()


def scrape(port: int) -> Samples:
    """What a parent's listener tells."""
    with httpx.Client(trust_env=False) as http:
        return parsed(http.get(f"http://127.0.0.1:{port}/metrics").raise_for_status().text)


def test_two_workers_are_one_service(tmp_path: Path) -> None:
    """Each tells the counts of both, and so does a parent that records nothing itself."""
    with (
        program(WORKER, 2, 100, folder=tmp_path) as first,
        program(WORKER, 3, 90, folder=tmp_path) as second,
        program(PARENT, folder=tmp_path) as parent,
    ):
        assert first.hear() == second.hear() == "recorded"
        found = scrape(int(parent.hear()))
        first.say()
        told = parsed(first.end())
    assert found[MINTS] == told[MINTS] == 5
    assert found[PINGS] == told[PINGS] == 5
    assert found[RESTING] == told[RESTING] == 100, "whoever has it rest longest"
    assert found[WATCHED] == told[WATCHED] == 5, "each watches its own"
    assert found.keys() == told.keys()


def test_what_a_dead_worker_counted_stays_counted_in_the_same_files(tmp_path: Path) -> None:
    """A counter never goes back, or every rate would jump; and crashes fill no disk."""
    with (
        program(WORKER, 1, 70, folder=tmp_path) as living,
        program(PARENT, folder=tmp_path) as parent,
    ):
        assert living.hear() == "recorded"
        port, files = int(parent.hear()), set[Path]()
        for crashes in range(3):
            with program(WORKER, 2, 80, folder=tmp_path) as mortal:
                assert mortal.hear() == "recorded"
                mortal.process.kill()
                mortal.process.wait(20)
            assert scrape(port)[MINTS] == 1 + 2 * (crashes + 1)
            files = files or set(tmp_path.iterdir())
        assert set(tmp_path.iterdir()) == files


def test_a_file_that_has_just_been_made_does_not_break_a_scrape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that starts opens its file a moment before it has a size."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with program(WORKER, 1, 80, folder=tmp_path) as worker:
        assert worker.hear() == "recorded"
    (tmp_path / "counter_1.db").touch()
    assert "signaller_mints" in {metric.name for metric in of_workers()}


def test_setting_the_directory_too_late_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each worker would tell only of itself, and nobody would notice."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with pytest.raises(RuntimeError, match="was set after"):
        Metrics()


def test_one_process_leaves_no_file(tmp_path: Path) -> None:
    """Without the directory everything stays in memory."""
    with program(WORKER, 1, 80, folder=None) as alone:
        assert alone.hear() == "recorded"
        alone.say()
        assert parsed(alone.end())[MINTS] == 1
    assert list(tmp_path.iterdir()) == []
