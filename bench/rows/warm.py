"""Mints with a warm secret: beside an echo with two Redis commands, and in time to answer."""

import contextlib
import statistics

from bench.contenders import Server, started
from bench.field import Field
from bench.measuring import Effort, at, of_step, side_by_side
from bench.outcome import Chart, Finding, Outcome, ratio, under
from bench.wire import closed_loop

ROW = "mint with a warm secret"
ECHO = "bare echo, Redis SET+GET"
BAR = 2
FASTER = 20
WARM = "service, Redis, warm"
COLD = "service, Redis, cold"


async def warm(field: Field, effort: Effort) -> Outcome:
    """CPU against the echo; p50 against a mint that goes to the provider 100 ms away."""
    findings: list[Finding] = []
    numbers: dict[str, object] = {}
    medians: dict[str, list[float]] = {WARM: [], ECHO: []}
    with contextlib.ExitStack() as stack:
        echo, warmed, cold = (
            stack.enter_context(started(each, field.cores.server))
            for each in (
                field.echo(),
                field.service(WARM, database=2, provider=field.slow, warm=True),
                field.service(COLD, database=3, provider=field.slow),
            )
        )
        far, near = await _p50_ms(cold, effort), await _p50_ms(warmed, effort)
        findings.append(
            under(
                ROW,
                f"p50 / p50 of a mint at the provider ({near:.2f} / {far:.2f} ms), 1 connection",
                near / far,
                1 / FASTER,
                "x",
            )
        )
        if near > far / 2:
            cause = "not measured: a repeated mint still asks the provider"
            findings.append(
                Finding(row=ROW, what="CPU", figure=cause, bar="at most 2 x", held=False)
            )
            return Outcome(findings=findings, numbers={"p50_ms": [near, far]})
        for connections in effort.connections:
            samples = await side_by_side([echo, warmed], of_step("mint", connections), effort)
            numbers[str(connections)] = samples.by_name
            for name, values in medians.items():
                values.append(samples.median(name))
                what = f"{name}, {at(connections)}"
                figure = f"{samples.median(name):.0f} us CPU"
                findings.append(Finding(row=ROW, what=what, figure=figure))
            what = f"{WARM} / {ECHO}, {at(connections)}"
            findings.append(ratio(ROW, what, samples.ratio(WARM, ECHO), BAR))
    groups = [at(connections) for connections in effort.connections]
    title = f"{ROW}: CPU per request"
    chart = Chart(name="warm", title=title, unit="us", groups=groups, series=medians)
    return Outcome(findings=findings, charts=[chart], numbers=numbers)


async def _p50_ms(server: Server, effort: Effort) -> float:
    """Of mints one after the other, the first of which warm whatever can be warmed."""
    requests = await server.requests("mint", effort.warm_up // 4 + 5)
    answers = await closed_loop(server.port, requests, 1, server.expected("mint"))
    return statistics.median(answer.seconds for answer in answers[5:]) * 1000
