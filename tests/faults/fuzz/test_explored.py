"""The doors under atheris: only in the long form, for it needs minutes to get anywhere."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import LONG
from tests.faults.fuzz.targets import DOORS

SECONDS = 60
"""For each door; most of what is new comes in the first few."""
LIMITS = (f"-max_total_time={SECONDS}", "-timeout=5", "-max_len=100000", "-rss_limit_mb=1024")

if LONG:

    @pytest.mark.parametrize("name", DOORS)
    @pytest.mark.timeout(SECONDS + 120)
    def test_exploring_a_door_finds_nothing(name: str, tmp_path: Path) -> None:
        """Every input ends in a documented error or a result, within 5 seconds and 1 GiB."""
        command = [sys.executable, "-m", "tests.faults.fuzz.explore", name, str(tmp_path), *LIMITS]
        done = subprocess.run(  # noqa: S603 - our own module
            command, check=False, capture_output=True, text=True, timeout=SECONDS + 100
        )
        found = [path.read_bytes()[:2000] for path in tmp_path.glob("found-*")]
        assert (done.returncode, found) == (0, []), done.stderr[-3000:]
        assert "Done " in done.stderr
