"""The unified interface: mint and call in one, for who proves to be a caller and needs no token."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from signaller.errors import (
    ConcurrentCallsExceeded,
    NotSupported,
    StoreUnavailable,
    UpstreamAuthFailed,
    UpstreamError,
)
from signaller.logs import Line
from signaller.model import (
    Aliases,
    Allowance,
    Answer,
    Caller,
    CallFacts,
    Deployment,
    Offer,
    Provider,
    SessionRequest,
    Trace,
)
from signaller.policy import in_order
from signaller.ports import Clock, Rates, Upstream, Watchers
from signaller.realtime.call_records import SealedBook, new_intent
from signaller.realtime.calls import Started, record_answer, watched
from signaller.realtime.deployments import Failover
from signaller.realtime.hangups import Hangups
from signaller.realtime.minting import CheckedMint, MintChecks, MintOrder
from signaller.realtime.offers import filtered
from signaller.realtime.session_prints import told_of
from signaller.realtime.sessions import upstream_session
from signaller.secret import Secret

SECRET_SECONDS = 60
"""The life of a secret that is minted for the very next request."""


class UnifiedCalls:
    """Starts calls under a caller's own credential."""

    def __init__(
        self,
        *,
        checks: MintChecks,
        failover: Failover,
        upstreams: Mapping[Provider, Upstream],
        book: SealedBook,
        rates: Rates,
        hangups: Hangups,
        watchers: Watchers,
        clock: Clock,
        call_seconds: float,
        aliases: Aliases,
    ) -> None:
        self._checks = checks
        self._failover = failover
        self._upstreams = upstreams
        self._book = book
        self._rates = rates
        self._hangups = hangups
        self._watchers = watchers
        self._clock = clock
        self._call_seconds = call_seconds
        self._aliases = aliases

    async def start(self, order: MintOrder, offer: Offer, line: Line) -> Started:
        """Trade an offer for the provider's answer; the session is the order's.

        Raises what `MintChecks.check` raises, NotSupported, RateLimitExceeded,
        ConcurrentCallsExceeded, StoreUnavailable and UpstreamError. An offer is never sent again
        once it may have begun a call.
        """
        caller = order.caller
        checked = self._checks.check(order, line)
        candidates = self._able(checked, offer)
        if checked.watching.mode == "required":
            self._watchers.check_room()
        allowance = await self._rates.take(in_order((*caller.mint_rates, *caller.call_rates)))
        intent = self._intent(order, checked, candidates[0])
        line.add(call=intent.id)
        await self._intend(intent, caller, allowance)
        try:
            with line.timing("provider_ms") as provider:
                deployment, answer = await self._failover.first(
                    candidates,
                    partial(self._answer, order, checked, offer),
                    seconds=self._call_seconds,
                    leave_half=False,  # one that stalls may have begun a call: nobody comes next
                    trace=order.trace,
                    line=line,
                )
        except UpstreamError as error:
            if error.no_call_began:
                await self._book.withdraw(intent)
            raise
        line.add(provider_call=answer.provider_call_id)
        intent = self._at(intent, deployment)
        call = await record_answer(self._book, self._hangups, intent, answer, order.trace)
        await watched(self._watchers, self._hangups, call, order.trace)
        return Started(
            call=call, sdp=answer.sdp, provider_seconds=provider.seconds, allowance=allowance
        )

    def _intent(self, order: MintOrder, checked: CheckedMint, first: Deployment) -> CallFacts:
        """What is about to begin; at which of the deployments is not settled yet."""
        caller = order.caller
        watching = checked.watching
        if watching.mode != "off":
            watching = told_of(watching, checked.session, caller.policy.session)
        return new_intent(
            first,
            credential_fingerprint=self._checks.fingerprint_of(first),
            caller=caller.name,
            model=order.request.model,
            max_call_seconds=checked.max_call_seconds,
            watching=watching,
            now=self._clock(),
            metadata=order.request.metadata,
            person=caller.places.person,
        )

    def _at(self, intent: CallFacts, deployment: Deployment) -> CallFacts:
        return replace(
            intent,
            deployment_id=deployment.id,
            upstream_model=deployment.upstream_model,
            credential_fingerprint=self._checks.fingerprint_of(deployment),
        )

    async def _intend(self, intent: CallFacts, caller: Caller, allowance: Allowance | None) -> None:
        """Write it down before a provider is asked: without a store nobody could end the call."""
        try:
            await self._book.begin(intent, caller.places)
        except ConcurrentCallsExceeded:
            if allowance is not None:
                with contextlib.suppress(StoreUnavailable):  # one of a minute is lost, and no more
                    await self._rates.take_back(allowance)
            raise
        except StoreUnavailable:
            await self._book.withdraw(intent)  # it may have been written all the same
            raise

    def _able(self, checked: CheckedMint, offer: Offer) -> list[Deployment]:
        """The deployments whose provider takes such an offer; for none the reason is raised."""
        able, refusal = [], None
        for deployment in checked.candidates:
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
        self, order: MintOrder, checked: CheckedMint, offer: Offer, deployment: Deployment
    ) -> Answer:
        upstream = self._upstreams[deployment.provider]
        session = upstream_session(checked.session, order.request.model, deployment, self._aliases)
        offer = filtered(offer, deployment)
        if upstream.takes_sessions:
            told = replace(offer, session=session, safety_identifier=checked.safety_identifier)
            return await _call(upstream, deployment, None, told, order.trace)
        loop = asyncio.get_running_loop()
        until = loop.time() + (deployment.timeout_seconds or self._call_seconds)
        asked = SessionRequest(
            session=session,
            expires_after_seconds=SECRET_SECONDS,
            trace=order.trace,
            safety_identifier=checked.safety_identifier,
        )
        try:
            secret = await upstream.mint(deployment, asked)
        except UpstreamError as error:
            error.no_call_began = True  # all that was asked for was a secret
            raise
        left = replace(deployment, timeout_seconds=until - loop.time())
        return await _call(upstream, left, secret.value, offer, order.trace)


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
