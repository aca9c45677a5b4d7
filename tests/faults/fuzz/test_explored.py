"""The doors under atheris: for minutes each in the long form, a first look in the short one."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults import LONG
from tests.faults.fuzz.explore import SAID
from tests.faults.fuzz.targets import DOORS

SECONDS = 60
"""For each door in the long form; most of what is new comes in the first few."""
PATIENCE_SECONDS = 200
"""For a process that instruments the package as it imports it, on a busy machine."""
# The short form takes the same way every time.
EFFORT = [f"-max_total_time={SECONDS}"] if LONG else ["-runs=1000", "-seed=4"]
LIMITS = (*EFFORT, "-timeout=5", "-max_len=100000", "-rss_limit_mb=1024")

pytestmark = [
    pytest.mark.timeout(SECONDS + PATIENCE_SECONDS),
    pytest.mark.skipif(sys.version_info >= (3, 14), reason="atheris has no wheel for it"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """What became of a door."""

    status: int
    said: str


@dataclass(frozen=True, slots=True)
class Explorer:
    """The process that explores one door after the other."""

    process: subprocess.Popen[str]

    def explores(self, name: str, folder: Path) -> Explored:
        """Explore a door to the end."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{name} {folder}\n")
        self.process.stdin.flush()
        status = int(self.process.stdout.readline())
        return Explored(status=status, said=(folder / SAID).read_text(errors="replace"))


@pytest.fixture(scope="module")
def explorer() -> Iterator[Explorer]:
    """One for all doors; it ends with its input."""
    with subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "tests.faults.fuzz.explore", *LIMITS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Explorer(process)


@pytest.mark.parametrize("name", DOORS)
def test_exploring_a_door_finds_nothing(explorer: Explorer, name: str, tmp_path: Path) -> None:
    """Every input ends in a documented error or a result, within 5 seconds and 1 GiB."""
    done = explorer.explores(name, tmp_path)
    found = [path.read_bytes()[:2000] for path in tmp_path.glob("found-*")]
    assert (done.status, found) == (0, []), done.said[-3000:]
    ended = re.search(r"Done (\d+) runs", done.said)
    assert ended
    assert int(ended[1]) >= 1000
    begun = re.search(r"INITED cov: (\d+)", done.said)
    assert begun, "nothing is instrumented: it looks around blindly"
    assert int(begun[1]) >= 5


def test_exploring_finds_what_is_there(explorer: Explorer, tmp_path: Path) -> None:
    """A door with a fault behind it ends badly, and leaves what it fell over."""
    done = explorer.explores("planted", tmp_path)
    assert done.status != 0
    assert "UnicodeDecodeError" in done.said
    (found,) = tmp_path.glob("found-crash-*")
    with pytest.raises(UnicodeDecodeError):
        found.read_bytes().decode()
