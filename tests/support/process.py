"""`signaller` as a process of its own, and what it logs.

with served("--config", path) as process:
    url = process.url()                             # once it listens; --port 0 is implied
    process.send(signal.SIGHUP)
    process.logged("reload", times=2)               # once two such lines are there
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

MASTER = "sk-master-for-the-command-line"
PATIENCE_SECONDS = 60
"""For one step of a process on a machine that is busy with other tests."""


def environment(**changes: str) -> dict[str, str]:
    """This process's environment without anything the service reads."""
    ours = re.compile(
        r"OPENAI_|AZURE_|SIGNALLER_|LITELLM_|REDIS_|PROMETHEUS_|(?:HTTPS?|ALL|NO)_PROXY$"
        r"|(?:PORT|HOST)$",
        re.I,
    )
    return {name: value for name, value in os.environ.items() if not ours.match(name)} | changes


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """`signaller` to its end."""
    command = [sys.executable, "-m", "signaller", *arguments]
    with subprocess.Popen(  # noqa: S603 - our own module
        command,
        env=environment(**env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its workers as well
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


class Running:
    """A `signaller` that runs, with everything it says on standard error."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[str] = []
        self._parsed = 0
        self._events: dict[str, list[dict[str, Any]]] = {}
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def url(self) -> str:
        """Its base URL, once it listens."""
        (line,) = self.logged("listening")
        return str(line["at"])

    def lines(self, event: str, **fields: str) -> list[dict[str, Any]]:
        """The log lines of one event (a pattern) so far, those with these fields."""
        with self._more:
            self._parse()
            names = [name for name in self._events if re.fullmatch(event, name)]
            found = [line for name in names for line in self._events[name]]
        return [line for line in found if fields.items() <= line.items()]

    def logged(self, event: str, *, times: int = 1, **fields: str) -> list[dict[str, Any]]:
        """The same lines, as soon as there are so many."""
        self._wait(lambda: len(self.lines(event, **fields)) >= times, f"{times} x {event!r}")
        return self.lines(event, **fields)

    def ready(self, workers: int = 1) -> None:
        """Return once so many processes serve."""
        self.logged("Application startup complete.", times=workers)

    def pids(self) -> list[int]:
        """All processes that ever began to serve, the oldest first."""
        begun = self.lines(r"Started server process \[\d+\]")
        return [int(line["event"].partition("[")[2].rstrip("]")) for line in begun]

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def ended(self) -> int:
        """Its exit status, once it has ended and all it said has been read."""
        status = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        return status

    def _parse(self) -> None:
        """Each line once: under load there are thousands, and each new one wakes whoever waits."""
        for text in self.said[self._parsed :]:
            self._parsed += 1
            if text.startswith("{"):
                line = json.loads(text)
                self._events.setdefault(line["event"], []).append(line)

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            with self._more:
                self.said.append(line.rstrip("\n"))
                self._more.notify_all()
        with self._more:
            self._more.notify_all()

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        with self._more:
            if not self._more.wait_for(condition, PATIENCE_SECONDS):
                raise TimeoutError(f"not said: {what}\n" + "\n".join(self.said))


@contextlib.contextmanager
def served(*arguments: str, group: bool = False, **env: str) -> Iterator[Running]:
    """`signaller` until the block ends, at a free port unless told otherwise.

    `group`: as the first of a process group of its own.
    """
    told = {"--port", "--uds"} & set(arguments) or "PORT" in env
    port = () if told else ("--port", "0")
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "signaller", *arguments, *port],
        env=environment(**env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=group,
    )
    running = Running(process)
    try:
        yield running
    finally:
        process.terminate()
        running.ended()
        assert process.stderr
        process.stderr.close()


def config(folder: Path, provider_url: str, extra: str = "", *, model: str = "voice") -> str:
    """A configuration file with one deployment."""
    path = folder / "config.yaml"
    path.write_text(
        encoding="utf-8",
        data=f"""
model_list:
  - model_name: {model}
    litellm_params: {{model: openai/gpt-realtime, api_key: sk-provider, api_base: "{provider_url}"}}
    model_info: {{mode: realtime}}
general_settings: {{master_key: {MASTER}}}
{extra}
""",
    )
    return str(path)
