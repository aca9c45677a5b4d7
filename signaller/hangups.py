"""End calls: for whoever may ask for it, and those that nobody may go on with."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping

from msgspec.structs import replace

from signaller.deployments import Deployments
from signaller.errors import CallNotFound, SignallerError, StoreUnavailable, UpstreamError
from signaller.journal import Journal, Line
from signaller.model import Call, Evidence, Provider, Trace
from signaller.ports import Callers, Store, Upstream
from signaller.tokens import PREFIX, Tokens

log = logging.getLogger("signaller")


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
        journal: Journal,
    ) -> None:
        self._callers = callers
        self._deployments = deployments
        self._upstreams = upstreams
        self._tokens = tokens
        self._store = store
        self._journal = journal
        self._ending: dict[str, asyncio.Task[None]] = {}

    async def hang_up(self, evidence: Evidence, call_id: str, trace: Trace, line: Line) -> None:
        """End a call for whoever holds its token, the caller who minted that, or the master key.

        Ending it again is no error. Raises InvalidApiKey, TokenRejected, CallNotFound,
        StoreUnavailable and UpstreamError.
        """
        grant_id = owner = None  # whose the call must be; None: anybody's
        if evidence.secret is not None and evidence.secret.reveal().startswith(PREFIX):
            grant_id = self._tokens.read(evidence.secret, even_if_expired=True).grant_id
        else:
            caller = await self._callers.identify(evidence)
            line.add(by=caller.name)
            owner = None if caller.is_master else caller.name
        call = await self._store.get_call(call_id)
        if call is None:
            raise CallNotFound(param="call_id")
        if grant_id not in (None, call.grant_id) or owner not in (None, call.caller):
            raise CallNotFound(f"call {call.id} is another's", param="call_id")
        line.add(call=call.id, caller=call.caller, deployment=call.deployment_id)
        await self._end(call, trace)

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
        await self._hang_up_upstream(call, trace)
        try:
            await self._store.put_call(replace(call, ended=True))
        except StoreUnavailable as error:
            # The call is over all the same; another hang-up would merely ask the provider again.
            fields = {**trace.ids, "call": call.id, "detail": str(error)}
            log.warning("end not remembered", extra={"fields": fields})

    async def _hang_up_upstream(self, call: Call, trace: Trace) -> None:
        deployment = self._deployments.named(call.deployment_id)
        if deployment is None or call.provider_call_id is None:
            raise UpstreamError(
                f"call {call.id}: no way to end it",
                public="This call cannot be ended from here: its deployment has left the "
                "configuration, or the provider gave the call no id. Close the peer connection.",
            )
        upstream = self._upstreams[deployment.provider]
        await upstream.hang_up(deployment, call.provider_call_id, trace)
