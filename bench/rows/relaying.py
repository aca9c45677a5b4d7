"""CPU per relayed request: calls, and mints without a warm secret."""

import contextlib

from bench.contenders import Server, Step, started
from bench.field import Field
from bench.measuring import Effort, Samples, at, of_step, side_by_side
from bench.outcome import Chart, Finding, Outcome, ratio

SERVICES = ("service, memory", "service, Redis")
RELAY = "bare relay, same client"
ON_AIOHTTP = "bare relay, aiohttp"
"""Told without a bar: what httpx costs above it."""
LITELLM = "LiteLLM's proxy"
BAR = 1.8
LITELLM_BARS: dict[Step, int] = {"call": 5, "mint": 10}
ROW: dict[Step, str] = {"call": "calls", "mint": "mint without a warm secret"}


async def relaying(step: Step, field: Field, effort: Effort) -> Outcome:
    """Every contender at every number of connections."""
    findings: list[Finding] = []
    found: dict[int, Samples] = {}
    with contextlib.ExitStack() as stack:
        contenders = [
            field.service("service, memory", database=None),
            field.service("service, Redis", database=0),
            field.service("service, Redis, with log lines", database=1, log_level="info"),
            field.relay("over_client"),
            field.relay("over_aiohttp"),
            field.relay("over_httpx"),
            field.proxy(),
            field.litellm_proxy(),
        ]
        servers = [
            stack.enter_context(started(each, field.cores.server))
            for each in contenders
            if each is not None
        ]
        for connections in effort.connections:
            found[connections] = await side_by_side(servers, of_step(step, connections), effort)
            findings += _findings(step, servers, connections, found[connections])
    groups = [at(connections) for connections in found]
    series = {
        server.name: [samples.median(server.name) for samples in found.values()]
        for server in servers
    }
    title = f"{ROW[step]}: CPU per request"
    return Outcome(
        findings=findings,
        charts=[Chart(name=step, title=title, unit="us", groups=groups, series=series)],
        numbers={str(connections): samples.by_name for connections, samples in found.items()},
    )


def _findings(
    step: Step, servers: list[Server], connections: int, samples: Samples
) -> list[Finding]:
    row, where = ROW[step], at(connections)
    names = [server.name for server in servers]
    costs = [
        Finding(row=row, what=f"{name}, {where}", figure=f"{samples.median(name):.0f} us CPU")
        for name in names
    ]
    judged = [
        ratio(row, f"{name} / {RELAY}, {where}", samples.ratio(name, RELAY), BAR)
        for name in SERVICES
    ]
    judged += [
        Finding(
            row=row,
            what=f"{name} / {ON_AIOHTTP}, {where}",
            figure=f"{samples.ratio(name, ON_AIOHTTP)[0]:.3g} x",
        )
        for name in SERVICES
    ]
    if LITELLM in names:
        judged += [
            ratio(
                row,
                f"{name} / {LITELLM}, {where}",
                samples.ratio(name, LITELLM),
                1 / LITELLM_BARS[step],
            )
            for name in SERVICES
        ]
    return costs + judged
