"""The wheel can be made again: whoever has the source can check what was published."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.test_wheel import LEFT_BEHIND
from tests.packaging.tree import ROOT

EPOCH = "1700000000"


def built(folder: Path, *, mask: int, epoch: str = EPOCH) -> str:
    """SHA-256 of a wheel made in this folder from a copy of the checkout whose files are new."""
    tree = folder / "tree"
    shutil.copytree(ROOT, tree, ignore=LEFT_BEHIND, copy_function=shutil.copyfile)
    command = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder))
    subprocess.run(  # noqa: S603 - our own tool and arguments
        [*command, str(tree)],
        env=os.environ | {"SOURCE_DATE_EPOCH": epoch},
        cwd=folder,
        check=True,
        capture_output=True,
        umask=mask,
        timeout=200,
    )
    (wheel,) = folder.glob("*.whl")
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.mark.timeout(400)
def test_the_wheel_is_the_same_wherever_it_is_built(tmp_path: Path) -> None:
    """Another folder, another umask, files of another time: the same bytes."""
    (one := tmp_path / "one").mkdir()
    (two := tmp_path / "a" / "deeper" / "two").mkdir(parents=True)
    (three := tmp_path / "three").mkdir()
    first = built(one, mask=0o022)
    assert built(two, mask=0o077) == first
    # The digest sees what is in the wheel: another date is another wheel.
    assert built(three, mask=0o022, epoch="1600000000") != first
