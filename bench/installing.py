"""Programs that only the bench needs, each in a virtual environment of its own, kept for later."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def program(venv: str, requirement: str, name: str) -> str:
    """The path of a program; installs it the first time. Raises RuntimeError with pip's words."""
    folder = HERE / f".venv-{venv}"
    found = folder / "bin" / name
    if not found.exists():
        _run(sys.executable, "-m", "venv", str(folder))
        python = str(folder / "bin/python")
        _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement)
    return str(found)


def _run(*command: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own interpreter
        command, check=False, text=True, capture_output=True
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
