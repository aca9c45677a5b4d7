"""End calls: for whoever may ask for it, and those that nobody may go on with."""

import asyncio
import contextlib
import logging
import math
from collections.abc import Mapping

from msgspec.structs import replace

from signaller.call_book import CallBook
from signaller.deployments import Deployments
from signaller.errors import (
    CallNotFound,
    HangupUnconfirmed,
    SignallerError,
    StoreUnavailable,
    UpstreamError,
)
from signaller.fingerprints import credential_fingerprint
from signaller.journal import Journal, Line
from signaller.model import Call, Deployment, Evidence, Provider, Trace, Turn
from signaller.ports import Callers, Clock, Store, Upstream
from signaller.tokens import PREFIX, Tokens

log = logging.getLogger("signaller")

MAX_ATTEMPTS = 10
"""How often a provider is asked for one call's end; with the pauses below, for three minutes."""
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
MARGIN_SECONDS = 1.0
"""By how much a turn outlasts the request to the provider."""


class Hangups:
    """Ends calls at the deployment that answered them."""

    def __init__(
        self,
        *,
        callers: Callers,
        deployments: Deployments,
        upstreams: Mapping[Provider, Upstream],
        tokens: Tokens,
        store: Store,
        book: CallBook,
        journal: Journal,
        clock: Clock,
        call_seconds: float,
    ) -> None:
        self._callers = callers
        self._deployments = deployments
        self._upstreams = upstreams
        self._tokens = tokens
        self._store = store
        self._book = book
        self._journal = journal
        self._clock = clock
        self._call_seconds = call_seconds
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._uncounted: dict[str, float] = {}
        """Until when each call that nobody could count an attempt for is left alone."""

    async def hang_up(self, evidence: Evidence, call_id: str, trace: Trace, line: Line) -> None:
        """End a call for whoever holds its token, the caller it belongs to, or the master key.

        Ending it again is no error. Raises InvalidApiKey, TokenRejected, CallNotFound,
        HangupUnconfirmed, StoreUnavailable and UpstreamError.
        """
        grant_id = owner = None  # whose the call must be; None: anybody's
        if evidence.secret is not None and evidence.secret.reveal().startswith(PREFIX):
            grant_id = self._tokens.read(evidence.secret, even_if_expired=True).grant_id
        else:
            caller = await self._callers.identify(evidence)
            line.add(by=caller.name)
            owner = None if caller.is_master else caller.name
        call = await self._book.find(call_id)
        if call is None:
            raise CallNotFound(param="call_id")
        if grant_id not in (None, call.grant_id) or owner not in (None, call.caller):
            raise CallNotFound(f"call {call.id} is another's", param="call_id")
        line.add(call=call.id, caller=call.caller, deployment=call.deployment_id)
        await self._end(call, trace)

    async def remember(self, call: Call, trace: Trace) -> None:
        """Keep the record of a call that has begun; one that cannot be kept is ended at once.

        Raises StoreUnavailable.
        """
        try:
            await self._book.put(call)
        except StoreUnavailable as error:
            # A call that nobody could end must not go on. Its token is spent: no use in a retry.
            await self.abandon(call, trace, why="it could not be remembered")
            error.should_retry, error.retry_after = False, None
            raise

    async def abandon(self, call: Call, trace: Trace, *, why: str) -> None:
        """Hang up a call that nobody may go on with: there is nobody to report a failure to."""
        with (
            contextlib.suppress(SignallerError),
            self._journal.line(
                "abandoned",
                **trace.ids,
                call=call.id,
                caller=call.caller,
                deployment=call.deployment_id,
                why=why,
            ),
        ):
            await self._end(call, trace)

    async def _end(self, call: Call, trace: Trace) -> None:
        """End a call once, however many ask for it at the same time."""
        if call.ended:
            return
        ending = self._ending.get(call.id)
        if ending is None:
            ending = self._ending[call.id] = asyncio.create_task(self._end_once(call, trace))
            ending.add_done_callback(lambda _: self._ending.pop(call.id))
        # Shielded: whoever stops waiting does not stop it.
        await asyncio.shield(ending)

    async def _end_once(self, call: Call, trace: Trace) -> None:
        deployment = self._deployment(call)
        attempt = await self._take_turn(call, deployment)
        try:
            await self._hang_up_upstream(call, deployment, trace)
        except UpstreamError:
            await self._pause(call, attempt, trace)
            raise
        try:
            await self._book.put(replace(call, ended=True))
        except StoreUnavailable as error:
            # The call is over all the same; another hang-up would merely ask the provider again.
            fields = {**trace.ids, "call": call.id, "detail": str(error)}
            log.warning("end not remembered", extra={"fields": fields})

    async def _take_turn(self, call: Call, deployment: Deployment) -> int:
        """Which attempt this is. Raises HangupUnconfirmed when it may not be made now."""
        seconds = (deployment.timeout_seconds or self._call_seconds) + MARGIN_SECONDS
        try:
            turn = await self._store.begin_ending(call, seconds=seconds, at_most=MAX_ATTEMPTS)
        except StoreUnavailable as error:
            fields = {"call": call.id, "detail": str(error)}
            log.warning("attempt to end a call not counted", extra={"fields": fields})
            turn = self._uncounted_turn(call)
        if turn.attempt:
            return turn.attempt
        if math.isinf(turn.wait_seconds):
            raise HangupUnconfirmed(
                f"call {call.id}: asked {MAX_ATTEMPTS} times",
                public=f"The provider was asked {MAX_ATTEMPTS} times to end this call and has not "
                "confirmed it. Close the peer connection; the call ends there with it.",
            )
        raise HangupUnconfirmed(
            f"call {call.id}: another attempt is under way, or was a moment ago",
            public="The provider has not confirmed the end of this call yet. Try again as "
            "Retry-After says.",
            retry_after=turn.wait_seconds,
        )

    def _uncounted_turn(self, call: Call) -> Turn:
        """Without a store that counts: a call must be ended all the more, but not in a flood."""
        now = self._clock()
        self._uncounted = {id_: until for id_, until in self._uncounted.items() if until > now}
        if call.id in self._uncounted:
            return Turn(attempt=0, wait_seconds=self._uncounted[call.id] - now)
        self._uncounted[call.id] = now + LONGEST_PAUSE_SECONDS
        return Turn(attempt=1)

    async def _pause(self, call: Call, attempt: int, trace: Trace) -> None:
        seconds = min(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), LONGEST_PAUSE_SECONDS)
        try:
            await self._store.pause_ending(call, seconds=seconds)
        except StoreUnavailable as error:
            # The turn ends by itself, only later.
            fields = {**trace.ids, "call": call.id, "detail": str(error)}
            log.warning("pause not remembered", extra={"fields": fields})

    def _deployment(self, call: Call) -> Deployment:
        deployment = self._deployments.named(call.deployment_id, call.credential)
        if deployment is None or call.provider_call_id is None:
            raise HangupUnconfirmed(
                f"call {call.id}: no way to end it",
                public="This call cannot be ended from here: its deployment has left the "
                "configuration, or the provider gave the call no id. Close the peer connection.",
            )
        return deployment

    async def _hang_up_upstream(self, call: Call, deployment: Deployment, trace: Trace) -> None:
        upstream = self._upstreams[deployment.provider]
        confirmed = await upstream.hang_up(deployment, call.provider_call_id or "", trace)
        # Only the credential that made the call would know it: to any other, it is not there.
        if not confirmed and call.credential != credential_fingerprint(deployment):
            raise HangupUnconfirmed(
                f"call {call.id}: unknown to the deployment's credential of today",
                public="This call could not be ended: the deployment's credential has changed "
                "since it began, and the provider knows no such call under the new one. Close the "
                "peer connection.",
            )
