"""The realtime HTTP surface that OpenAI defined and Azure shares: mint, call, hang up."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from signaller.errors import UpstreamAuthFailed, UpstreamInvalidResponse
from signaller.json_writer import write_json
from signaller.masking import NOTHING_HELD, Masking
from signaller.model import (
    Answer,
    Deployment,
    EphemeralSecret,
    Offer,
    ProviderRequest,
    SessionRequest,
    Trace,
)
from signaller.ports import Clock
from signaller.secret import Secret
from signaller.settings import Timeouts
from signaller.upstreams.exchange import Incoming, Outgoing, send
from signaller.upstreams.failures import UpstreamSecretRefused
from signaller.upstreams.faults import Fault, as_error, parse_fault
from signaller.upstreams.location import call_id
from signaller.upstreams.minted import parse_minted
from signaller.upstreams.offer_body import offer_body
from signaller.upstreams.transport import ProviderClient

Headers = Mapping[str, str]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A credential as the configuration holds it."""

    headers: Headers
    """That bring it, and whatever else says on whose behalf."""
    secret: Secret | None = None
    """None: a bearer has to be fetched for the `principal`."""
    principal: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        """Without the credential."""
        return "Standing(****)"


def trace_headers(trace: Trace) -> Headers:
    """By which a request can be found in the provider's log, and in a distributed trace."""
    given = {"traceparent": trace.traceparent, "tracestate": trace.tracestate}
    return {
        "X-Client-Request-Id": trace.request_id,
        **{name: value for name, value in given.items() if value is not None},
    }


class RealtimeSurface(ABC):
    """`ports.Upstream`, but for where the routes are and which credential opens them."""

    def __init__(
        self,
        client: ProviderClient,
        timeouts: Timeouts,
        *,
        masking: Masking = NOTHING_HELD,
        clock: Clock = time.time,
    ) -> None:
        self._client, self._timeouts, self._clock = client, timeouts, clock
        self._masking = masking

    takes_sessions: bool
    """Whether a session may come with an offer, and the standard key with both."""

    @abstractmethod
    def _root(self, deployment: Deployment) -> str:
        """The URL below which `/client_secrets` and `/calls` are."""

    @abstractmethod
    def _standing(self, deployment: Deployment) -> Standing:
        """The deployment's own credential, and the headers that go with it."""

    async def _fetch(self, deployment: Deployment, deadline: float) -> Secret:
        """A bearer for a credential that is a principal's."""
        raise UpstreamAuthFailed(f"deployment {deployment.id} has no way to fetch a credential")

    async def _credential(self, deployment: Deployment, deadline: float) -> tuple[Headers, Secret]:
        """The deployment's own credential, in headers and as such."""
        standing = self._standing(deployment)
        if standing.secret is not None:
            return standing.headers, standing.secret
        bearer = await self._fetch(deployment, deadline)
        return {**standing.headers, "Authorization": f"Bearer {bearer.reveal()}"}, bearer

    @abstractmethod
    def check_offer(self, deployment: Deployment, offer: Offer) -> None:
        """Refuse what this provider takes from nobody. Raises NotSupported, UpstreamError."""

    def _calls_url(self, deployment: Deployment, offer: Offer) -> str:
        """Where an offer goes."""
        return f"{self._root(deployment)}/calls"

    async def _call_credential(
        self, deployment: Deployment, secret: Secret | None, offer: Offer, deadline: float
    ) -> tuple[Headers, Secret]:
        if secret is None or offer.session is not None:
            # A session beside the offer is the unified flow, which takes the standard key only.
            return await self._credential(deployment, deadline)
        return {"Authorization": f"Bearer {secret.reveal()}"}, secret

    def _safety_headers(self, safety_identifier: str | None) -> Headers:
        """Who the end user is, for a provider that wants to know."""
        return {}

    def _explain(self, fault: Fault) -> str | None:
        """A sentence of ours for an error whose own text does not say what to do."""
        return None

    def mint_request(self, deployment: Deployment, request: SessionRequest) -> ProviderRequest:
        """What `mint` sends, before a bearer is fetched for it."""
        root, standing = self._root(deployment), self._standing(deployment)
        asked = {
            "expires_after": {"anchor": "created_at", "seconds": request.expires_after_seconds},
            "session": request.session,
        }
        return ProviderRequest(
            url=f"{root}/client_secrets",
            headers={
                **standing.headers,
                **self._safety_headers(request.safety_identifier),
                "Content-Type": "application/json",
            },
            content=write_json(asked),
            tracing=trace_headers(request.trace),
            principal=standing.principal,
        )

    async def mint(self, deployment: Deployment, request: SessionRequest) -> EphemeralSecret:
        """Ask for an ephemeral secret."""
        deadline = self._deadline(deployment, self._timeouts.mint_seconds)
        asked = self.mint_request(deployment, request)
        headers, credential = await self._credential(deployment, deadline)
        outgoing = Outgoing(
            url=asked.url,
            # Of the first, only a bearer that was fetched is not among the second.
            headers={**headers, **asked.headers, **asked.tracing},
            content=asked.content,
            deadline=deadline,
        )
        incoming = await self._send(outgoing)
        self._check(incoming, f"mint at {deployment.id}", credential)
        return parse_minted(incoming.body, request, self._clock())

    async def call(
        self, deployment: Deployment, secret: Secret | None, offer: Offer, trace: Trace
    ) -> Answer:
        """Trade an offer for the provider's answer; sent at most once."""
        deadline = self._deadline(deployment, self._timeouts.call_seconds)
        content_type, content = offer_body(offer)
        headers, credential = await self._call_credential(deployment, secret, offer, deadline)
        outgoing = Outgoing(
            url=self._calls_url(deployment, offer),
            headers={
                **headers,
                **trace_headers(trace),
                **self._safety_headers(offer.safety_identifier),
                "Content-Type": content_type,
            },
            content=content,
            deadline=deadline,
        )
        incoming = await self._send(outgoing)
        try:
            self._check(incoming, f"call at {deployment.id}", credential)
        except UpstreamAuthFailed as refused:
            if incoming.status == 401 and credential is secret:
                raise UpstreamSecretRefused(str(refused)) from refused
            raise
        if not incoming.body.startswith((b"v=0\r\n", b"v=0\n")):
            raise UpstreamInvalidResponse("the call's answer is not SDP")
        return Answer(sdp=incoming.body, provider_call_id=call_id(incoming.headers.get("location")))

    async def hang_up(self, deployment: Deployment, provider_call_id: str, trace: Trace) -> bool:
        """End a call with the deployment's own credential; False: it knows no such call."""
        deadline = self._deadline(deployment, self._timeouts.call_seconds)
        root = self._root(deployment)
        headers, credential = await self._credential(deployment, deadline)
        outgoing = Outgoing(
            url=f"{root}/calls/{quote(provider_call_id, safe='')}/hangup",
            headers={**headers, **trace_headers(trace)},
            content=b"",
            deadline=deadline,
        )
        incoming = await self._send(outgoing)
        if incoming.status == 404:
            return False
        self._check(incoming, f"hangup at {deployment.id}", credential)
        return True

    async def _send(self, outgoing: Outgoing) -> Incoming:
        return await send(self._client, outgoing, self._timeouts.connect_seconds)

    def _check(self, incoming: Incoming, step: str, credential: Secret) -> None:
        if incoming.succeeded:
            return
        masking = self._masking.also(credential)
        fault = parse_fault(
            incoming.status, incoming.headers, incoming.body, masking, self._clock()
        )
        raise as_error(fault, step, masking, explanation=self._explain(fault))

    @staticmethod
    def _deadline(deployment: Deployment, seconds: float) -> float:
        return asyncio.get_running_loop().time() + (deployment.timeout_seconds or seconds)
