"""What a watched call costs: memory for each, and CPU an event beside a bare client."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from bench.field import Field
from bench.measuring import Effort, Samples
from bench.outcome import Finding, Outcome, ratio, under
from bench.processes import ROOT, on_core
from bench.sideband_provider import EVENTS_PER_SECOND
from tests.support.redis import redis_server

ROW = "watched calls"
BAR_KIB = 60.0
BAR_RATIO = 2.0
CALLS_PER_ROUND = 200
"""A thousand with the usual rounds: fewer make a short run, and a coarse figure."""
MOST_CALLS, MOST_ROUNDS = 1000, 5
BARE, MEMORY, REDIS = "bare websockets client", "memory", "Redis"


async def watched(field: Field, effort: Effort) -> Outcome:
    """A thousand calls with five events a second each, in one process, with each of the stores."""
    calls = min(MOST_CALLS, CALLS_PER_ROUND * effort.rounds)
    kinds = (BARE, MEMORY, REDIS)
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    with _provider(field) as port:
        for number in range(min(MOST_ROUNDS, effort.rounds)):
            # There and back, so that none is always the one that follows another.
            for kind in kinds if number % 2 == 0 else reversed(kinds):
                found[kind].append(_measured(kind, port, calls, effort.watched_seconds, field))
    figures = {
        kind: {name: [one[name] for one in rounds] for name in rounds[0]}
        for kind, rounds in found.items()
    }
    cpu = Samples(by_name={kind: each["us"] for kind, each in figures.items()})
    findings = []
    for store in (MEMORY, REDIS):
        kib = median(figures[store]["kib"])
        findings += [
            under(ROW, f"{store}: memory a call, {calls} calls", kib, BAR_KIB, "KiB"),
            ratio(ROW, f"{store}: CPU an event, beside {BARE}", cpu.ratio(store, BARE), BAR_RATIO),
        ]
    findings += [_told(kind, each, calls) for kind, each in figures.items()]
    return Outcome(findings=findings, numbers=figures)


def _told(kind: str, figures: dict[str, list[float]], calls: int) -> Finding:
    """What the comparison is made of."""
    middle = {name: median(values) for name, values in figures.items()}
    figure = (
        f"{middle['us']:.0f} us an event, {middle['kib']:.3g} KiB a call; of "
        f"{calls * EVENTS_PER_SECOND} events a second {middle['events a second']:.0f} arrived, "
        f"of {middle['characters an event']:.0f} characters"
    )
    return Finding(row=ROW, what=kind, figure=figure)


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


def _measured(kind: str, port: int, calls: int, seconds: float, field: Field) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.watching", "bare" if kind == BARE else "watched"]
    command += [f"http://127.0.0.1:{port}", str(calls), str(seconds)]
    with contextlib.ExitStack() as stack:
        if kind == REDIS:
            # Of its own: another process's calls would be orphans to this one.
            command.append(f"redis://127.0.0.1:{stack.enter_context(redis_server())}/0")
        stack.enter_context(on_core(field.cores.server))
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE)  # noqa: S603
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
