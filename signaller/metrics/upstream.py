"""An upstream that measures what it passes on."""

from signaller.metrics.labels import reason, text
from signaller.metrics.series import Series
from signaller.metrics.step import Step
from signaller.model import Answer, Deployment, EphemeralSecret, Offer, SessionRequest, Trace
from signaller.ports import Upstream
from signaller.secret import Secret


class MeteredUpstream:
    """Does what an upstream does, and counts by deployment (`ports.Upstream`)."""

    def __init__(self, upstream: Upstream, series: Series) -> None:
        self._upstream = upstream
        self._series = series

    async def mint(self, deployment: Deployment, request: SessionRequest) -> EphemeralSecret:
        """`Upstream.mint`, measured."""
        with self._step(deployment, "mint"):
            return await self._upstream.mint(deployment, request)

    async def call(
        self, deployment: Deployment, secret: Secret, offer: Offer, trace: Trace
    ) -> Answer:
        """`Upstream.call`, measured."""
        with self._step(deployment, "call"):
            return await self._upstream.call(deployment, secret, offer, trace)

    async def hang_up(self, deployment: Deployment, provider_call_id: str, trace: Trace) -> None:
        """`Upstream.hang_up`, measured."""
        with self._step(deployment, "hangup"):
            await self._upstream.hang_up(deployment, provider_call_id, trace)

    def _step(self, deployment: Deployment, step: str) -> Step:
        series, name = self._series, text(deployment.id)

        def failed(error: Exception) -> None:
            series.provider_errors.labels(name, step, reason(error)).inc()

        return Step(series.provider_seconds.labels(name, step), failed)
