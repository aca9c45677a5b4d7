"""Azure OpenAI's GA realtime API, and what to change when Azure refuses: its texts seldom say."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable

import httpx

from signaller.errors import (
    AzureApiVersionUnsupported,
    NotSupported,
    UpstreamAuthFailed,
    UpstreamConnectTimeout,
)
from signaller.masking import NOTHING_HELD, Masking
from signaller.model import Deployment, Offer
from signaller.ports import Clock
from signaller.providers.faults import Fault
from signaller.providers.sockets import Sockets
from signaller.providers.surface import ConfiguredCredential, RealtimeSurface
from signaller.secret import Secret
from signaller.settings import Timeouts

Entra = Callable[[Deployment], Awaitable[Secret]]
GA_VERSIONS = frozenset({"", "v1", "preview"})

API_VERSION = (
    "Azure refused the API version. The operator must remove api_version (or set it to 'v1'): "
    "realtime calls use the GA API at /openai/v1, which takes no api-version."
)
DEPLOYMENT = (
    "Azure knows no deployment by this name. The operator must check the name in "
    "litellm_params.model ('azure/<deployment name>') and that api_base is the resource which "
    "holds it; a new deployment takes some 5 minutes to appear."
)
OPERATION = (
    "This Azure deployment's model cannot do realtime calls. The operator must deploy a realtime "
    "model (gpt-realtime and its kin) and name that deployment in litellm_params.model."
)
REGION = (
    "Azure does not offer this in the resource's region. The operator must use a resource in a "
    "region with realtime models, and point api_base at it."
)
ROUTE = (
    "Azure has no realtime route at this address. The operator must check that api_base is the "
    "resource's own endpoint (https://<resource>.openai.azure.com) and that its region offers "
    "realtime models."
)
NETWORK = (
    "Azure's network rules keep this service out. The operator must allow its address under the "
    "resource's Networking settings, or use the private endpoint as api_base."
)
ROLE = (
    "The Entra ID identity may not use this Azure resource. The operator must give it the role "
    "'Cognitive Services OpenAI User'."
)
KEY = (
    "Azure refused this service's credential. The operator must check that api_key and api_base "
    "belong to the same resource; your own key or token is fine."
)

Table = tuple[tuple[re.Pattern[str], str], ...]

# In this order: the first that fits is the most particular.
_AUTH: Table = (
    (re.compile(r"virtual network|firewall|public access is disabled", re.I), NETWORK),
    (re.compile(r"PermissionDenied|lacks the required data action", re.I), ROLE),
    (re.compile(r"invalid subscription key|wrong api endpoint", re.I), KEY),
)
_REFUSED: Table = (
    (re.compile(r"api[- ]?version", re.I), API_VERSION),
    (re.compile(r"DeploymentNotFound|API deployment for this resource", re.I), DEPLOYMENT),
    (re.compile(r"OperationNotSupported|does not work with the specified model", re.I), OPERATION),
    (re.compile(r"\bregions?\b", re.I), REGION),
)
_NOT_FOUND: Table = ((re.compile(r"resource not found|^404 ", re.I), ROUTE),)


class Azure(RealtimeSurface):
    """Speaks to Azure under /openai/v1, without an `api-version`."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        timeouts: Timeouts,
        entra: Entra | None = None,
        *,
        masking: Masking = NOTHING_HELD,
        clock: Clock = time.time,
        sockets: Sockets | None = None,
    ) -> None:
        super().__init__(client, timeouts, masking=masking, clock=clock, sockets=sockets)
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

    def _configured(self, deployment: Deployment) -> ConfiguredCredential:
        if deployment.api_key:
            headers = {"api-key": deployment.api_key.reveal()}
            return ConfiguredCredential(headers=headers, secret=deployment.api_key)
        if deployment.entra_token:
            headers = {"Authorization": f"Bearer {deployment.entra_token.reveal()}"}
            return ConfiguredCredential(headers=headers, secret=deployment.entra_token)
        entra = deployment.entra
        if entra is None or self._entra is None:
            raise UpstreamAuthFailed(f"deployment {deployment.id} has no credential")
        # Its tokens change by the hour, and stand for the same.
        principal = (entra.tenant_id, entra.client_id, entra.client_secret.reveal())
        return ConfiguredCredential(headers={}, principal=principal)

    async def _fetch_bearer(self, deployment: Deployment, deadline: float) -> Secret:
        if self._entra is None:
            raise UpstreamAuthFailed(f"deployment {deployment.id} has no credential")
        try:
            async with asyncio.timeout_at(deadline):
                return await self._entra(deployment)
        except TimeoutError as error:
            raise UpstreamConnectTimeout("Entra ID did not answer in time") from error

    def _explain(self, fault: Fault) -> str | None:
        return advice(fault)


def advice(fault: Fault) -> str | None:
    """A sentence that names what to change, or None where Azure's own will do."""
    if fault.status in (401, 403):
        table = _AUTH
    elif fault.status == 404:
        table = _REFUSED + _NOT_FOUND
    elif 400 <= fault.status < 429:
        table = _REFUSED
    else:
        return None
    text = f"{fault.code or ''} {fault.message}"
    return next((sentence for pattern, sentence in table if pattern.search(text)), None)
