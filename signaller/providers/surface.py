"""The realtime HTTP surface that OpenAI defined and Azure shares: mint, call, hang up."""

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

import httpx

from signaller.errors import (
    UpstreamAuthFailed,
    UpstreamInvalidResponse,
    UpstreamSecretRefused,
    UpstreamUnreachable,
)
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
from signaller.ports import Clock, Sideband
from signaller.providers.faults import Fault, as_error, parse_fault
from signaller.providers.http import Incoming, Outgoing, send
from signaller.providers.sockets import Sockets
from signaller.secret import MASK, Secret
from signaller.settings import Timeouts
from signaller.strict_json import parse_object, write_json

MAX_ANSWER_DEPTH = 96
"""More than a client may send: the provider wraps what it echoes."""
CLOCK_SECONDS = 60
"""By how much a provider's clock may be ahead of ours."""
LONGEST_SECRET = 2048
"""Known ones have some 40 characters; it must fit into a sealed grant (`jwe`)."""

ATTACH_SECONDS = 8.0
"""For a control connection: a 404 to one takes OpenAI 5.5 s."""

Headers = Mapping[str, str]
LONGEST_ID = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredCredential:
    """A deployment's own credential: headers, or the principal to fetch a bearer for."""

    headers: Headers
    """That bring it, and whatever else says on whose behalf."""
    secret: Secret | None = None
    """None: a bearer has to be fetched for the `principal`."""
    principal: tuple[str, ...] | None = None

    def __repr__(self) -> str:
        """Without the credential."""
        return "ConfiguredCredential(****)"


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
        client: httpx.AsyncClient,
        timeouts: Timeouts,
        *,
        masking: Masking = NOTHING_HELD,
        clock: Clock = time.time,
        sockets: Sockets | None = None,
    ) -> None:
        """Without `sockets` it attaches to no call."""
        self._client, self._timeouts, self._clock = client, timeouts, clock
        self._masking, self._sockets = masking, sockets

    takes_sessions: bool
    """Whether a session may come with an offer, and the standard key with both."""

    @abstractmethod
    def _root(self, deployment: Deployment) -> str:
        """The URL below which `/client_secrets` and `/calls` are."""

    @abstractmethod
    def _configured(self, deployment: Deployment) -> ConfiguredCredential:
        """The deployment's own credential, and the headers that go with it."""

    async def _fetch_bearer(self, deployment: Deployment, deadline: float) -> Secret:
        """A bearer for a credential that is a principal's."""
        raise UpstreamAuthFailed(f"deployment {deployment.id} has no way to fetch a credential")

    async def _credential(self, deployment: Deployment, deadline: float) -> tuple[Headers, Secret]:
        """The deployment's own credential, in headers and as such."""
        configured = self._configured(deployment)
        if configured.secret is not None:
            return configured.headers, configured.secret
        bearer = await self._fetch_bearer(deployment, deadline)
        return {**configured.headers, "Authorization": f"Bearer {bearer.reveal()}"}, bearer

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
        root, configured = self._root(deployment), self._configured(deployment)
        asked = {
            "expires_after": {"anchor": "created_at", "seconds": request.expires_after_seconds},
            "session": request.session,
        }
        return ProviderRequest(
            url=f"{root}/client_secrets",
            headers={
                **configured.headers,
                **self._safety_headers(request.safety_identifier),
                "Content-Type": "application/json",
            },
            content=write_json(asked),
            tracing=trace_headers(request.trace),
            principal=configured.principal,
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

    async def attach(
        self, deployment: Deployment, provider_call_id: str, trace: Trace
    ) -> Sideband | None:
        """Open a call's control connection; None: it knows no such call."""
        if self._sockets is None:
            raise UpstreamUnreachable("there is no way to open a WebSocket")
        deadline = asyncio.get_running_loop().time() + ATTACH_SECONDS
        headers, _ = await self._credential(deployment, deadline)
        return await self._sockets.connect(
            f"{self._root(deployment)}?call_id={quote(provider_call_id, safe='')}",
            {**headers, **trace_headers(trace)},
            deadline=deadline,
        )

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


def offer_body(offer: Offer) -> tuple[str, bytes]:
    """Content type and body: raw SDP, or with a session a form, as OpenAI's reference shows it."""
    if offer.session is None:
        return "application/sdp", offer.sdp
    form = httpx.Request(
        "POST",
        "http://form.invalid",
        files={
            "sdp": (None, offer.sdp, "application/sdp"),
            "session": (None, json.dumps(offer.session).encode(), "application/json"),
        },
    )
    return form.headers["content-type"], form.read()


def call_id(location: str | None) -> str | None:
    """The provider's id of a call: its Location's last segment. None: nothing to hang up by."""
    try:
        path = urlsplit(location or "").path
    except ValueError:
        return None
    last = unquote(path.rstrip("/").rpartition("/")[2])
    usable = last.isascii() and last.isprintable() and 0 < len(last) <= LONGEST_ID
    # "." and ".." would be resolved away in a URL; "calls" is the route without an id.
    return last if usable and last.strip(".") and last != "calls" else None


def parse_minted(body: bytes, asked: SessionRequest, now: float) -> EphemeralSecret:
    """Any 2xx is read so; UpstreamInvalidResponse unless it holds a secret that can be used.

    One that is said to live for longer than was asked for is not kept for so long.
    """
    try:
        answer = parse_object(body, max_depth=MAX_ANSWER_DEPTH)
    except ValueError:
        # The error holds the body, and the body may hold a secret: it is not chained.
        raise UpstreamInvalidResponse("the mint's answer is not a JSON object") from None
    nested = answer.get("client_secret")
    inner: Mapping[str, object] = nested if isinstance(nested, Mapping) else {}
    value = _secret(answer.get("value") or inner.get("value"))
    expires_at = answer.get("expires_at") or inner.get("expires_at")
    # bool is an int to Python, but true is no time
    if not isinstance(expires_at, int) or isinstance(expires_at, bool):
        raise UpstreamInvalidResponse("the mint's answer has no integer 'expires_at'")
    if expires_at <= now:
        raise UpstreamInvalidResponse(
            f"the minted secret expired {int(now) - max(expires_at, 0)} s ago: is our clock right?"
        )
    longest = int(now) + asked.expires_after_seconds + CLOCK_SECONDS
    session = answer.get("session")
    return EphemeralSecret(
        value=Secret(value),
        expires_at=min(expires_at, longest),
        session=_session(
            session if isinstance(session, Mapping) else asked.session, asked.session, value
        ),
    )


def _secret(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_SECRET:
        raise UpstreamInvalidResponse("the mint's answer has no usable 'value'")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise UpstreamInvalidResponse("the mint's 'value' cannot be sent in a header")
    return value


def _session(
    given: Mapping[str, object], asked: Mapping[str, object], value: str
) -> Mapping[str, object]:
    session = {
        name: _without(member, value) for name, member in given.items() if _keep(name, value)
    }
    if not isinstance(session.get("type"), str):  # SDKs discriminate on it
        session["type"] = asked.get("type", "realtime")
    return session


def _without(member: object, value: str) -> object:
    """The member without `client_secret` at any depth, and without the secret anywhere."""
    if isinstance(member, dict):  # `Mapping` would ask the member's class about it
        return {
            name: _without(inner, value) for name, inner in member.items() if _keep(name, value)
        }
    if isinstance(member, list):
        return [_without(inner, value) for inner in member]
    return member.replace(value, MASK) if isinstance(member, str) else member


def _keep(name: str, value: str) -> bool:
    return name != "client_secret" and value not in name
