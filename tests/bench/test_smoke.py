"""The bench itself, with the smallest numbers that still go through everything."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import RESULTS
from tests.packaging.tree import ROOT

pytestmark = pytest.mark.timeout(600)  # a dozen servers start, on cores that are busy with tests
TINY = (
    *("--rounds", "1", "--cpu-seconds", "0.02", "--connections", "2"),
    *("--warm-up", "40"),
    *("--latency-seconds", "0.1", "--watched-seconds", "1"),
    *("--starts", "1", "--soak-requests", "100"),
    *("--grants", "2", "40", "--workers", "2"),
)
ROWS = ("calls", "mints", "warm", "latency", "start", "memory", "watched", "growth")
"""All but those that install something: the packages' and the profiles'."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one tiny run wrote; bars may be missed on a busy machine, nothing else may go wrong."""
    folder = tmp_path_factory.mktemp("bench") / "results"
    command = [sys.executable, "-m", "bench", *ROWS, "--results", str(folder), *TINY]
    done = subprocess.run(  # noqa: S603 - our own module
        command, cwd=ROOT, check=False, text=True, capture_output=True
    )
    assert done.returncode in {0, 1}, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return folder


def test_every_row_is_in_the_table(results: Path) -> None:
    """With a figure each, and a verdict wherever there is a bar."""
    findings = json.loads((results / "numbers.json").read_text())["findings"]
    assert {finding["row"] for finding in findings} == {
        *("calls", "mint without a warm secret", "mint with a warm secret", "added latency"),
        *("start to first healthy answer", "memory", "growth"),
        "watched calls",
    }
    assert [finding for finding in findings if not finding["figure"]] == []
    assert {bool(finding["bar"]) == bool(finding["verdict"]) for finding in findings} == {True}
    table = (results / "table.md").read_text().splitlines()
    assert len([line for line in table if line.startswith("| ")]) == 1 + len(findings)


def test_every_contender_cost_something(results: Path) -> None:
    """A server whose CPU was not found would look free."""
    samples = json.loads((results / "numbers.json").read_text())["samples"]["calls"]["2"]
    assert {"service, memory", "service, Redis", "nginx as reverse proxy"} < samples.keys()
    assert {name for name in samples if name.startswith("bare relay")} == {
        *("bare relay, same client", "bare relay, aiohttp", "bare relay, httpx as it comes"),
    }
    python = [name for name in samples if not name.startswith("nginx")]
    assert [name for name in python if not samples[name][0] > 0] == []


@pytest.mark.parametrize("name", ["call", "mint", "latency", "start", "memory", "growth-workers"])
def test_every_plot_is_drawn(results: Path, name: str) -> None:
    """Each is a picture with at least one bar."""
    text = (results / f"{name}.svg").read_text()
    assert text.startswith("<svg ")
    assert text.rstrip().endswith("</svg>")
    assert text.count("<rect ") > 1


def test_results_stay_out_of_the_repository() -> None:
    """They belong to one machine and one day."""
    assert f"{RESULTS.relative_to(ROOT)}/" in (ROOT / ".gitignore").read_text().splitlines()
