"""What a plain `pip install .` brings."""

import subprocess
import sys
import tempfile
from pathlib import Path

from bench.field import Field
from bench.measuring import Effort
from bench.outcome import Outcome, under
from bench.processes import ROOT

ROW = "installed packages, without extras"
BAR = 40
BROUGHT = {"pip", "setuptools"}
"""By the empty environment itself."""
LIST = "import importlib.metadata as m; print(*sorted({d.name for d in m.distributions()}))"


async def packages(_: Field, __: Effort) -> Outcome:
    """Distributions in a new virtual environment, with and without what was there before."""
    names = installed()
    ours = [name for name in names if name not in BROUGHT]
    return Outcome(
        findings=[
            under(ROW, f"the service and all it needs ({len(names)} with pip)", len(ours), BAR, ""),
        ],
        numbers={"names": names},
    )


def installed() -> list[str]:
    """Names of the distributions after `pip install .`."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        venv = Path(folder) / "venv"
        _run(sys.executable, "-m", "venv", str(venv))
        python = str(venv / "bin/python")
        _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(ROOT))
        return _run(python, "-c", LIST).split()


def _run(*command: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own interpreter
        command, check=False, text=True, capture_output=True
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
    return done.stdout
