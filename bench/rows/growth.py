"""Whether a request costs the same with many grants alive, and with several workers."""

import contextlib
import json
from collections.abc import Sequence

from bench.contenders import Contender, Server, call_request, mint_request, started
from bench.field import Field
from bench.measuring import Effort, Samples, side_by_side
from bench.outcome import Chart, Finding, Outcome, ratio
from bench.wire import closed_loop

ROW = "growth"
FLAT = 1.15
"""Times the cost at the least: beyond what rounds differ by on a quiet machine."""
CONNECTIONS = 16
BATCH = 200
"""Tokens minted before they are spent: with so few, ten live grants stay some, not thousands."""


async def growth(field: Field, effort: Effort) -> Outcome:
    """Each size is a server of its own, so that all are measured in turn."""
    memory = [field.service(f"{grants:,} in memory", database=None) for grants in effort.grants]
    redis = [
        field.service(f"{grants:,} in Redis", database=7 + i)
        for i, grants in enumerate(effort.grants)
    ]
    workers = [
        field.service(f"{count} workers", database=10 + i, workers=count)
        for i, count in enumerate(effort.workers)
    ]
    found = {
        "live grants, memory": await _measured(memory, effort.grants, field, effort),
        "live grants, Redis": await _measured(redis, effort.grants, field, effort),
        "workers": await _measured(workers, [0] * len(workers), field, effort),
    }
    return Outcome(
        findings=[each for title, samples in found.items() for each in _findings(title, samples)],
        charts=[_chart(title, samples) for title, samples in found.items()],
        numbers={title: samples.by_name for title, samples in found.items()},
    )


async def _measured(
    contenders: Sequence[Contender], grants: Sequence[int], field: Field, effort: Effort
) -> Samples:
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(started(each, field.cores.server)) for each in contenders]
        for server, count in zip(servers, grants, strict=True):
            if count:
                await closed_loop(server.port, [mint_request()] * count, CONNECTIONS, 200)
        return await side_by_side(servers, _mints_and_calls, effort)


async def _mints_and_calls(server: Server, count: int) -> float:
    """Microseconds of CPU per mint with its call; afterwards as many grants live as before."""
    before = server.process.cpu_seconds()
    for first in range(0, count, BATCH):
        mints = [mint_request()] * min(BATCH, count - first)
        minted = await closed_loop(server.port, mints, CONNECTIONS, 200)
        calls = [call_request(json.loads(answer.body)["value"]) for answer in minted]
        await closed_loop(server.port, calls, CONNECTIONS, server.expected("call"))
    return (server.process.cpu_seconds() - before) / count * 1e6


def _findings(title: str, samples: Samples) -> list[Finding]:
    first, *others = samples.by_name
    figure = f"{samples.median(first):.0f} us CPU"
    base = Finding(row=ROW, what=f"{title}: a mint and its call, {first}", figure=figure)
    return [
        base,
        *(
            ratio(ROW, f"{title}: {name} / {first}", samples.ratio(name, first), FLAT)
            for name in others
        ),
    ]


def _chart(title: str, samples: Samples) -> Chart:
    return Chart(
        name="growth-" + title.replace(", ", "-").replace(" ", "-").lower(),
        title=f"CPU per mint and call: {title}",
        unit="us",
        groups=["median"],
        series={name: [samples.median(name)] for name in samples.by_name},
    )
