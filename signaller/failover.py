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
        leave_half: bool,
        trace: Trace,
        line: Line,
    ) -> tuple[Deployment, T]:
        """The first deployment that serves, and what it gave.

        `seconds` are for all of them together (the longest `timeout` of theirs, if that is more).
        `attempt` gets each with what it may take of them as its time-out: `leave_half` of what
        is left to those that come after it, or all. Raises UpstreamError: the first one that does
        not fail over, or the last.
        """
        loop = asyncio.get_running_loop()
        whole = max((each.timeout_seconds or seconds for each in candidates), default=seconds)
        until = loop.time() + whole
        for number, deployment in enumerate(candidates, 1):
            is_last = number == len(candidates)
            line.add(deployment=deployment.id)
            left = until - loop.time()
            share = left / 2 if leave_half and not is_last else left
            limited = min(deployment.timeout_seconds or seconds, share)
            try:
                return deployment, await attempt(replace(deployment, timeout_seconds=limited))
            except UpstreamError as error:
                if not error.fails_over:
                    raise
                self._failed(deployment, error, trace)
                if is_last:
                    raise
        raise ValueError("no deployment to try")

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
