"""The service as containers run it: nobody in particular, without a single capability.

Where the tests are root they step down for it, as Dockerfile and docker-compose.yml have it; where
they are not, they are nobody in particular already.
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
LAUNCH = f"""
import ctypes, os, sys
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid({USER}, {USER}, {USER})
    os.setresuid({USER}, {USER}, {USER})
assert ctypes.CDLL(None).prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
os.chdir("/")
os.execv(sys.executable, [sys.executable, "-m", "signaller", *sys.argv[1:]])
"""


def interpreter() -> str:
    """This one; a test that cannot be made is skipped with a word on it."""
    real = Path(sys.executable).resolve()
    if not os.geteuid() and not all(each.stat().st_mode & 0o001 for each in (real, *real.parents)):
        pytest.skip(f"nobody but root may run {real}")
    return sys.executable


@pytest.fixture
def running() -> Iterator[Running]:
    """A process that has nothing of root's."""
    # Not tmp_path: that is its owner's alone.
    with tempfile.TemporaryDirectory(prefix="rootless-") as folder:
        Path(folder).chmod(0o755)
        path = config(Path(folder), "http://127.0.0.1:1")
        process = subprocess.Popen(  # noqa: S603 - our own module
            [interpreter(), "-c", LAUNCH, "--config", path, "--port", "0"],
            env={"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)},
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
    """No root, no capability, no way to gain one, no home: and all routes answer."""
    url = running.url()
    running.ready()
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    facts = dict(re.findall(r"(\w+):\s+(.*)", status))
    assert "0" not in facts["Uid"].split() + facts["Gid"].split()
    assert (facts["CapPrm"], facts["CapEff"]) == ("0" * 16, "0" * 16)
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
