"""Doors under atheris, which is led by the code it reaches.

python -m tests.faults.fuzz.explore <libFuzzer's options>

Each line of its input is a door and, behind a space, a folder for what is found there; it answers
each with an exit status. Instrumenting the package takes seconds: it is done once for all doors.
"""

import importlib
import os
import sys
from pathlib import Path

PACKAGES = ["signaller", "python_multipart", "yaml"]
SAID = "said"
"""The file with libFuzzer's own words, in the folder of a door."""


def main(*options: str) -> None:
    """Explore one door after the other; the status is another than 0 at a finding."""
    atheris = importlib.import_module("atheris")  # no types, and not on every platform
    with atheris.instrument_imports(include=PACKAGES):
        from tests.faults.fuzz.targets import DOORS, PLANTED
    for line in sys.stdin:
        name, _, place = line.rstrip("\n").partition(" ")
        door, folder = {**DOORS, "planted": PLANTED}[name], Path(place)
        child = os.fork()  # atheris ends its process
        if child:
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201
            continue
        with (folder / SAID).open("w") as said:
            os.dup2(said.fileno(), sys.stdout.fileno())
            os.dup2(said.fileno(), sys.stderr.fileno())
        for number, seed in enumerate(door.seeds):
            (folder / f"seed-{number}").write_bytes(seed)
        artifacts = f"-artifact_prefix={folder}/found-"
        atheris.Setup([sys.argv[0], *options, artifacts, str(folder)], door.try_)
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
