"""A download that is not what the lock says is refused, by the installer that all of us use."""

import hashlib
import re
import sys
from pathlib import Path

import pytest

from tests.packaging.tree import ROOT, run, tool

INSTALLS = ("Makefile", "Dockerfile")


@pytest.fixture
def offered(tmp_path: Path) -> Path:
    """A folder with one package, as an index would offer it."""
    source = tmp_path / "source"
    (source / "victim").mkdir(parents=True)
    (source / "victim" / "__init__.py").touch()
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "victim"\nversion = "1.0"\n'
    )
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation")
    run(*build, "--outdir", str(tmp_path / "offered"), str(source), cwd=tmp_path)
    return tmp_path / "offered"


def install(offered: Path, digest: str) -> str:
    """What uv says when the lock has this digest, asked as Makefile and Dockerfile ask it."""
    folder = offered.parent
    lock, venv = folder / "victim.lock", folder / "venv"
    lock.write_text(f"victim==1.0 \\\n    --hash=sha256:{digest}\n")
    run(tool("uv"), "venv", "--quiet", "--python", sys.executable, str(venv), cwd=folder)
    return run(
        *(tool("uv"), "pip", "install", "--no-cache", "--no-index", "--find-links", str(offered)),
        *("--python", str(venv / "bin/python"), "--constraints", str(lock), "victim"),
        cwd=folder,
    )


def test_what_the_lock_knows_is_installed(offered: Path) -> None:
    """So the test below says something."""
    (wheel,) = offered.iterdir()
    assert "victim==1.0" in install(offered, hashlib.sha256(wheel.read_bytes()).hexdigest())


def test_what_was_exchanged_is_refused(offered: Path) -> None:
    """Constraints with hashes are enough; nobody has to remember an option."""
    with pytest.raises(AssertionError, match="Hash mismatch"):
        install(offered, hashlib.sha256(b"what was published").hexdigest())


@pytest.mark.parametrize("name", INSTALLS)
def test_every_installation_obeys_the_lock(name: str) -> None:
    """Whatever is installed is installed under its constraints, uv itself by its own lines."""
    text = re.sub(r"\\\n", " ", (ROOT / name).read_text())
    lines = text.splitlines()
    assert re.search(r"sed -n '/\^uv==/,/\[\^\S+\]\$+/p' requirements.lock > \S*uv\.lock", text)
    found = [line for line in lines if re.search(r"\bpip install\b", line)]
    assert found
    for line in found:
        assert re.search(
            r"--constraints requirements\.lock|--require-hashes --requirement \S*uv\.lock", line
        )
        assert not re.search(r"--no-verify-hashes|--trusted-host|--(extra-)?index-url", line)
