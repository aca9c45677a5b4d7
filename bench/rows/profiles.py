"""Where the time goes in each route: py-spy's flame graphs, and the functions on top."""

import asyncio
import itertools
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.contenders import Server, Step, started
from bench.field import Field
from bench.installing import program
from bench.measuring import Effort, of_step
from bench.outcome import Finding, Outcome
from bench.wire import closed_loop

ROW = "profiles"
CONNECTIONS = 16
PER_SECOND = 500
"""Samples; the service stands still for each, or the stacks would be torn."""
PORTION = 800
STEPS: tuple[Step, ...] = ("mint", "call", "introspect", "hangup")
TOP = 40
LINE = re.compile(r":\d+(?=\)$)")
"""Of a frame such as `mint (signaller/web/handlers.py:59)`: a function is one, wherever it is."""


async def profiles(field: Field, effort: Effort) -> Outcome:
    """One graph and one list for each route on Redis; what it takes was made before."""
    spy = shutil.which("py-spy") or program("profiler", "py-spy", "py-spy")
    files: dict[str, str] = {}
    with started(field.service(database=14), field.cores.server) as server:
        for step in STEPS:
            await of_step(step, CONNECTIONS)(server, effort.warm_up)
            files |= await _profile(spy, server, step, effort.profile_seconds)
    findings = [Finding(row=ROW, what=name, figure="written") for name in files]
    return Outcome(findings=findings, files=files)


async def _profile(spy: str, server: Server, step: Step, seconds: int) -> dict[str, str]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        graph, raw = Path(folder) / "graph.svg", Path(folder) / "raw.txt"
        await _recorded((spy, "record", "--format", "flamegraph"), graph, server, step, seconds)
        await _recorded((spy, "record", "--format", "raw"), raw, server, step, seconds)
        return {
            f"profile-{step}.svg": graph.read_text(),
            f"profile-{step}.txt": _top(raw.read_text()),
        }


async def _recorded(
    recording: Sequence[str], output: Path, server: Server, step: Step, seconds: int
) -> None:
    # Requests of more than the longest recording: a call's tokens must be there when it begins.
    count = PORTION * seconds * 3
    requests = await server.requests(step, count)
    recorder = await asyncio.create_subprocess_exec(
        *recording,
        *("--pid", str(server.process.pid), "--duration", str(seconds)),
        *("--rate", str(PER_SECOND), "--output", str(output)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    load = asyncio.create_task(_load(server, step, requests))
    said, _ = await recorder.communicate()
    load.cancel()
    await asyncio.wait({load})
    if recorder.returncode:
        raise RuntimeError(f"py-spy: {said.decode(errors='replace')}")


async def _load(server: Server, step: Step, requests: list[bytes]) -> None:
    endless = itertools.count() if step == "mint" else range(1)
    for _ in endless:
        await closed_loop(server.port, requests, CONNECTIONS, server.expected(step))


def _top(raw: str) -> str:
    """Functions by the share of samples they were on top of, and anywhere in."""
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [LINE.sub("", frame) for frame in stack.split(";")]
        own[frames[-1]] += int(count)
        within.update(dict.fromkeys(frames, int(count)))
    total = max(own.total(), 1)
    lines = [f"{'own':>6} {'within':>7}  function"]
    lines += [
        f"{100 * count / total:5.1f}% {100 * within[name] / total:6.1f}%  {name}"
        for name, count in own.most_common(TOP)
    ]
    lines += ["", f"{'within':>7}  function of the service"]
    lines += [
        f"{100 * count / total:6.1f}%  {name}"
        for name, count in within.most_common()
        if "signaller/" in name
    ][:TOP]
    return "\n".join(lines) + "\n"
