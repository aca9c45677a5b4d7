"""Servers as processes on a core of their own, and what they have used: CPU time and memory."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
STOP_SECONDS = 10
"""A server without traffic that has not ended by then is killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """The servers under test have one to themselves; everything else shares the other."""

    server: int
    rest: int


def cores() -> Cores:
    """The first two that this process may use; on a machine with one, that one for both."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(server=allowed[0], rest=allowed[1 % len(allowed)])


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """This thread, and whatever it starts meanwhile, runs on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A server that runs, with its children."""

    pid: int
    port: int
    log: Path

    def cpu_seconds(self) -> float:
        """User and system time of all threads and children so far."""
        return sum(map(_cpu_seconds, tree(self.pid)))

    def rss_mib(self) -> float:
        """Resident memory of the process and its children; shared pages count in each."""
        return sum(_rss_kib(pid) for pid in tree(self.pid)) / 1024


@contextlib.contextmanager
def running(
    command: Sequence[str],
    *,
    port: int,
    core: int,
    log: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """A process whose output goes to `log`, until the block ends; it need not listen yet."""
    with log.open("wb") as output, on_core(core):
        popen = subprocess.Popen(  # noqa: S603 - our own servers
            command,
            cwd=ROOT,
            env=_environment() | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Process(pid=popen.pid, port=port, log=log)
    finally:
        popen.terminate()
        try:
            popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for pid in tree(popen.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)
            popen.wait()


def wait_until_healthy(process: Process, path: str, *, seconds: float = 90) -> None:
    """Return at the first 200. Raises TimeoutError with the server's last words."""
    deadline = time.perf_counter() + seconds
    while not _answers(process.port, path):
        if time.perf_counter() > deadline or _is_over(process.pid):
            words = process.log.read_text(errors="replace")[-2000:]
            raise TimeoutError(f"no healthy answer (within {seconds:.0f} s); it said:\n{words}")
        time.sleep(0.002)  # a listening socket sends no notice


def _is_over(pid: int) -> bool:
    """A zombie: it has ended and nobody has asked for its status."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _answers(port: int, path: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
            return connection.recv(1024)[9:12] == b"200"
    except OSError:
        return False


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module with this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def tree(pid: int) -> list[int]:
    """A process and all its descendants that live."""
    found = [pid]
    for parent in found:
        # A child belongs to the thread that started it.
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(child) for child in children.read_text().split()]
    return found


def _cpu_seconds(pid: int) -> float:
    """A process's CPU clock (clock_getcpuclockid(3)): /proc counts in ticks of 10 ms."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:  # it has ended
        return 0


def _rss_kib(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next(
        (int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")), 0
    )


def _environment() -> dict[str, str]:
    """What a program needs to run, and nothing that would configure a server under test."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ}
