"""From the start of the process to its first healthy answer."""

import statistics
import time

from bench.contenders import Contender, prepared
from bench.field import Field
from bench.measuring import Effort
from bench.outcome import Chart, Finding, Outcome, under
from bench.processes import wait_until_healthy

ROW = "start to first healthy answer"
BAR_SECONDS = 1.0
LITELLM_STARTS = 2
"""It takes long and varies little."""


async def starting(field: Field, effort: Effort) -> Outcome:
    """The median of several starts, caches of compiled bytecode in place."""
    services = [
        field.service("service, memory", database=None),
        field.service("service, Redis", database=5),
    ]
    others = [field.relay("over_client"), field.litellm_proxy()]
    times = {
        each.name: _starts(each, field, effort.starts if each in services else LITELLM_STARTS)
        for each in [*services, *others]
        if each is not None
    }
    findings: list[Finding] = []
    for name, seconds in times.items():
        median = statistics.median(seconds)
        spread = f" ({min(seconds):.2f} to {max(seconds):.2f})"
        judged = under(ROW, name, median, BAR_SECONDS, "s", shown=spread)
        if not name.startswith("service"):
            judged = Finding(row=ROW, what=name, figure=judged.figure)
        findings.append(judged)
    series = {name: [statistics.median(seconds)] for name, seconds in times.items()}
    chart = Chart(name="start", title=ROW, unit="s", groups=["median"], series=series)
    return Outcome(findings=findings, charts=[chart], numbers=dict(times))


def _starts(contender: Contender, field: Field, count: int) -> list[float]:
    seconds = [_seconds(contender, field) for _ in range(count + 1)]
    return seconds[1:]  # the first may compile and read from disk


def _seconds(contender: Contender, field: Field) -> float:
    began = time.perf_counter()
    with prepared(contender, field.cores.server) as process:
        wait_until_healthy(process, contender.health)
        return time.perf_counter() - began
