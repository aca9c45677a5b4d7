"""SIGHUP: a configuration that changes while calls come in."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.cli.client import Client, client
from tests.cli.test_serving import NOWHERE, shared
from tests.support.process import PATIENCE_SECONDS, Running, config, run, served
from tests.support.provider import FakeProvider
from tests.support.service import token_key
from tests.support.serving import serving

KEY = token_key().reveal()
FAULTY = "model_list: 7\nsignaller: {token: {uses: none}}\n"

pytestmark = pytest.mark.timeout(180)  # several processes start, beside those of other tests


class Stage:
    """A running service whose file can be changed."""

    def __init__(
        self, process: Running, page: Client, path: Path, extra: str, workers: int
    ) -> None:
        self.process, self.page, self.path, self.workers = process, page, path, workers
        self._extra = extra

    def write(self, model: str, provider_url: str = NOWHERE) -> None:
        """A faultless file with one model."""
        config(self.path.parent, provider_url, self._extra, model=model)

    async def reloaded(self, times: int = 1) -> None:
        """Return once the workers have reloaded so often, each of them."""
        await asyncio.to_thread(
            self.process.logged, "reload", times=times * self.workers, outcome="ok"
        )

    async def models(self) -> set[frozenset[str]]:
        """What is on offer, asked often enough to meet every worker."""
        return {frozenset(await self.page.models()) for _ in range(10 * self.workers)}


@pytest.fixture(params=[1, 2], ids=["one process", "two workers"])
def workers(request: pytest.FixtureRequest) -> int:
    """How many processes serve."""
    count: int = request.param
    return count


@asynccontextmanager
async def staged(
    tmp_path: Path, redis_url: str, workers: int, provider_url: str = NOWHERE
) -> AsyncIterator[Stage]:
    """A service with the model `old`, ready."""
    extra = shared(redis_url)
    path = Path(config(tmp_path, provider_url, extra, model="old"))
    arguments = ("--config", str(path), "--workers", str(workers))
    with served(*arguments) as process:
        await asyncio.to_thread(process.ready, workers)
        async with client(process) as page:
            yield Stage(process, page, path, extra, workers)


async def test_a_changed_file_takes_effect(tmp_path: Path, redis_url: str, workers: int) -> None:
    """In every process, and without a new one."""
    async with staged(tmp_path, redis_url, workers) as stage:
        assert await stage.models() == {frozenset({"old"})}
        stage.write("new")
        assert await stage.models() == {frozenset({"old"})}
        stage.process.send(signal.SIGHUP)
        await stage.reloaded()
        assert await stage.models() == {frozenset({"new"})}
        assert len(stage.process.pids()) == workers


async def test_a_callers_key_is_withdrawn(tmp_path: Path, workers: int, redis_url: str) -> None:
    """And another one accepted, by every process."""

    def callers(key: str) -> str:
        return shared(redis_url).removesuffix("}") + f", callers: [{{name: web, keys: [{key}]}}]}}"

    path = config(tmp_path, NOWHERE, callers("sk-web-the-first-of-two"))
    with served("--config", path, "--workers", str(workers)) as process:
        await asyncio.to_thread(process.ready, workers)
        async with client(process) as page:

            async def statuses(key: str) -> set[int]:
                headers = {"authorization": f"Bearer {key}"}
                asked = [page.http.get("/v1/models", headers=headers) for _ in range(10)]
                return {done.status_code for done in await asyncio.gather(*asked)}

            assert await statuses("sk-web-the-first-of-two") == {200}
            assert await statuses("sk-web-the-second-of-two") == {401}
            config(tmp_path, NOWHERE, callers("sk-web-the-second-of-two"))
            process.send(signal.SIGHUP)
            await asyncio.to_thread(process.logged, "reload", times=workers)
            assert await statuses("sk-web-the-first-of-two") == {401}
            assert await statuses("sk-web-the-second-of-two") == {200}


FAULTS = ("faults", "bytes", "missing", "a pipe", "no Redis")


def spoil(path: Path, what: str, workers: int) -> list[str]:
    """Put something wrong in the file's place; the words that say each fault of it."""
    path.unlink()
    match what:
        case "faults":
            path.write_text(FAULTY)
            store = ["2 workers must share one store"] if workers == 2 else []
            return ["model_list", "signaller.token.uses", *store]
        case "bytes":
            path.write_bytes(b"\xff\xfe")
            return ["UTF-8"]
        case "missing":
            return ["No such file"]
        case "a pipe":
            os.mkfifo(path)
            return ["can be read again"]
    extra = f"signaller: {{redis_url: redis+sentinel://, token_keys: [{KEY}]}}"
    config(path.parent, NOWHERE, extra, model="new")
    return ["signaller.redis_url"]


async def test_a_faulty_file_changes_nothing(tmp_path: Path, redis_url: str, workers: int) -> None:
    """The old one stays in force, and a line for each fault says why: one faulty file by one."""
    async with staged(tmp_path, redis_url, workers) as stage:
        model, refused = "old", 0
        for times, what in enumerate(FAULTS, start=1):
            expected = spoil(stage.path, what, workers)
            stage.process.send(signal.SIGHUP)
            so_far = refused + len(expected)
            lines = await asyncio.to_thread(stage.process.logged, "reload refused", times=so_far)
            said = [line["fault"] for line in lines[refused:]]
            assert len(said) == len(expected), what
            assert all(any(words in fault for fault in said) for words in expected), said
            assert await stage.models() == {frozenset({model})}, what
            stage.path.unlink(missing_ok=True)
            model, refused = f"mended-{times}", so_far
            stage.write(model)
            stage.process.send(signal.SIGHUP)
            await stage.reloaded(times)
            assert await stage.models() == {frozenset({model})}, what


async def test_a_worker_that_meets_a_faulty_file_tries_again_until_it_is_mended(
    tmp_path: Path, redis_url: str
) -> None:
    """It crashed while the file on disk was faulty; the other one serves, and nobody gives up."""
    async with staged(tmp_path, redis_url, 2) as stage:
        stage.write("new")
        stage.process.send(signal.SIGHUP)
        await stage.reloaded()
        stage.path.write_text(FAULTY)
        os.kill(stage.process.pids()[0], signal.SIGKILL)
        for times in (3, 6):  # its faults, at each of two starts
            lines = await asyncio.to_thread(stage.process.logged, "worker not started", times=times)
            assert "model_list" in lines[0]["fault"]
            assert await stage.models() == {frozenset({"new"})}
        assert len(stage.process.lines("worker not started")) < 12, "it waits in between"
        stage.write("newer")
        await asyncio.to_thread(stage.process.ready, 3)
        stage.process.send(signal.SIGHUP)
        await stage.reloaded(times=2)
        assert await stage.models() == {frozenset({"newer"})}
        assert stage.process.process.poll() is None


async def test_workers_that_meet_a_faulty_file_end_with_the_service(
    tmp_path: Path, redis_url: str
) -> None:
    """All of them crashed; SIGTERM ends what is left, as ever."""
    async with staged(tmp_path, redis_url, 2) as stage:
        stage.path.write_text(FAULTY)
        for pid in stage.process.pids():
            os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(stage.process.logged, "worker not started", times=6)
        stage.process.send(signal.SIGTERM)
        assert await asyncio.to_thread(stage.process.ended) == 0


def test_workers_cannot_share_a_pipe(tmp_path: Path, redis_url: str) -> None:
    """Its first reader gets all there is: exit status 2 and a line, instead of hanging."""
    text = Path(config(tmp_path, NOWHERE, shared(redis_url))).read_bytes()
    reading, writing = os.pipe()
    os.write(writing, text)
    os.close(writing)
    pipe = tmp_path / "pipe"
    pipe.symlink_to(f"/proc/{os.getpid()}/fd/{reading}")
    try:
        done = run("--config", str(pipe), "--workers", "2")
        assert done.returncode == 2
        assert done.stderr.startswith("signaller: --config: expected a file that can be read again")
        with served("--config", str(pipe)) as process:
            process.ready()
    finally:
        os.close(reading)


async def test_a_worker_that_comes_back_agrees_with_the_others(
    tmp_path: Path, redis_url: str
) -> None:
    """About the store above all, although the file names another one by now."""
    provider = FakeProvider()
    async with serving(provider.app) as url, staged(tmp_path, redis_url, 2, url) as stage:
        stage.write("new", url)
        moved = stage.path.read_text().replace(redis_url, "redis://127.0.0.1:1/0")
        stage.path.write_text(moved)
        stage.process.send(signal.SIGHUP)
        await stage.reloaded()
        for pid in stage.process.pids()[:1]:
            os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(stage.process.ready, 3)
        for _ in range(20):
            minted = await stage.page.mint("new")
            assert minted.status_code == 200, minted.text
            called = await stage.page.call(minted.json()["value"])
            assert called.status_code == 201, called.text


async def test_a_reload_voids_no_token_without_token_keys(tmp_path: Path) -> None:
    """The key that was made up at the start stays, also beside one that the file names now."""
    provider = FakeProvider()
    async with serving(provider.app) as url:
        path = config(tmp_path, url)
        with served("--config", path) as process:
            await asyncio.to_thread(process.ready)
            async with client(process) as page:
                for times, keys in enumerate(["", f"signaller: {{token_keys: [{KEY}]}}"], start=1):
                    token = (await page.mint()).json()["value"]
                    config(tmp_path, url, keys)
                    process.send(signal.SIGHUP)
                    await asyncio.to_thread(process.logged, "reload", times=times, outcome="ok")
                    assert (await page.call(token)).status_code == 201


async def test_an_early_sighup_does_not_kill(tmp_path: Path, redis_url: str, workers: int) -> None:
    """Nor is it lost: sent to all processes over and over while they start, it ends none."""
    extra = shared(redis_url)
    path = config(tmp_path, NOWHERE, extra, model="old")
    with served("--config", path, "--workers", str(workers), group=True) as process:
        await asyncio.to_thread(wait_until_held, process)
        serving_now = asyncio.create_task(asyncio.to_thread(process.ready, workers))
        await asyncio.to_thread(process.logged, "listening")  # it has read the file
        config(tmp_path, NOWHERE, extra, model="new")
        storm = threading.Event()
        while not serving_now.done():
            os.killpg(process.process.pid, signal.SIGHUP)
            await asyncio.to_thread(storm.wait, 0.005)
        await serving_now
        async with client(process) as page:
            stage = Stage(process, page, Path(path), extra, workers)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await stage.models() != {frozenset({"new"})}:
                    pass  # the questions themselves take time
        assert len(process.pids()) == workers
        assert process.process.poll() is None
        assert not [line for line in process.said if "resource_tracker" in line]


def wait_until_held(process: Running) -> None:
    """Return once the kernel keeps SIGHUP from a process: its imports are done."""
    status = Path(f"/proc/{process.process.pid}/status")
    deadline, again = time.monotonic() + PATIENCE_SECONDS, threading.Event()
    while time.monotonic() < deadline:
        (blocked,) = (row for row in status.read_text().splitlines() if row.startswith("SigBlk"))
        if int(blocked.split()[1], 16) & 1 << (signal.SIGHUP - 1):
            return
        again.wait(0.002)
    raise TimeoutError("SIGHUP is never held")


async def test_a_late_sighup_does_not_cut_calls_off(
    tmp_path: Path, redis_url: str, workers: int
) -> None:
    """Between SIGTERM and the end, while a call is in flight."""
    provider = FakeProvider()
    async with (
        serving(provider.app) as url,
        staged(tmp_path, redis_url, workers, url) as stage,
    ):
        provider.mint.holds()
        waiting = asyncio.create_task(stage.page.mint("old"))
        await provider.mint.arrived()
        stage.process.send(signal.SIGTERM)
        await asyncio.to_thread(stage.process.logged, "Shutting down", times=workers)
        for pid in {stage.process.process.pid, *stage.process.pids()}:
            os.kill(pid, signal.SIGHUP)
        provider.mint.release()
        assert (await waiting).status_code == 200
        expected = -signal.SIGTERM if workers == 1 else 0
        assert await asyncio.to_thread(stage.process.ended) == expected


async def test_reloads_under_load_fail_nobody(tmp_path: Path, redis_url: str, workers: int) -> None:
    """Tokens are minted and used all the time, through twenty changes of the configuration."""
    provider = FakeProvider()
    async with (
        serving(provider.app) as url,
        staged(tmp_path, redis_url, workers, url) as stage,
    ):
        over, calls = asyncio.Event(), 0

        async def keep_calling() -> None:
            nonlocal calls
            while not over.is_set():
                minted = await stage.page.mint("old")
                assert minted.status_code == 200, minted.text
                called = await stage.page.call(minted.json()["value"])
                assert called.status_code == 201, called.text
                calls += 1

        callers = [asyncio.create_task(keep_calling()) for _ in range(8)]
        for number in range(1, 21):
            before = calls
            text = stage.path.read_text().partition("\nx-round")[0]
            stage.path.write_text(f"{text}\nx-round: {number}\n")
            stage.process.send(signal.SIGHUP)
            await stage.reloaded(times=number)
            while calls < before + 8 and not any(task.done() for task in callers):
                await asyncio.wait(callers, timeout=0.01)
        over.set()
        await asyncio.gather(*callers)
        assert calls >= 160
        assert len(stage.process.pids()) == workers
