"""The doors under atheris: for minutes each in the long form, a first look in the short one."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import LONG
from tests.faults.fuzz.targets import DOORS

SECONDS = 60
"""For each door in the long form; most of what is new comes in the first few."""
PATIENCE_SECONDS = 100
"""For a process that instruments the package as it imports it, on a busy machine."""
EFFORT = f"-max_total_time={SECONDS}" if LONG else "-runs=1000"
LIMITS = (EFFORT, "-timeout=5", "-max_len=100000", "-rss_limit_mb=1024")
FIRST = ("sdp", "jwe", "tokens", "multipart", "settings")

pytestmark = [
    pytest.mark.timeout(SECONDS + 2 * PATIENCE_SECONDS),
    pytest.mark.skipif(sys.version_info >= (3, 14), reason="atheris has no wheel for it"),
]


def explored(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What became of a door."""
    command = [sys.executable, "-m", "tests.faults.fuzz.explore", name, str(folder), *LIMITS]
    return subprocess.run(  # noqa: S603 - our own module
        command, check=False, capture_output=True, text=True, timeout=SECONDS + PATIENCE_SECONDS
    )


@pytest.mark.parametrize("name", DOORS if LONG else FIRST)
def test_exploring_a_door_finds_nothing(name: str, tmp_path: Path) -> None:
    """Every input ends in a documented error or a result, within 5 seconds and 1 GiB."""
    done = explored(name, tmp_path)
    found = [path.read_bytes()[:2000] for path in tmp_path.glob("found-*")]
    assert (done.returncode, found) == (0, []), done.stderr[-3000:]
    ended = re.search(r"Done (\d+) runs", done.stderr)
    assert ended
    assert int(ended[1]) >= 1000
    begun = re.search(r"INITED cov: (\d+)", done.stderr)
    assert begun, "nothing is instrumented: it looks around blindly"
    assert int(begun[1]) >= 5


def test_exploring_finds_what_is_there(tmp_path: Path) -> None:
    """A door with a fault behind it ends badly, and leaves what it fell over."""
    done = explored("planted", tmp_path)
    assert done.returncode != 0
    assert "UnicodeDecodeError" in done.stdout + done.stderr
    (found,) = tmp_path.glob("found-crash-*")
    with pytest.raises(UnicodeDecodeError):
        found.read_bytes().decode()
