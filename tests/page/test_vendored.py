"""What the page has of others is what they published."""

import hashlib
from pathlib import Path

import pytest

from tests.page.conftest import STATIC

FOLDERS = sorted(path.parent for path in (STATIC / "vendor").glob("*/SHA256SUMS"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.name))
def test_a_vendored_library_is_unchanged(folder: Path) -> None:
    """Every file has its sum, a licence among them, and no other file lies there."""
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    noted = {name: digest for digest, name in (line.split("  ") for line in lines)}
    there = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.name != "SHA256SUMS"
    }
    assert there == noted
    assert "LICENSE" in there
