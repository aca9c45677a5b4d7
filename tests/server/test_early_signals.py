"""A signal that comes before the server can hear it is obeyed all the same."""

import subprocess
import sys

import pytest

from tests.support.process import environment

SWALLOWED = """
import contextlib, signal
from signaller.logs import configure
from signaller.server.config_file import ConfigFile
from signaller.server.draining import DrainingServer, ending_by_sigterm
from signaller.server.run import ServiceConfig, run

file = ConfigFile(path=None, workers={workers}, allow_public_master_key=False)
config = ServiceConfig(file, file.read(), log_level="info", log_format="json")
with ending_by_sigterm():
    with contextlib.suppress(SystemExit):  # as C code does with what its callbacks raise
        signal.raise_signal(signal.SIGTERM)
    {serve}
"""


@pytest.mark.parametrize(
    ("workers", "serve"),
    [
        pytest.param(1, "run(config, [], file.read().metrics)", id="before it serves"),
        pytest.param(2, "run(config, [], file.read().metrics)", id="before it has workers"),
        pytest.param(1, "DrainingServer(config, []).run(sockets=[])", id="while the loop is made"),
    ],
)
def test_a_sigterm_whose_exception_was_lost_ends_the_process(workers: int, serve: str) -> None:
    """With the status that supervisors expect, and without having served."""
    env = environment(OPENAI_API_KEY="sk-provider-0123456789", REDIS_URL="redis://127.0.0.1:1")
    env |= {"SIGNALLER_TOKEN_KEY": "lqS5Zq0Yx0m8cZ1v4v0cS9k1bq7m3H2t5w8xA-B_CdE"}
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-c", SWALLOWED.format(workers=workers, serve=serve)],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -15, done.stderr
    assert "Application startup complete." not in done.stderr
