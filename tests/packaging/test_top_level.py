"""What lies beside the package."""

import os
import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.packaging.tree import ROOT

PERMITTED = {
    *("pyproject.toml", "README.md", "signaller", "static", "tests", "bench", "docker-compose.yml"),
    *("Makefile", "Dockerfile", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "requirements.lock"),
    *("SECURITY.md", "docs"),
}
MADE = {"dist", "build"}  # by tools; git ignores them
ADDRESS = re.compile(r"://|^\s*-(?:i|f|-index|-extra|-find)|file:|/(?:home|root|opt|work|usr|tmp)/")


def pinned() -> dict[str, list[Version]]:
    """Name -> versions in the lock; several where Pythons or platforms need different ones."""
    found: dict[str, list[Version]] = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)==([^ ]+)", line):
            found.setdefault(canonicalize_name(match[1]), []).append(Version(match[2]))
    return found


def wanted() -> list[Requirement]:
    """Every requirement of pyproject.toml: runtime, extras, groups and the build backend."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lists = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
        project["build-system"]["requires"],
    ]
    return [Requirement(text) for requirements in lists for text in requirements]


def test_the_top_level_holds_only_what_belongs_there() -> None:
    """Nothing gathers beside the package but the few files everybody expects."""
    seen = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
    assert seen - MADE - {name for name in seen if name.endswith(".egg-info")} == PERMITTED


@pytest.mark.parametrize("requirement", wanted(), ids=lambda requirement: requirement.name)
def test_the_lock_pins_every_dependency(requirement: Requirement) -> None:
    """Each requirement of pyproject.toml has a pin that satisfies it."""
    versions = pinned().get(canonicalize_name(requirement.name), [])
    assert versions
    assert all(version in requirement.specifier for version in versions)


def test_every_pin_has_a_hash() -> None:
    """A download that was exchanged is noticed: each pin is followed by its hashes."""
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", (ROOT / "requirements.lock").read_text())[1:]
    assert blocks
    assert [block for block in blocks if "--hash=sha256:" not in block] == []


def test_the_lock_names_no_address() -> None:
    """A pin holds wherever the packages come from: no registry and no path is recorded."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    assert [line for line in lines if ADDRESS.search(line)] == []


@pytest.mark.parametrize("packages", ["agents_sdk", "axe"])
def test_the_browser_locks_name_no_registry(packages: str) -> None:
    """What runs in the browser is pinned by hash, wherever npm fetches it from."""
    lock = (ROOT / "tests/support" / packages / "package-lock.json").read_text()
    assert '"integrity": "sha512-' in lock
    assert '"resolved"' not in lock


def test_ci_runs_the_makefile_and_ends_with_the_tests() -> None:
    """What a change must pass is what the README's own commands run."""
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    steps = [line for line in script.read_text().splitlines() if line.startswith("step make")]
    assert steps == ["step make setup", "step make check", "step make test"]


def test_the_image_sees_only_what_it_needs() -> None:
    """The build context is a list of what enters it: no key, cache or history slips in."""
    lines = (ROOT / ".dockerignore").read_text().split()
    assert lines[0] == "*"
    assert all((ROOT / line[1:]).exists() for line in lines if line.startswith("!"))
