"""Trade an offer for an answer, once per token, and end what was begun."""

import contextlib
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace

from signaller.deployments import Deployments
from signaller.errors import (
    CallNotFound,
    SignallerError,
    StoreUnavailable,
    TokenRejected,
    UpstreamError,
)
from signaller.journal import Line, journal
from signaller.jwe import ContentKey, JweRejected, decrypt
from signaller.model import MAX_CALL_SECONDS, Call, Deployment, Grant, Offer, Provider
from signaller.ports import Callers, Clock, Store, Upstream
from signaller.secret import Secret
from signaller.sessions import Aliases, parse_session_beside_offer, resolve, upstream_session
from signaller.tokens import PREFIX, Claims, Tokens

log = logging.getLogger("signaller")


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A call the provider answered."""

    call: Call
    sdp: bytes
    provider_seconds: float


class Calls:
    """Starts calls and ends them, at the deployment that minted."""

    def __init__(
        self,
        *,
        callers: Callers,
        deployments: Deployments,
        upstreams: Mapping[Provider, Upstream],
        tokens: Tokens,
        store: Store,
        clock: Clock,
        aliases: Aliases,
    ) -> None:
        self._callers = callers
        self._deployments = deployments
        self._upstreams = upstreams
        self._tokens = tokens
        self._store = store
        self._clock = clock
        self._aliases = aliases

    def read(self, token: Secret) -> Claims:
        """What a token says, without the store. Raises TokenRejected."""
        return self._tokens.read(token)

    async def start(self, claims: Claims, offer: Offer, request_id: str, line: Line) -> Started:
        """Redeem a token and trade its offer for the provider's answer.

        Raises TokenRejected, InvalidRequest (another model in the offer's session),
        StoreUnavailable and UpstreamError. The provider is asked once, never again.
        """
        line.add(grant=claims.grant_id, model=claims.model)
        session = offer.session
        wanted = parse_session_beside_offer(session, claims.model) if session is not None else None
        grant = await self._redeem(claims, request_id)
        deployment = self._deployment(grant)
        if wanted is not None:
            session = upstream_session(wanted, deployment, self._aliases)
            offer = replace(offer, session=session)
        line.add(caller=grant.caller, deployment=deployment.id)
        with line.timing("provider_ms") as provider:
            call, sdp = await self._answer(grant, claims, deployment, offer, request_id)
        line.add(call=call.id, provider_call=call.provider_call_id)
        await self._remember(call, request_id)
        return Started(call=call, sdp=sdp, provider_seconds=provider.seconds)

    async def hang_up(
        self, credential: Secret | None, call_id: str, request_id: str, line: Line
    ) -> None:
        """End a call for whoever holds the token it was made with, or the master key.

        Ending it again is no error. Raises InvalidApiKey, TokenRejected, CallNotFound,
        StoreUnavailable and UpstreamError.
        """
        grant_id: str | None = None
        if credential is not None and credential.reveal().startswith(PREFIX):
            grant_id = self._tokens.read(credential, even_if_expired=True).grant_id
        else:
            self._callers.identify(credential)
        call = await self._store.get_call(call_id)
        if call is None or grant_id not in (None, call.grant_id):
            raise CallNotFound(param="call_id")
        line.add(call=call.id, caller=call.caller, deployment=call.deployment_id)
        await self._end(call, request_id)

    async def abandon(self, call: Call, request_id: str) -> None:
        """Hang up a call that no client knows of: there is nobody to report a failure to."""
        with (
            contextlib.suppress(SignallerError),
            journal("abandoned", request_id=request_id, call=call.id, caller=call.caller),
        ):
            await self._end(call, request_id)

    async def _redeem(self, claims: Claims, request_id: str) -> Grant:
        grant = await self._store.redeem(claims.grant_id)
        if grant is None and claims.expires_at <= self._clock():
            raise TokenRejected(f"grant {claims.grant_id}: expired while its offer was read")
        if grant is None:
            # The token itself was good and in time: somebody has used it before.
            log.warning(
                "replay", extra={"fields": {"request_id": request_id, "grant": claims.grant_id}}
            )
            raise TokenRejected(f"grant {claims.grant_id}: no uses left")
        return grant

    def _deployment(self, grant: Grant) -> Deployment:
        deployment = self._deployments.named(grant.deployment_id)
        served = deployment and resolve(deployment, grant.terms.model)
        if served is None:
            raise TokenRejected(f"grant {grant.id}: deployment {grant.deployment_id} is gone")
        return served

    async def _answer(
        self, grant: Grant, claims: Claims, deployment: Deployment, offer: Offer, request_id: str
    ) -> tuple[Call, bytes]:
        try:
            secret = Secret(decrypt(grant.sealed_secret, [ContentKey(claims.seal_key)]).decode())
        except (JweRejected, UnicodeDecodeError) as broken:
            raise TokenRejected(f"grant {grant.id}: its secret does not open") from broken
        upstream = self._upstreams[deployment.provider]
        try:
            answer = await upstream.call(deployment, secret, offer, request_id)
        except UpstreamError as error:
            if error.no_call_began:
                await self._give_back(grant)
            raise
        now = int(self._clock())
        call = Call(
            id=f"rtc_{secrets.token_urlsafe(18)}",
            provider_call_id=answer.provider_call_id,
            grant_id=grant.id,
            deployment_id=deployment.id,
            caller=grant.caller,
            model=grant.terms.model,
            started_at=now,
            deadline=now + MAX_CALL_SECONDS,
        )
        return call, answer.sdp

    async def _give_back(self, grant: Grant) -> None:
        try:
            await self._store.give_back(grant)
        except StoreUnavailable as error:
            # The client is told what the provider said; all it loses is a token.
            log.warning(
                "token not given back", extra={"fields": {"grant": grant.id, "detail": str(error)}}
            )

    async def _remember(self, call: Call, request_id: str) -> None:
        try:
            await self._store.put_call(call)
        except StoreUnavailable as error:
            # A call that nobody could end must not go on. Its token is spent: no use in a retry.
            await self.abandon(call, request_id)
            error.should_retry, error.retry_after = False, None
            raise

    async def _end(self, call: Call, request_id: str) -> None:
        if call.ended:
            return
        await self._hang_up_upstream(call, request_id)
        try:
            await self._store.put_call(replace(call, ended=True))
        except StoreUnavailable as error:
            # The call is over all the same; another hang-up would merely ask the provider again.
            fields = {"request_id": request_id, "call": call.id, "detail": str(error)}
            log.warning("end not remembered", extra={"fields": fields})

    async def _hang_up_upstream(self, call: Call, request_id: str) -> None:
        deployment = self._deployments.named(call.deployment_id)
        if deployment is None or call.provider_call_id is None:
            raise UpstreamError(
                f"call {call.id}: no way to end it",
                public="This call cannot be ended from here: its deployment has left the "
                "configuration, or the provider gave the call no id. Close the peer connection.",
            )
        upstream = self._upstreams[deployment.provider]
        await upstream.hang_up(deployment, call.provider_call_id, request_id)
