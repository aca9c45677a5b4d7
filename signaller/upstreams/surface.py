"""The realtime HTTP surface that OpenAI defined and Azure shares: mint, call, hang up."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from urllib.parse import quote

from signaller.errors import UpstreamAuthFailed, UpstreamInvalidResponse
from signaller.json_writer import write_json
from signaller.masking import NOTHING_HELD, Masking
from signaller.model import Answer, Deployment, EphemeralSecret, Offer, SessionRequest, Trace
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

    @abstractmethod
    def _root(self, deployment: Deployment) -> str:
        """The URL below which `/client_secrets` and `/calls` are."""

    @abstractmethod
    async def _credential(self, deployment: Deployment, deadline: float) -> tuple[Headers, Secret]:
        """The deployment's own credential, in headers and as such."""

    def _offer_body(self, offer: Offer) -> tuple[str, bytes]:
        """Content type and body of a call."""
        return offer_body(offer)

    async def _call_credential(
        self, deployment: Deployment, secret: Secret, offer: Offer, deadline: float
    ) -> tuple[Headers, Secret]:
        if offer.session is not None:
            # A session beside the offer is the unified flow, which takes the standard key only.
            return await self._credential(deployment, deadline)
        return {"Authorization": f"Bearer {secret.reveal()}"}, secret

    def _safety_headers(self, safety_identifier: str | None) -> Headers:
        """Who the end user is, for a provider that wants to know."""
        return {}

    def _explain(self, fault: Fault) -> str | None:
        """A sentence of ours for an error whose own text does not say what to do."""
        return None

    async def mint(self, deployment: Deployment, request: SessionRequest) -> EphemeralSecret:
        """Ask for an ephemeral secret."""
        deadline = self._deadline(deployment, self._timeouts.mint_seconds)
        root = self._root(deployment)
        headers, credential = await self._credential(deployment, deadline)
        asked = {
            "expires_after": {"anchor": "created_at", "seconds": request.expires_after_seconds},
            "session": request.session,
        }
        outgoing = Outgoing(
            url=f"{root}/client_secrets",
            headers={
                **headers,
                **trace_headers(request.trace),
                **self._safety_headers(request.safety_identifier),
                "Content-Type": "application/json",
            },
            content=write_json(asked),
            deadline=deadline,
        )
        incoming = await self._send(outgoing)
        self._check(incoming, f"mint at {deployment.id}", credential)
        return parse_minted(incoming.body, request.session, self._clock())

    async def call(
        self, deployment: Deployment, secret: Secret, offer: Offer, trace: Trace
    ) -> Answer:
        """Trade an offer for the provider's answer; sent at most once."""
        deadline = self._deadline(deployment, self._timeouts.call_seconds)
        content_type, content = self._offer_body(offer)
        headers, credential = await self._call_credential(deployment, secret, offer, deadline)
        outgoing = Outgoing(
            url=f"{self._root(deployment)}/calls",
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

    async def hang_up(self, deployment: Deployment, provider_call_id: str, trace: Trace) -> None:
        """End a call with the deployment's own credential; one that has ended is no error."""
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
        if incoming.status != 404:
            self._check(incoming, f"hangup at {deployment.id}", credential)

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
