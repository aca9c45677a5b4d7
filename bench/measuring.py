"""CPU per request, side by side: every contender once per round, several rounds."""

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.contenders import Server, Step
from bench.wire import WrongAnswer, closed_loop

MOST_REQUESTS = 30_000
"""In one sample; nginx alone would need more to fill it, and then the load waits for the load."""
LEAST_REQUESTS = 128
"""Two for each of 64 connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long is measured.

    Many short rounds: shared machines are faster and slower by turns of seconds, and what is
    compared within a round has then met the same turn.
    """

    rounds: int = 15
    cpu_seconds: float = 0.15
    warm_up: int = 200
    """Requests before any that count: connections, caches, specialised bytecode are in place."""
    connections: tuple[int, ...] = (1, 32, 64)
    latency_seconds: float = 10
    watched_seconds: float = 10
    starts: int = 7
    soak_requests: int = 100_000
    grants: tuple[int, ...] = (10, 1_000, 100_000)
    workers: tuple[int, ...] = (1, 2, 4)
    profile_seconds: int = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Microseconds of CPU per request, one value per round, by contender."""

    by_name: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """Of all rounds."""
        return statistics.median(self.by_name[name])

    def ratio(self, name: str, to: str) -> tuple[float, float, float]:
        """Median, least and most of the ratios within each round."""
        pairs = zip(self.by_name[name], self.by_name[to], strict=True)
        ratios = [one / other for one, other in pairs]
        return statistics.median(ratios), min(ratios), max(ratios)


def at(connections: int) -> str:
    """So many connections, in words."""
    return f"{connections} connection{'s' if connections != 1 else ''}"


Cost = Callable[[Server, int], Awaitable[float]]
"""Microseconds of CPU per request over so many requests."""


async def side_by_side(servers: Sequence[Server], cost: Cost, effort: Effort) -> Samples:
    """One sample of each in every round, in turn: what disturbs one disturbs all."""
    counts = {server.name: await _count(server, cost, effort) for server in servers}
    samples: dict[str, list[float]] = {server.name: [] for server in servers}
    for number in range(effort.rounds):
        # There and back, so that none is always the one that follows another.
        for server in servers if number % 2 == 0 else reversed(servers):
            samples[server.name].append(await cost(server, counts[server.name]))
    return Samples(by_name=samples)


def of_step(step: Step, connections: int) -> Cost:
    """The cost of one step; the tokens it needs are made before."""

    async def cost(server: Server, count: int) -> float:
        requests = await server.requests(step, count)
        before = server.process.cpu_seconds()
        try:
            await closed_loop(server.port, requests, connections, server.expected(step))
        except* WrongAnswer as group:
            words = server.process.log.read_text(errors="replace")[-1000:]
            fault = f"{server.name}, {step}: {group.exceptions[0]}\n{words}"
            raise WrongAnswer(fault) from group
        return (server.process.cpu_seconds() - before) / count * 1e6

    return cost


async def _count(server: Server, cost: Cost, effort: Effort) -> int:
    """How many requests make up a sample, judged by a few that do not count."""
    await cost(server, effort.warm_up)
    estimate = max(await cost(server, effort.warm_up), 10)
    return max(min(int(effort.cpu_seconds * 1e6 / estimate), MOST_REQUESTS), LEAST_REQUESTS)
