"""bandit's rules (ruff's S) are on for everything that is shipped, and nowhere off at large."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.packaging.tree import ROOT, run, tool

LINT = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
PACKAGE = sorted((ROOT / "signaller").rglob("*.py"))
BLANKET = re.compile(r"#\s*(?:ruff:|flake8[:=])|#\s*noqa(?!: ?[A-Z]+\d+)|#\s*nosec", re.I)


def test_security_rules_are_on() -> None:
    """All of them, and no path of the package is let off."""
    assert "S" in LINT["select"]
    assert [rule for rule in LINT["ignore"] if rule.startswith("S")] == []
    for pattern, rules in LINT["per-file-ignores"].items():
        assert pattern == "tests/**" or not [rule for rule in rules if re.match(r"S\d*$", rule)]


def test_no_line_is_let_off_everything() -> None:
    """A suppressed rule is named on its line; no file and no block is exempt."""
    assert len(PACKAGE) > 50
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in PACKAGE
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if BLANKET.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    ["x = 1  # noqa", "# ruff: noqa", "# flake8: noqa", "x = 1  # NOQA - why", "y()  # nosec"],
)
def test_a_blanket_would_be_seen(line: str) -> None:
    """So the test above says something."""
    assert BLANKET.search(line)


def test_the_package_passes() -> None:
    """ruff finds nothing of this kind, whatever its cache remembers."""
    run(tool("ruff"), "check", "--no-cache", "--select", "S", "signaller")


def test_it_would_not_pass_with_a_fault(tmp_path: Path) -> None:
    """A shell command made of a variable is found under the project's own settings."""
    faulty = tmp_path / "faulty.py"
    faulty.write_text("import os\n\n\ndef run(what: str) -> None:\n    os.system(what)\n")
    with pytest.raises(AssertionError, match="S605"):
        run(tool("ruff"), "check", "--no-cache", "--config", "pyproject.toml", str(faulty))
