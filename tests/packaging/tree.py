"""Where the checkout is, and the programs beside the interpreter that runs the tests."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def tool(name: str) -> str:
    """A program that a development dependency put beside the interpreter."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise RuntimeError(f"{name} is not installed: run 'make setup'")
    return str(path)


def run(*command: str, cwd: Path = ROOT, seconds: float = 240) -> str:
    """The output of a program that ends well; its words in the failure otherwise."""
    done = subprocess.run(  # noqa: S603 - our own tools and arguments
        command,
        cwd=cwd,
        timeout=seconds,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout
