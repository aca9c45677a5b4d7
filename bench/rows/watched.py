"""What a watched call costs: memory for each, and CPU an event beside a bare client."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from bench.field import Field
from bench.measuring import Effort
from bench.outcome import Finding, Outcome, under
from bench.processes import ROOT, on_core

ROW = "watched calls"
BAR_KIB = 60.0
BAR_RATIO = 2.0
CALLS_PER_ROUND = 200
"""A thousand with the usual five rounds: fewer make a short run, and a coarse figure."""


async def watched(field: Field, effort: Effort) -> Outcome:
    """A thousand calls with five events a second each, in one process."""
    calls = min(1000, CALLS_PER_ROUND * effort.rounds)
    with _provider(field) as port:
        found = {kind: _measured(kind, port, calls, field) for kind in ("bare", "watched")}
    bare, ours = found["bare"], found["watched"]
    findings = [
        under(ROW, f"memory a call, {calls} calls", ours["kib"], BAR_KIB, "KiB"),
        under(
            ROW,
            "CPU an event, beside a bare websockets client",
            ours["us"] / bare["us"],
            BAR_RATIO,
            "x",
            shown=f" ({ours['us']:.0f} and {bare['us']:.0f} us)",
        ),
        Finding(row=ROW, what="memory of a bare client", figure=f"{bare['kib']:.3g} KiB"),
    ]
    return Outcome(findings=findings, numbers=found)


@contextlib.contextmanager
def _provider(field: Field) -> Iterator[int]:
    """The port of one that is there as long as the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    with on_core(field.cores.rest):
        command = [sys.executable, "-m", "bench.sideband_provider", str(port)]
        provider = subprocess.Popen(command, cwd=ROOT)  # noqa: S603 - our own module
    try:
        _until_it_listens(port)
        yield port
    finally:
        provider.terminate()
        provider.wait()


def _measured(kind: str, port: int, calls: int, field: Field) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.watching", kind, f"http://127.0.0.1:{port}"]
    command += [str(calls), "10"]
    with on_core(field.cores.server):
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)  # noqa: S603 - ours
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _until_it_listens(port: int) -> None:
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
