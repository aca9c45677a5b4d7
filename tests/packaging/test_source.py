"""The source distribution: what the pages lead to is in it."""

import sys
import tarfile
from pathlib import Path

import pytest

from tests.docs.pages import PAGES
from tests.docs.test_links import LINKS
from tests.packaging.tree import ROOT, run


@pytest.mark.timeout(400)
def test_the_source_distribution_holds_the_pages_and_what_they_link(tmp_path: Path) -> None:
    """Whoever unpacks it reads all of them, and follows each link to a file."""
    build = (sys.executable, "-m", "build", "--sdist", "--no-isolation")
    run(*build, "--outdir", str(tmp_path), str(ROOT), cwd=tmp_path)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as unpacked:
        held = {name.partition("/")[2] for name in unpacked.getnames()}
    linked = set()
    for path, target in LINKS:
        if name := target.partition("#")[0]:
            linked.add(((ROOT / path).parent / name).resolve().relative_to(ROOT).as_posix())
    assert {*PAGES, *linked} - held == set()
