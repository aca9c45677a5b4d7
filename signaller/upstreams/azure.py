"""Azure OpenAI's GA realtime API."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from signaller.errors import UpstreamAuthFailed, UpstreamRefused
from signaller.masking import NOTHING_HELD, Masking
from signaller.model import Deployment, Offer
from signaller.ports import Clock
from signaller.secret import Secret
from signaller.settings import Timeouts
from signaller.upstreams.azure_advice import advice
from signaller.upstreams.failures import AzureApiVersionUnsupported, UpstreamConnectTimeout
from signaller.upstreams.faults import Fault
from signaller.upstreams.surface import Headers, RealtimeSurface
from signaller.upstreams.transport import ProviderClient

Entra = Callable[[Deployment], Awaitable[Secret]]
GA_VERSIONS = frozenset({"", "v1", "preview"})


class Azure(RealtimeSurface):
    """Speaks to Azure under /openai/v1, without an `api-version`."""

    def __init__(
        self,
        client: ProviderClient,
        timeouts: Timeouts,
        entra: Entra | None = None,
        *,
        masking: Masking = NOTHING_HELD,
        clock: Clock = time.time,
    ) -> None:
        super().__init__(client, timeouts, masking=masking, clock=clock)
        self._entra = entra

    def _root(self, deployment: Deployment) -> str:
        version = deployment.api_version or ""
        if version.strip().lower() not in GA_VERSIONS:
            raise AzureApiVersionUnsupported(version)
        # An api_base copied from the portal may end in /openai/v1.
        return f"{deployment.base_url.removesuffix('/openai')}/openai/v1/realtime"

    async def _credential(self, deployment: Deployment, deadline: float) -> tuple[Headers, Secret]:
        if deployment.api_key:
            return {"api-key": deployment.api_key.reveal()}, deployment.api_key
        token = deployment.entra_token or await self._fetched(deployment, deadline)
        return {"Authorization": f"Bearer {token.reveal()}"}, token

    async def _fetched(self, deployment: Deployment, deadline: float) -> Secret:
        if deployment.entra is None or self._entra is None:
            raise UpstreamAuthFailed(f"deployment {deployment.id} has no credential")
        try:
            async with asyncio.timeout_at(deadline):
                return await self._entra(deployment)
        except TimeoutError as error:
            raise UpstreamConnectTimeout("Entra ID did not answer in time") from error

    def _offer_body(self, offer: Offer) -> tuple[str, bytes]:
        # Azure's route takes raw SDP with an ephemeral secret, and nothing else.
        if offer.session is not None:
            raise UpstreamRefused(
                status=400,
                type=None,
                code="session_not_supported",
                param="session",
                public="Azure takes no session with the offer: send it when you mint the token, "
                "or as session.update over the data channel.",
            )
        return super()._offer_body(offer)

    def _explain(self, fault: Fault) -> str | None:
        return advice(fault)
