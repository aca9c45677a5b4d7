"""The command line, as processes of its own: what it says, and how it refuses to start."""

import asyncio
import hashlib
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.process import MASTER, config, environment, run, served
from tests.support.service import token_key


@pytest.mark.parametrize("arguments", [["--help"], ["check", "--help"], ["demo", "--help"], ["-h"]])
def test_help_helps(arguments: list[str]) -> None:
    """Exit 0 and something to read."""
    done = run(*arguments)
    assert done.returncode == 0
    assert "Usage:" in done.stdout
    assert len(done.stdout.splitlines()) > 5


def test_keygen_prints_a_key_that_check_takes(tmp_path: Path) -> None:
    """32 bytes in base64url, a new one each time."""
    first, second = (run("keygen").stdout.strip() for _ in range(2))
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", first)
    assert first != second
    path = config(tmp_path, "http://127.0.0.1:1", f"signaller: {{token_keys: [{first}]}}")
    assert run("check", "--config", path).returncode == 0


def test_keygen_prints_a_callers_key_that_works(tmp_path: Path) -> None:
    """Two lines to copy from: the key for the caller, its digest for the file."""
    first, second = (run("keygen", "--caller").stdout for _ in range(2))
    assert first != second
    key, digest = (line.split()[-1] for line in first.splitlines())
    assert re.fullmatch(r"sk-sgn-[A-Za-z0-9_-]{43}", key)
    assert digest == f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"
    callers = f'signaller: {{callers: [{{name: web, keys: ["{digest}"]}}]}}'
    done = run("check", "--config", config(tmp_path, "http://127.0.0.1:1", callers))
    assert done.returncode == 0, done.stderr
    assert key not in done.stdout
    assert "web" in done.stdout


def test_check_says_what_it_understood_and_masks_secrets(tmp_path: Path) -> None:
    """The deployment, the store and the life of a token; no key."""
    done = run("check", "--config", config(tmp_path, "http://127.0.0.1:1"))
    assert done.returncode == 0, done.stderr
    for word in ("voice", "gpt-realtime", "http://127.0.0.1:1", "memory", "60"):
        assert word in done.stdout
    assert MASTER not in done.stdout
    assert "sk-provider" not in done.stdout


@pytest.mark.parametrize(
    ("text", "arguments", "expected"),
    [
        pytest.param("model_list: 7", [], "model_list", id="wrong type"),
        pytest.param("a: [", [], "line", id="bad YAML"),
        pytest.param("", [], "model_list", id="empty"),
        pytest.param(None, [], "OPENAI_API_KEY", id="nothing at all"),
        pytest.param("GOOD", ["--workers", "2"], "redis", id="workers without Redis"),
        pytest.param("PUBLIC", [], "sk-1234", id="the public master key"),
        pytest.param("REDIS", [], "token_keys", id="Redis without token keys"),
        pytest.param("URL", [], "signaller.redis_url", id="a Redis URL without a host"),
        pytest.param("PUBLIC", [], "--allow-public-master-key", id="what allows it"),
        pytest.param("CA", [], "readable files at ssl_ca_certs, found /nowhere", id="no CA file"),
        pytest.param("REQS", [], "ssl_cert_reqs to be required, optional, none", id="cert reqs"),
    ],
)
def test_a_fault_stops_the_start(
    tmp_path: Path, text: str | None, arguments: list[str], expected: str
) -> None:
    """Exit status 2, a line that names the place, no traceback."""
    path = Path(config(tmp_path, "http://127.0.0.1:1"))
    good = path.read_text()
    if text is not None and text != "GOOD":
        key = token_key().reveal()
        changed = {
            name: f"{good}signaller: {{redis_url: 'rediss://h?{query}', token_keys: [{key}]}}"
            for name, query in (
                ("CA", "ssl_ca_certs=/nowhere/ca.pem"),
                ("REQS", "ssl_cert_reqs=no"),
            )
        } | {
            "PUBLIC": good.replace(MASTER, "sk-1234"),
            "URL": f"{good}signaller:\n  redis_url: redis+sentinel://\n"
            f"  token_keys: [{token_key().reveal()}]\n",
            "REDIS": good + "signaller: {redis_url: redis://127.0.0.1:1/0}",
        }
        path.write_text(changed.get(text, text))
    options = ["--config", str(path)] if text is not None else []
    done = run(*options, *arguments)
    if not arguments:
        assert run("check", *options).stderr == done.stderr
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
        {"PYTHONIOENCODING": "cp1252:strict"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=lambda env: "-".join(env.values()),
)
def test_a_terminal_without_utf8_can_be_read(tmp_path: Path, env: dict[str, str]) -> None:
    """What it has no letter for is an escape: the words around it stay, and nothing breaks."""
    path = Path(config(tmp_path, "http://127.0.0.1:1", model="voice \u2713 Zo\u00eb"))
    for arguments in (["check", "--config", str(path)], ["keygen", "--caller"], ["--help"]):
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", "signaller", *arguments],
            env=environment(**env),
            capture_output=True,
            check=False,
            timeout=60,
        )
        said = done.stdout + done.stderr
        assert (done.returncode, b"Traceback" in said) == (0, False), said
        if arguments[0] == "check":
            assert b"voice " in done.stdout
            assert b"http://127.0.0.1:1" in done.stdout
    path.write_text(path.read_text() + "signaller: {zo\u00eb\u2713: 1}\n")
    refused = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "signaller", "check", "--config", str(path)],
        env=environment(**env),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert refused.returncode == 2
    assert b"Traceback" not in refused.stderr
    assert b"expected one of callers" in refused.stderr


@pytest.mark.parametrize("what", ["missing", "a folder", "bytes"])
def test_a_file_that_cannot_be_read(tmp_path: Path, what: str) -> None:
    """Exit status 2 and one line."""
    path = tmp_path / "config.yaml"
    if what == "a folder":
        path.mkdir()
    if what == "bytes":
        path.write_bytes(b"\xff\xfe")
    done = run("--config", str(path))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    """Exit status 2, not a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("--config", config(tmp_path, "http://127.0.0.1:1"), "--port", port)
    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stderr


def test_the_public_key_is_taken_when_told_so(tmp_path: Path) -> None:
    """For those who try things out with LiteLLM's documentation in hand."""
    path = Path(config(tmp_path, "http://127.0.0.1:1"))
    path.write_text(path.read_text().replace(MASTER, "sk-1234"))
    assert run("check", "--config", str(path), "--allow-public-master-key").returncode == 0


async def test_who_verifies_nobody_is_told_so(tmp_path: Path) -> None:
    """By `check`, where it counts as a warning, and at every start."""
    url = "rediss://127.0.0.1:1?ssl_cert_reqs=none"
    ours = f"signaller: {{redis_url: '{url}', token_keys: [{token_key().reveal()}]}}"
    path = config(tmp_path, "http://127.0.0.1:1", ours)
    said = "signaller.redis_url: ssl_cert_reqs=none: nobody is verified"
    done = run("check", "--config", path)
    assert done.returncode == 0, done.stderr
    assert f"\n- {said}" in done.stdout
    assert run("check", "--strict", "--config", path).returncode == 2
    with served("--config", path) as process:
        await asyncio.to_thread(process.url)
        assert any(line.startswith(f"warning: {said}") for line in process.said)
