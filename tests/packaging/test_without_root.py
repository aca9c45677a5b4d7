"""The service as containers run it: nobody in particular, without capabilities.

Where the tests are root they step down for it, as Dockerfile and docker-compose.yml have it; where
they are not, they are nobody in particular already. An interpreter that only root may read needs
one capability to be read at all; an image's needs none.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.packaging.tree import ROOT
from tests.support.process import MASTER, Running, config

USER = 10001
"""Dockerfile's."""
DAC_READ_SEARCH = 1 << 2
"""The number of the capability to read what others may not (capabilities(7))."""


def interpreter_is_closed() -> bool:
    """Whether this Python lies where only root may go, such as below /root."""
    real = Path(sys.executable).resolve()
    return not all(each.stat().st_mode & 0o001 for each in (real, *real.parents))


def stepping_down() -> tuple[list[str], int]:
    """The start of a command that gives up all it can, and the capabilities that are left."""
    if os.geteuid():
        return ["setpriv", "--no-new-privs"], 0
    kept = "+dac_read_search" if interpreter_is_closed() else "-all"
    command = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"]
    return [*command, f"--inh-caps=-all,{kept}", f"--ambient-caps=-all,{kept}"], (
        DAC_READ_SEARCH if interpreter_is_closed() else 0
    )


@pytest.fixture
def running() -> Iterator[Running]:
    """A process that has nothing of root's."""
    # Not tmp_path: that is its owner's alone.
    with tempfile.TemporaryDirectory(prefix="rootless-") as folder:
        Path(folder).chmod(0o755)
        path = config(Path(folder), "http://127.0.0.1:1")
        process = subprocess.Popen(  # noqa: S603 - our own module
            [
                *stepping_down()[0],
                sys.executable,
                "-m",
                "signaller",
                "--config",
                path,
                "--port",
                "0",
            ],
            cwd="/",
            env={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT), "PATH": os.defpath},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        found = Running(process)
        try:
            yield found
        finally:
            process.terminate()
            found.ended()
            assert process.stderr
            process.stderr.close()


def test_it_serves_without_root(running: Running) -> None:
    """No root, no capability that it could act by, no way to gain one, no home: all answers."""
    url = running.url()
    running.ready()
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    facts = dict(re.findall(r"(\w+):\s+(.*)", status))
    assert "0" not in facts["Uid"].split() + facts["Gid"].split()
    left = stepping_down()[1]
    assert [int(facts[name], 16) for name in ("CapPrm", "CapEff", "CapAmb")] == [left] * 3
    assert facts["NoNewPrivs"] == "1"
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 200
        assert client.get("/").status_code == 200
        key = {"authorization": f"Bearer {MASTER}"}
        models = client.get("/v1/models", headers=key).json()
    assert [each["id"] for each in models["data"]] == ["voice"]


def test_the_image_steps_down_to_the_same_user() -> None:
    """What was shown above is what the Dockerfile asks for."""
    assert f"\nUSER {USER}:{USER}\n" in (ROOT / "Dockerfile").read_text()
