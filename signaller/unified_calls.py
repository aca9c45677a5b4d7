"""The unified interface: mint and call in one, for who proves to be a caller and needs no token."""

import asyncio
import dataclasses
from collections.abc import Mapping
from functools import partial

from msgspec.structs import replace

from signaller.call_book import new_call
from signaller.calls import Started
from signaller.errors import NotSupported, UpstreamAuthFailed, UpstreamError
from signaller.failover import Failover
from signaller.fingerprints import credential_fingerprint
from signaller.hangups import Hangups
from signaller.journal import Line
from signaller.model import (
    Answer,
    Deployment,
    Offer,
    Provider,
    SessionRequest,
    Trace,
    in_order,
)
from signaller.ports import Clock, Rates, Store, Upstream
from signaller.secret import Secret
from signaller.sessions import Aliases, filtered, upstream_session
from signaller.wishes import Judged, Wish, Wishes

SECRET_SECONDS = 60
"""The life of a secret that is minted for the very next request."""


class UnifiedCalls:
    """Starts calls under a caller's own credential."""

    def __init__(
        self,
        *,
        wishes: Wishes,
        failover: Failover,
        upstreams: Mapping[Provider, Upstream],
        store: Store,
        rates: Rates,
        hangups: Hangups,
        clock: Clock,
        call_seconds: float,
        aliases: Aliases,
    ) -> None:
        self._wishes = wishes
        self._failover = failover
        self._upstreams = upstreams
        self._store = store
        self._rates = rates
        self._hangups = hangups
        self._clock = clock
        self._call_seconds = call_seconds
        self._aliases = aliases

    async def start(self, wish: Wish, offer: Offer, line: Line) -> Started:
        """Trade an offer for the provider's answer; the session is the wish's.

        Raises what `Wishes.judge` raises, NotSupported, RateLimitExceeded, StoreUnavailable and
        UpstreamError. An offer is never sent again once it may have begun a call.
        """
        caller = wish.caller
        judged = self._wishes.judge(wish, line)
        candidates = self._able(judged, offer)
        await self._store.ping()  # without a store nobody could end the call
        allowance = await self._rates.take(in_order((*caller.mint_rates, *caller.call_rates)))
        with line.timing("provider_ms") as provider:
            deployment, answer = await self._failover.first(
                candidates,
                partial(self._answer, wish, judged, offer),
                seconds=self._call_seconds,
                leave_half=False,  # one that stalls may have begun a call: nobody comes after it
                trace=wish.trace,
                line=line,
            )
        call = new_call(
            answer,
            grant_id=None,
            deployment_id=deployment.id,
            credential=credential_fingerprint(deployment),
            caller=caller.name,
            model=wish.request.model,
            now=self._clock(),
        )
        line.add(call=call.id, provider_call=call.provider_call_id)
        await self._hangups.remember(call, wish.trace)
        return Started(
            call=call, sdp=answer.sdp, provider_seconds=provider.seconds, allowance=allowance
        )

    def _able(self, judged: Judged, offer: Offer) -> list[Deployment]:
        """The deployments whose provider takes such an offer; for none the reason is raised."""
        able, refusal = [], None
        for deployment in judged.candidates:
            upstream = self._upstreams[deployment.provider]
            try:
                upstream.check_offer(deployment, filtered(offer, deployment))
            except (NotSupported, UpstreamError) as error:
                refusal = error
            else:
                able.append(deployment)
        if refusal is not None and not able:
            raise refusal
        return able

    async def _answer(
        self, wish: Wish, judged: Judged, offer: Offer, deployment: Deployment
    ) -> Answer:
        upstream = self._upstreams[deployment.provider]
        session = upstream_session(judged.session, wish.request.model, deployment, self._aliases)
        offer = filtered(offer, deployment)
        if upstream.takes_sessions:
            told = replace(offer, session=session, safety_identifier=judged.safety_identifier)
            return await _call(upstream, deployment, None, told, wish.trace)
        loop = asyncio.get_running_loop()
        until = loop.time() + (deployment.timeout_seconds or self._call_seconds)
        asked = SessionRequest(
            session=session,
            expires_after_seconds=SECRET_SECONDS,
            trace=wish.trace,
            safety_identifier=judged.safety_identifier,
        )
        secret = await upstream.mint(deployment, asked)
        left = dataclasses.replace(deployment, timeout_seconds=until - loop.time())
        return await _call(upstream, left, secret.value, offer, wish.trace)


async def _call(
    upstream: Upstream, deployment: Deployment, secret: Secret | None, offer: Offer, trace: Trace
) -> Answer:
    try:
        return await upstream.call(deployment, secret, offer, trace)
    except UpstreamError as error:
        if error.secret_is_dead:  # there is no token behind it that could be replaced
            raise UpstreamAuthFailed(str(error)) from error
        # Another deployment may get the offer only if this one has certainly begun nothing.
        error.fails_over = error.fails_over and error.no_call_began
        raise
