"""The command line, as processes of its own."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.provider import FakeProvider
from tests.support.redis import free_port, wait_for_port
from tests.support.service import OFFER, token_key
from tests.support.serving import serving

MASTER = "sk-master-for-the-command-line"


def environment(**changes: str) -> dict[str, str]:
    """This process's environment without anything the service reads."""
    ours = re.compile(r"OPENAI_|AZURE_|SIGNALLER_|LITELLM_|REDIS_")
    return {name: value for name, value in os.environ.items() if not ours.match(name)} | changes


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """`signaller` to its end."""
    return subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "signaller", *arguments],
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextlib.contextmanager
def served(*arguments: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """`signaller` running until the block ends."""
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "signaller", *arguments],
        env=environment(**env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def config(tmp_path: Path, provider_url: str, extra: str = "") -> str:
    """A configuration file with one deployment."""
    path = tmp_path / "config.yaml"
    path.write_text(
        f"""
model_list:
  - model_name: voice
    litellm_params: {{model: openai/gpt-realtime, api_key: sk-provider, api_base: "{provider_url}"}}
    model_info: {{mode: realtime}}
general_settings: {{master_key: {MASTER}}}
{extra}
"""
    )
    return str(path)


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
    ],
)
def test_a_fault_stops_the_start(
    tmp_path: Path, text: str | None, arguments: list[str], expected: str
) -> None:
    """Exit status 2, a line that names the place, no traceback."""
    path = Path(config(tmp_path, "http://127.0.0.1:1"))
    good = path.read_text()
    if text is not None and text != "GOOD":
        changed = {
            "PUBLIC": good.replace(MASTER, "sk-1234"),
            "URL": f"{good}signaller:\n  redis_url: redis+sentinel://\n"
            f"  token_keys: [{token_key().reveal()}]\n",
            "REDIS": good + "signaller: {redis_url: redis://127.0.0.1:1/0}",
        }
        path.write_text(changed.get(text, text))
    options = ["--config", str(path)] if text is not None else []
    done = run(*options, *arguments)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


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


async def test_it_serves_on_a_unix_socket(tmp_path: Path) -> None:
    """For a gateway on the same machine, whose X-Forwarded-Proto is believed."""
    uds, provider = str(tmp_path / "signaller.sock"), FakeProvider()
    async with serving(provider.app) as provider_url:
        with served("--config", config(tmp_path, provider_url), "--uds", uds):
            await asyncio.to_thread(wait_for_socket, uds)
            transport = httpx.AsyncHTTPTransport(uds=uds)
            async with httpx.AsyncClient(transport=transport, base_url="http://voice") as client:
                minted = await client.post(
                    "/v1/realtime/client_secrets",
                    json={"model": "voice"},
                    headers={"authorization": f"Bearer {MASTER}", "x-forwarded-proto": "https"},
                )
    assert minted.json()["calls_url"] == "https://voice/v1/realtime/calls"


def wait_for_socket(path: str) -> None:
    """Return once something listens on a Unix socket."""
    deadline, again = time.monotonic() + 20, threading.Event()
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(path) == 0:
                return
        again.wait(0.02)
    raise TimeoutError(f"nothing listens on {path}")


async def test_two_workers_share_redis(tmp_path: Path, redis_url: str) -> None:
    """What one minted the other redeems, and once."""
    provider = FakeProvider()
    async with serving(provider.app) as provider_url:
        extra = f"signaller: {{redis_url: {redis_url}, token_keys: [{token_key().reveal()}]}}"
        path, port = config(tmp_path, provider_url, extra), free_port()
        with served("--config", path, "--port", str(port), "--workers", "2"):
            await asyncio.to_thread(wait_for_port, port, seconds=30)
            url = f"http://127.0.0.1:{port}/v1/realtime"
            headers = {"authorization": f"Bearer {MASTER}"}
            # A connection each: the kernel deals them out to both workers.
            limits = httpx.Limits(max_keepalive_connections=0)
            async with httpx.AsyncClient(limits=limits, timeout=30) as client:

                async def once() -> list[int]:
                    minted = await client.post(
                        f"{url}/client_secrets", json={"model": "voice"}, headers=headers
                    )
                    given = {
                        "authorization": f"Bearer {minted.json()['value']}",
                        "content-type": "application/sdp",
                    }
                    calls = [
                        client.post(f"{url}/calls", content=OFFER, headers=given) for _ in range(2)
                    ]
                    return sorted(done.status_code for done in await asyncio.gather(*calls))

                assert await asyncio.gather(*(once() for _ in range(20))) == [[201, 401]] * 20


@pytest.mark.parametrize("step", ["mint", "call"])
async def test_sigterm_lets_what_is_in_flight_finish(tmp_path: Path, step: str) -> None:
    """The answer still comes; then the process ends by the signal, as supervisors expect."""
    provider = FakeProvider()
    async with serving(provider.app) as provider_url:
        port = free_port()
        with served("--config", config(tmp_path, provider_url), "--port", str(port)) as process:
            await asyncio.to_thread(wait_for_port, port, seconds=30)
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}/v1/realtime", timeout=30
            ) as client:

                async def mint() -> httpx.Response:
                    headers = {"authorization": f"Bearer {MASTER}"}
                    body = {"model": "voice"}
                    return await client.post("/client_secrets", json=body, headers=headers)

                async def call(token: str) -> httpx.Response:
                    headers = {
                        "authorization": f"Bearer {token}",
                        "content-type": "application/sdp",
                    }
                    return await client.post("/calls", content=OFFER, headers=headers)

                if step == "mint":
                    provider.mint.holds()
                    waiting = asyncio.create_task(mint())
                    await provider.mint.arrived()
                else:
                    token = (await mint()).json()["value"]
                    provider.call.holds()
                    waiting = asyncio.create_task(call(token))
                    await provider.call.arrived()
                process.send_signal(signal.SIGTERM)
                await asyncio.to_thread(wait_for_refusal, port)
                provider.mint.release()
                provider.call.release()
                assert (await waiting).status_code == (200 if step == "mint" else 201)
            assert await asyncio.to_thread(process.wait, 20) == -signal.SIGTERM


def wait_for_refusal(port: int) -> None:
    """Return once nothing accepts connections any more."""
    deadline, again = time.monotonic() + 20, threading.Event()
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return
        again.wait(0.02)
    raise TimeoutError(f"port {port} still accepts connections")
