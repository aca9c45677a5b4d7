"""An upstream that measures what it passes on."""

from prometheus_client import Histogram

from signaller.metrics.labels import reason, text
from signaller.metrics.series import Series
from signaller.metrics.step import Step
from signaller.model import (
    Answer,
    Deployment,
    EphemeralSecret,
    Offer,
    ProviderRequest,
    SessionRequest,
    Trace,
)
from signaller.ports import Upstream
from signaller.secret import Secret


class UpstreamStep:
    """One step at one deployment, its series looked up once."""

    def __init__(self, series: Series, deployment: str, step: str) -> None:
        self._series, self._labels = series, (deployment, step)
        self._seconds: Histogram = series.provider_seconds.labels(*self._labels)

    def measured(self) -> Step:
        """A block that is this step."""
        return Step(self._seconds, self._failed)

    def _failed(self, error: Exception) -> None:
        self._series.provider_errors.labels(*self._labels, reason(error)).inc()


class MeteredUpstream:
    """Does what an upstream does, and counts by deployment (`ports.Upstream`)."""

    def __init__(self, upstream: Upstream, series: Series) -> None:
        self._upstream = upstream
        self._series = series
        self._steps: dict[tuple[str, str], UpstreamStep] = {}  # as many as the configuration names

    def mint_request(self, deployment: Deployment, request: SessionRequest) -> ProviderRequest:
        """`Upstream.mint_request`: no step, for nothing is sent."""
        return self._upstream.mint_request(deployment, request)

    async def mint(self, deployment: Deployment, request: SessionRequest) -> EphemeralSecret:
        """`Upstream.mint`, measured."""
        with self._step(deployment, "mint"):
            return await self._upstream.mint(deployment, request)

    def check_offer(self, deployment: Deployment, offer: Offer) -> None:
        """`Upstream.check_offer`: nothing is asked of anybody."""
        self._upstream.check_offer(deployment, offer)

    @property
    def takes_sessions(self) -> bool:
        """`Upstream.takes_sessions`."""
        return self._upstream.takes_sessions

    async def call(
        self, deployment: Deployment, secret: Secret | None, offer: Offer, trace: Trace
    ) -> Answer:
        """`Upstream.call`, measured."""
        with self._step(deployment, "call"):
            return await self._upstream.call(deployment, secret, offer, trace)

    async def hang_up(self, deployment: Deployment, provider_call_id: str, trace: Trace) -> bool:
        """`Upstream.hang_up`, measured."""
        with self._step(deployment, "hangup"):
            return await self._upstream.hang_up(deployment, provider_call_id, trace)

    def _step(self, deployment: Deployment, step: str) -> Step:
        known = self._steps.get((deployment.id, step))
        if known is None:
            known = self._steps[deployment.id, step] = UpstreamStep(
                self._series, text(deployment.id), step
            )
        return known.measured()
