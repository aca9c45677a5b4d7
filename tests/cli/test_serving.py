"""A running process: its socket, its workers, its end."""

import asyncio
import os
import signal
import socket
import stat
import tempfile
import threading
import time
from pathlib import Path

import httpx
import pytest

from signaller.errors import ConfigError
from signaller.server.run import WORKER_ANSWER_SECONDS
from signaller.server.workers import counts_directory
from tests.cli.client import client, unix_client
from tests.support.process import MASTER, Running, config, run, served
from tests.support.provider import FakeProvider
from tests.support.service import PATIENT_SECONDS, token_key
from tests.support.serving import serving

NOWHERE = "http://127.0.0.1:1"


def shared(redis_url: str) -> str:
    """What several workers need in their configuration."""
    patient = f"timeouts: {{store_seconds: {PATIENT_SECONDS}}}"
    keys = f"token_keys: [{token_key().reveal()}]"
    return f"signaller: {{redis_url: {redis_url}, {patient}, {keys}}}"


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        pytest.param([], 0o660, id="by default"),
        pytest.param(["--uds-mode", "600"], 0o600, id="for one user"),
        pytest.param(["--uds-mode", "666"], 0o666, id="for all, with a warning"),
    ],
)
async def test_it_serves_on_a_unix_socket(tmp_path: Path, options: list[str], mode: int) -> None:
    """For a gateway on the same machine; the socket is gone when the service is."""
    uds, path = tmp_path / "s", config(tmp_path, NOWHERE)
    with served("--config", path, "--uds", str(uds), *options) as process:
        assert await asyncio.to_thread(process.url) == f"unix:{uds}"
        async with unix_client(str(uds)) as gateway:
            assert await gateway.models() == {"voice"}
        assert stat.S_IMODE(uds.stat().st_mode) == mode
        process.send(signal.SIGTERM)
        assert await asyncio.to_thread(process.ended) == -signal.SIGTERM
        assert not uds.exists()
        warned = [line for line in process.said if line.startswith("note: --uds-mode")]
        assert len(warned) == (mode == 0o666)


async def test_a_gateway_on_the_unix_socket_is_believed(tmp_path: Path) -> None:
    """It says that the world speaks https with it."""
    uds, provider = str(tmp_path / "s"), FakeProvider()
    async with serving(provider.app) as provider_url:
        with served("--config", config(tmp_path, provider_url), "--uds", uds) as process:
            await asyncio.to_thread(process.url)
            async with unix_client(uds) as gateway:
                minted = await gateway.mint(x_forwarded_proto="https")
    assert minted.json()["calls_url"] == "https://voice/v1/realtime/calls"


@pytest.mark.parametrize("mode", ["8", "6600", "640x", "-660", "060", ""])
def test_a_mode_that_is_none_is_said(mode: str) -> None:
    """Exit status 2; 060 would lock out the service's own user."""
    done = run("--uds", "s", f"--uds-mode={mode}")
    assert done.returncode == 2
    assert "octal" in done.stderr


async def test_several_workers_share_a_unix_socket(tmp_path: Path, redis_url: str) -> None:
    """Its file is the parent's to remove."""
    uds, path = tmp_path / "s", config(tmp_path, NOWHERE, shared(redis_url))
    with served("--config", path, "--uds", str(uds), "--workers", "2") as process:
        await asyncio.to_thread(process.ready, 2)
        async with unix_client(str(uds)) as gateway:
            for _ in range(8):
                assert await gateway.models() == {"voice"}
        assert stat.S_IMODE(uds.stat().st_mode) == 0o660
        process.send(signal.SIGTERM)
        assert await asyncio.to_thread(process.ended) == 0
        assert not uds.exists()


async def test_a_socket_in_use_is_said(tmp_path: Path) -> None:
    """Exit status 2 and one line, and the other service keeps its socket; killed, it leaves it."""
    uds, path = str(tmp_path / "s"), config(tmp_path, NOWHERE)
    with served("--config", path, "--uds", uds) as first:
        await asyncio.to_thread(first.url)
        done = await asyncio.to_thread(run, "--config", path, "--uds", uds)
        assert done.returncode == 2
        assert f"found {uds} in use" in done.stderr
        assert "Traceback" not in done.stderr
        async with unix_client(uds) as gateway:
            assert await gateway.models() == {"voice"}
        first.send(signal.SIGKILL)
        await asyncio.to_thread(first.ended)
    assert await asyncio.to_thread(Path(uds).is_socket)
    with served("--config", path, "--uds", uds) as second:
        await asyncio.to_thread(second.url)
        async with unix_client(uds) as gateway:
            assert await gateway.models() == {"voice"}


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_port_in_use_is_said(tmp_path: Path, redis_url: str, workers: int) -> None:
    """Exit status 2 and one line, before any worker is started."""
    path = config(tmp_path, NOWHERE, shared(redis_url))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        arguments = ("--config", path, "--port", port, "--workers", str(workers))
        done = await asyncio.to_thread(run, *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line == f"signaller: --port: expected a free port, found 127.0.0.1:{port} in use"


async def test_a_name_is_a_host(tmp_path: Path) -> None:
    """`localhost`, as people write it."""
    with served("--config", config(tmp_path, NOWHERE), "--host", "localhost") as process:
        await asyncio.to_thread(process.ready)
        port = process.lines("listening")[0]["at"].rpartition(":")[2]
        async with httpx.AsyncClient(timeout=30) as http:
            found = await http.get(f"http://localhost:{port}/healthz")
    assert found.status_code == 200


async def test_two_workers_share_redis(tmp_path: Path, redis_url: str) -> None:
    """What one minted the other redeems, and once."""
    provider = FakeProvider()
    async with serving(provider.app) as provider_url:
        path = config(tmp_path, provider_url, shared(redis_url))
        with served("--config", path, "--workers", "2") as process:
            await asyncio.to_thread(process.ready, 2)
            async with client(process) as page:

                async def once() -> list[int]:
                    token = (await page.mint()).json()["value"]
                    done = await asyncio.gather(page.call(token), page.call(token))
                    return sorted(each.status_code for each in done)

                assert await asyncio.gather(*(once() for _ in range(20))) == [[201, 401]] * 20


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("step", ["mint", "call"])
async def test_sigterm_lets_what_is_in_flight_finish(
    tmp_path: Path, redis_url: str, step: str, workers: int
) -> None:
    """The answer still comes, while nobody new is let in.

    A single process then ends by the signal, as supervisors expect.
    """
    provider = FakeProvider()
    async with serving(provider.app) as provider_url:
        path = config(tmp_path, provider_url, shared(redis_url))
        with served("--config", path, "--workers", str(workers)) as process:
            await asyncio.to_thread(process.ready, workers)
            async with client(process) as page:
                if step == "mint":
                    provider.mint.holds()
                    waiting = asyncio.create_task(page.mint())
                    await provider.mint.arrived()
                else:
                    token = (await page.mint()).json()["value"]
                    provider.call.holds()
                    waiting = asyncio.create_task(page.call(token))
                    await provider.call.arrived()
                process.send(signal.SIGTERM)
                await asyncio.to_thread(wait_for_refusal, process)
                provider.mint.release()
                provider.call.release()
                assert (await waiting).status_code == (200 if step == "mint" else 201)
            expected = -signal.SIGTERM if workers == 1 else 0
            assert await asyncio.to_thread(process.ended) == expected


def wait_for_refusal(process: Running) -> None:
    """Return once nothing accepts connections any more."""
    port = int(process.url().rpartition(":")[2])
    deadline, again = time.monotonic() + 20, threading.Event()
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return
        again.wait(0.02)
    raise TimeoutError(f"port {port} still accepts connections")


async def test_a_worker_that_dies_is_replaced(tmp_path: Path, redis_url: str) -> None:
    """Killed in the middle of things; the other serves meanwhile."""
    path = config(tmp_path, NOWHERE, shared(redis_url))
    with served("--config", path, "--workers", "2") as process:
        await asyncio.to_thread(process.ready, 2)
        os.kill(process.pids()[0], signal.SIGKILL)
        async with client(process) as page:
            assert await page.models() == {"voice"}
            await asyncio.to_thread(process.ready, 3)
            assert await page.models() == {"voice"}


async def test_a_worker_that_dies_unanswered_is_replaced_at_once(
    tmp_path: Path, redis_url: str
) -> None:
    """It hangs, its parent asks whether it lives, and it is killed: no answer is waited for."""
    path = config(tmp_path, NOWHERE, shared(redis_url))
    with served("--config", path, "--workers", "2") as process:
        await asyncio.to_thread(process.ready, 2)
        for pid in process.pids():
            os.kill(pid, signal.SIGSTOP)
        await asyncio.to_thread(Path(path).write_text, "model_list: 7")
        process.send(signal.SIGHUP)
        await asyncio.to_thread(process.logged, "reload refused")  # what it does before it asks
        config(tmp_path, NOWHERE, shared(redis_url))
        for pid in process.pids():
            os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(WORKER_ANSWER_SECONDS - 5):
            await asyncio.to_thread(process.ready, 4)


@pytest.mark.parametrize("workers", [1, 2])
async def test_nothing_is_left_behind(tmp_path: Path, redis_url: str, workers: int) -> None:
    """Not a file in the folder for temporary ones; until then nobody else may look at them."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    path = config(tmp_path, NOWHERE, shared(redis_url))
    arguments = ("--config", path, "--workers", str(workers))
    with served(*arguments, TMPDIR=str(temporary)) as process:
        await asyncio.to_thread(process.ready, workers)
        private = list(temporary.iterdir())
        assert len(private) == (workers > 1)
        for folder in private:
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert not holding_keys(temporary)
        process.send(signal.SIGTERM)
        await asyncio.to_thread(process.ended)
    assert list(temporary.iterdir()) == []


def holding_keys(folder: Path) -> list[Path]:
    """The files below it that hold what nobody else may read."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if MASTER.encode() in path.read_bytes()]


def test_no_room_for_workers_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only container without a /tmp."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(ConfigError, match="--workers: expected a directory"), counts_directory():
        pass


async def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path, redis_url: str) -> None:
    """Nobody would keep them, and a new parent needs the port."""
    path, temporary = config(tmp_path, NOWHERE, shared(redis_url)), tmp_path / "tmp"
    temporary.mkdir()
    # What a killed parent cannot remove stays below the test's own folder.
    with served("--config", path, "--workers", "2", TMPDIR=str(temporary)) as process:
        await asyncio.to_thread(process.ready, 2)
        process.send(signal.SIGKILL)
        assert await asyncio.to_thread(process.ended) == -signal.SIGKILL
        await asyncio.to_thread(wait_for_refusal, process)
        assert len(process.lines("Application shutdown complete.")) == 2
    assert holding_keys(tmp_path) == [Path(path)], "the operator's own, and none of ours"
