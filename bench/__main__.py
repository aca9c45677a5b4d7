"""The command line of `make bench`."""

import argparse
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import uvloop

from bench.field import Field, field
from bench.installing import program
from bench.measuring import Effort
from bench.outcome import Outcome
from bench.processes import cores
from bench.report import machine, table, write
from bench.rows.growth import growth
from bench.rows.latency import latency
from bench.rows.memory import memory
from bench.rows.packages import packages
from bench.rows.profiles import profiles
from bench.rows.relaying import relaying
from bench.rows.starting import starting
from bench.rows.warm import warm
from bench.rows.watched import watched

Row = Callable[[Field, Effort], Awaitable[Outcome]]
ROWS: Mapping[str, Row] = {
    "calls": partial(relaying, "call"),
    "mints": partial(relaying, "mint"),
    "warm": warm,
    "latency": latency,
    "start": starting,
    "memory": memory,
    "watched": watched,
    "packages": packages,
    "growth": growth,
    "profiles": profiles,
}
RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for. 1 when a bar was missed."""
    asked = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _end)
    effort = Effort(
        rounds=asked.rounds,
        cpu_seconds=asked.cpu_seconds,
        warm_up=asked.warm_up,
        connections=tuple(asked.connections),
        latency_seconds=asked.latency_seconds,
        watched_seconds=asked.watched_seconds,
        starts=asked.starts,
        soak_requests=asked.soak_requests,
        grants=tuple(asked.grants),
        workers=tuple(asked.workers),
        profile_seconds=asked.profile_seconds,
    )
    about = {**machine(), "rounds": effort.rounds, "CPU per sample": f"{effort.cpu_seconds} s"}
    litellm = program("litellm", "litellm[proxy]", "litellm") if asked.litellm else None
    outcomes: dict[str, Outcome] = {}
    with field(cores(), litellm) as arena:
        for name in asked.rows or ROWS:
            _say(f"{name} ...")
            began = time.monotonic()
            outcomes[name] = uvloop.run(_row(name, arena, effort))
            _say(f"{name}: {time.monotonic() - began:.0f} s\n")
            write(asked.results, outcomes, about)  # what is known outlives a row that fails
    findings = [each for outcome in outcomes.values() for each in outcome.findings]
    sys.stdout.write(table(findings, about))
    return int(any(each.held is False for each in findings))


def _end(_: int, __: object) -> None:
    """Leave every block on the way out: no server outlives a bench that is told to stop."""
    sys.exit(128 + signal.SIGTERM)


async def _row(name: str, arena: Field, effort: Effort) -> Outcome:
    return await ROWS[name](arena, effort)


def _say(words: str) -> None:
    sys.stderr.write(words)
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    usual = Effort()
    parser = argparse.ArgumentParser(prog="make bench", description="Measure the service.")
    parser.add_argument("rows", nargs="*", metavar="row", help=f"of {', '.join(ROWS)}; none: all")
    parser.add_argument("--litellm", action="store_true", help="and LiteLLM's proxy (some 1 GB)")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--rounds", type=int, default=usual.rounds)
    parser.add_argument("--cpu-seconds", type=float, default=usual.cpu_seconds, help="per sample")
    parser.add_argument("--warm-up", type=int, default=usual.warm_up, help="requests")
    parser.add_argument("--connections", type=int, nargs="+", default=usual.connections)
    parser.add_argument("--latency-seconds", type=float, default=usual.latency_seconds)
    parser.add_argument("--watched-seconds", type=float, default=usual.watched_seconds)
    parser.add_argument("--starts", type=int, default=usual.starts)
    parser.add_argument("--soak-requests", type=int, default=usual.soak_requests)
    parser.add_argument("--grants", type=int, nargs="+", default=usual.grants)
    parser.add_argument("--workers", type=int, nargs="+", default=usual.workers)
    parser.add_argument("--profile-seconds", type=int, default=usual.profile_seconds)
    return parser


if __name__ == "__main__":
    sys.exit(main())
