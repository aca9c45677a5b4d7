"""Azure OpenAI's GA realtime API."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from signaller.errors import NotSupported, UpstreamAuthFailed
from signaller.masking import NOTHING_HELD, Masking
from signaller.model import Deployment, Offer
from signaller.ports import Clock
from signaller.secret import Secret
from signaller.settings import Timeouts
from signaller.upstreams.azure_advice import advice
from signaller.upstreams.failures import AzureApiVersionUnsupported, UpstreamConnectTimeout
from signaller.upstreams.faults import Fault
from signaller.upstreams.surface import RealtimeSurface, Standing
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

    takes_sessions = False

    def check_offer(self, deployment: Deployment, offer: Offer) -> None:
        """Refuse a session: Azure's route takes raw SDP with an ephemeral secret, nothing else.

        And everything where the deployment names the retired API.
        """
        self._root(deployment)
        if offer.session is not None:
            raise NotSupported(
                public="Azure takes no session with the offer: send it when you mint the token, "
                "or as session.update over the data channel.",
                param="session",
            )

    def _calls_url(self, deployment: Deployment, offer: Offer) -> str:
        url = super()._calls_url(deployment, offer)
        return f"{url}?webrtcfilter=on" if offer.webrtcfilter else url

    def _root(self, deployment: Deployment) -> str:
        version = deployment.api_version or ""
        if version.strip().lower() not in GA_VERSIONS:
            raise AzureApiVersionUnsupported(version)
        # An api_base copied from the portal may end in /openai/v1.
        return f"{deployment.base_url.removesuffix('/openai')}/openai/v1/realtime"

    def _standing(self, deployment: Deployment) -> Standing:
        if deployment.api_key:
            headers = {"api-key": deployment.api_key.reveal()}
            return Standing(headers=headers, secret=deployment.api_key)
        if deployment.entra_token:
            headers = {"Authorization": f"Bearer {deployment.entra_token.reveal()}"}
            return Standing(headers=headers, secret=deployment.entra_token)
        entra = deployment.entra
        if entra is None or self._entra is None:
            raise UpstreamAuthFailed(f"deployment {deployment.id} has no credential")
        # Its tokens change by the hour, and stand for the same.
        principal = (entra.tenant_id, entra.client_id, entra.client_secret.reveal())
        return Standing(headers={}, principal=principal)

    async def _fetch(self, deployment: Deployment, deadline: float) -> Secret:
        if self._entra is None:
            raise UpstreamAuthFailed(f"deployment {deployment.id} has no credential")
        try:
            async with asyncio.timeout_at(deadline):
                return await self._entra(deployment)
        except TimeoutError as error:
            raise UpstreamConnectTimeout("Entra ID did not answer in time") from error

    def _explain(self, fault: Fault) -> str | None:
        return advice(fault)
