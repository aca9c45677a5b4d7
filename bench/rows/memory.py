"""Resident memory: idle, after many requests, and whether it keeps growing."""

import asyncio

from bench.contenders import Contender, Server, started
from bench.field import Field
from bench.measuring import Effort
from bench.outcome import Chart, Finding, Outcome, under
from bench.wire import closed_loop

ROW = "memory"
IDLE_MIB, LATER_MIB = 90, 100
FLAT_MIB = 3
"""What the second half of the requests may add: an arena or two of the allocator's."""
IN_MEMORY = "service, memory"
REMEMBERED_BYTES = 1024
"""The memory store is the memory: it keeps a spent token until it expires, a call for an hour."""
PORTIONS = 10
CONNECTIONS = 16


async def memory(field: Field, effort: Effort) -> Outcome:
    """Half of the requests are mints, half are the calls of their tokens."""
    contenders = [
        field.service(IN_MEMORY, database=None),
        field.service("service, Redis", database=6),
        field.relay("over_client"),
    ]
    findings: list[Finding] = []
    courses: dict[str, list[float]] = {}
    for contender in contenders:
        course = await _course(contender, field, effort.soak_requests)
        courses[contender.name] = course
        findings += _findings(contender.name, course, effort.soak_requests)
    groups = ["idle", *(f"{i * effort.soak_requests // PORTIONS}" for i in range(1, PORTIONS + 1))]
    title = "resident memory after so many requests"
    chart = Chart(name="memory", title=title, unit="MiB", groups=groups, series=courses)
    return Outcome(findings=findings, charts=[chart], numbers=dict(courses))


async def _course(contender: Contender, field: Field, requests: int) -> list[float]:
    """MiB idle, then after each portion."""
    with started(contender, field.cores.server) as server:
        await asyncio.sleep(1)  # idle: whatever the start left running has ended
        course = [server.process.rss_mib()]
        for _ in range(PORTIONS):
            await _portion(server, requests // PORTIONS)
            course.append(server.process.rss_mib())
    return course


async def _portion(server: Server, requests: int) -> None:
    mints_too = server.contender.own_tokens
    calls = await server.requests("call", requests // 2 if mints_too else requests)
    await closed_loop(server.port, calls, CONNECTIONS, server.expected("call"))


def _findings(name: str, course: list[float], requests: int) -> list[Finding]:
    idle, half, end = course[0], course[len(course) // 2], course[-1]
    later = f"after {requests:,} requests"
    if not name.startswith("service"):
        figure = f"{idle:.0f} MiB idle, {end:.0f} MiB {later}"
        return [Finding(row=ROW, what=name, figure=figure)]
    findings = [
        under(ROW, f"{name}, idle", idle, IDLE_MIB, "MiB"),
        under(ROW, f"{name}, {later}", end, LATER_MIB, "MiB"),
    ]
    if name == IN_MEMORY:
        each = (end - half) * 1024**2 / (requests / 4)  # every other request is a call
        what = f"{name}, what it remembers of a token and its call"
        return [*findings, under(ROW, what, each, REMEMBERED_BYTES, "bytes")]
    what = f"{name}, added by the second half"
    return [*findings, under(ROW, what, end - half, FLAT_MIB, "MiB")]
