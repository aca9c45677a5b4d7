"""One door under atheris, which is led by the code it reaches.

python -m tests.faults.fuzz.explore <door> <folder for what it finds> <libFuzzer's options>
"""

import importlib
import sys
from pathlib import Path

PACKAGES = ["signaller", "python_multipart", "yaml"]


def main(name: str, folder: Path, *options: str) -> None:
    """Explore until the options say stop; ends with a status other than 0 at a finding."""
    atheris = importlib.import_module("atheris")  # no types, and not on every platform
    with atheris.instrument_imports(include=PACKAGES):
        from tests.faults.fuzz.targets import DOORS, PLANTED
    door = {**DOORS, "planted": PLANTED}[name]
    for number, seed in enumerate(door.seeds):
        (folder / f"seed-{number}").write_bytes(seed)
    artifacts = f"-artifact_prefix={folder}/found-"
    atheris.Setup([sys.argv[0], *options, artifacts, str(folder)], door.try_)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
