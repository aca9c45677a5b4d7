"""Try the deployments of a model one after the other, within one deadline for all of them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from signaller.deployments import Deployments
from signaller.errors import UpstreamAuthFailed, UpstreamError
from signaller.journal import Line
from signaller.model import Deployment, Trace

log = logging.getLogger("signaller")

T = TypeVar("T")


class Failover:
    """Goes on to the next deployment where that is safe, and lets the failed one rest."""

    def __init__(self, deployments: Deployments) -> None:
        self._deployments = deployments

    async def first(
        self,
        candidates: Sequence[Deployment],
        attempt: Callable[[Deployment], Awaitable[T]],
        *,
        seconds: float,
        trace: Trace,
        line: Line,
    ) -> tuple[Deployment, T]:
        """The first deployment that serves, and what it gave.

        `seconds` are for all of them together (the longest `timeout` of theirs, if that is more).
        `attempt` gets each with its share of them as its time-out. Raises UpstreamError: the first
        one that does not fail over, or the last.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + max(each.timeout_seconds or seconds for each in candidates)
        for others, deployment in zip(range(len(candidates) - 1, -1, -1), candidates, strict=True):
            line.add(deployment=deployment.id)
            # One that stalls leaves half of what there is to those that come after it.
            left = (until - loop.time()) / (2 if others else 1)
            limited = min(deployment.timeout_seconds or seconds, left)
            try:
                return deployment, await attempt(replace(deployment, timeout_seconds=limited))
            except UpstreamError as error:
                if not error.fails_over:
                    raise
                self._failed(deployment, error, trace)
                if not others:
                    raise
        raise RuntimeError("no candidates, and no error that says so")

    def _failed(self, deployment: Deployment, error: UpstreamError, trace: Trace) -> None:
        # A refused credential may depend on what was asked for: it rests nothing.
        if not isinstance(error, UpstreamAuthFailed):
            self._deployments.rest(deployment, error.retry_after)
        fields = {
            **trace.ids,
            "deployment": deployment.id,
            "code": error.code,
            "detail": str(error),
        }
        log.warning("deployment failed", extra={"fields": fields})
