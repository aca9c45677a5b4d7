"""What the service adds to a provider that takes 100 ms, at 200 requests a second."""

import contextlib
import statistics
from collections.abc import Sequence

from bench.contenders import Server, Step, started
from bench.field import Field
from bench.measuring import Effort
from bench.outcome import Chart, Finding, Outcome, under
from bench.wire import Answer, open_loop

ROW = "added latency"
PER_SECOND = 200
P50_MS, P99_MS = 2.0, 15.0
STEPS: tuple[Step, ...] = ("call", "mint")


async def latency(field: Field, effort: Effort) -> Outcome:
    """p50 and p99 from the moment a request was due, both less the provider's own p50."""
    findings: list[Finding] = []
    numbers: dict[str, object] = {}
    bars: dict[str, list[float]] = {}
    with contextlib.ExitStack() as stack:
        servers = [
            stack.enter_context(started(each, field.cores.server))
            for each in (
                field.service("service, memory", database=None, provider=field.slow),
                field.service("service, Redis", database=4, provider=field.slow),
                field.relay("over_client", provider=field.slow),
                field.litellm_proxy(provider=field.slow),
            )
            if each is not None
        ]
        for step in STEPS:
            own = _quantiles(await _offered(field.slow, step, effort))[0]
            numbers[f"{step}, {field.slow.name}"] = own
            findings.append(_finding(f"{step}, {field.slow.name}, p50", own))
            for server in servers:
                found = _quantiles(await _offered(server, step, effort))
                added = [value - own for value in found]
                numbers[f"{step}, {server.name}"] = added
                bars.setdefault(server.name, []).extend(added)
                findings += _judged(f"{step}, {server.name}", server, *added)
    groups = [f"{step}, p{quantile}" for step in STEPS for quantile in (50, 99)]
    title = f"added to a provider of 100 ms at {PER_SECOND} requests/s"
    chart = Chart(name="latency", title=title, unit="ms", groups=groups, series=bars)
    return Outcome(findings=findings, charts=[chart], numbers=numbers)


async def _offered(server: Server, step: Step, effort: Effort) -> list[Answer]:
    # One second of them opens connections and is thrown away.
    count = int(PER_SECOND * (effort.latency_seconds + 1))
    requests = await server.requests(step, count)
    answers = await open_loop(server.port, requests, PER_SECOND, server.expected(step))
    return answers[PER_SECOND:]


def _quantiles(answers: Sequence[Answer]) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    cuts = statistics.quantiles([answer.seconds * 1000 for answer in answers], n=100)
    return cuts[49], cuts[98]


def _judged(what: str, server: Server, p50: float, p99: float) -> list[Finding]:
    if not server.name.startswith("service"):
        return [_finding(f"{what}, p50 added", p50), _finding(f"{what}, p99 added", p99)]
    return [
        under(ROW, f"{what}, p50 added", p50, P50_MS, "ms"),
        under(ROW, f"{what}, p99 added", p99, P99_MS, "ms"),
    ]


def _finding(what: str, milliseconds: float) -> Finding:
    return Finding(row=ROW, what=what, figure=f"{milliseconds:.2f} ms")
