"""Trade an offer for an answer, once per token."""

import logging
import secrets
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from signaller.deployments import Deployments
from signaller.errors import (
    ModelNotAllowed,
    OriginNotAllowed,
    RateLimitExceeded,
    StoreUnavailable,
    TokenRejected,
    UpstreamError,
)
from signaller.hangups import Hangups
from signaller.journal import Journal, Line, shown_origin
from signaller.jwe import ContentKey, JweRejected, decrypt
from signaller.model import (
    MAX_CALL_SECONDS,
    Allowance,
    Call,
    Deployment,
    Grant,
    Offer,
    Provider,
    Spent,
    Trace,
)
from signaller.policy import Policy
from signaller.ports import Callers, Clock, Rates, Store, Upstream
from signaller.secret import Secret
from signaller.sessions import (
    TRANSCRIPTION_MODEL,
    Aliases,
    MintRequest,
    forced,
    parse_session_beside_offer,
    resolve,
    transcription_model,
    upstream_session,
)
from signaller.tokens import Claims, Tokens

log = logging.getLogger("signaller")


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """A good token in the right place; whether its grant is still there, the store will tell."""

    claims: Claims
    policy: Policy
    """Its caller's, as it is now."""


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """A call the provider answered."""

    call: Call
    sdp: bytes
    provider_seconds: float
    allowance: Allowance | None
    """What is left of the caller's rate; None without one."""


class Calls:
    """Starts calls at the deployment that minted."""

    def __init__(
        self,
        *,
        callers: Callers,
        deployments: Deployments,
        upstreams: Mapping[Provider, Upstream],
        tokens: Tokens,
        store: Store,
        rates: Rates,
        journal: Journal,
        hangups: Hangups,
        clock: Clock,
        aliases: Aliases,
    ) -> None:
        self._callers = callers
        self._deployments = deployments
        self._upstreams = upstreams
        self._tokens = tokens
        self._store = store
        self._rates = rates
        self._journal = journal
        self._hangups = hangups
        self._clock = clock
        self._aliases = aliases

    def admit(self, token: Secret, origin: str | None, line: Line) -> Admission:
        """Judge a token and the page it comes from, without the store.

        Raises TokenRejected and OriginNotAllowed; either way the token is not spent.
        """
        claims = self._tokens.read(token)
        line.add(
            caller=claims.caller,
            grant=claims.grant_id,
            model=claims.model,
            expires_at=claims.expires_at,
            origins=claims.origins,
        )
        policy = self._callers.policy_of(claims.caller, claims.credential_id)
        if policy is None:
            raise TokenRejected(f"grant {claims.grant_id}: the caller's credential is withdrawn")
        if claims.origins and origin not in claims.origins:
            line.add(origin=shown_origin(origin))
            raise OriginNotAllowed(
                public="This token was minted for the pages of another origin. It is still good "
                "there."
            )
        return Admission(claims=claims, policy=policy)

    async def start(self, admission: Admission, offer: Offer, trace: Trace, line: Line) -> Started:
        """Redeem a token and trade its offer for the provider's answer.

        Raises TokenRejected, InvalidRequest (another model in the offer's session), ModelNotAllowed
        (a nested one), RateLimitExceeded, StoreUnavailable and UpstreamError. The provider is asked
        once, never again.
        """
        claims, policy = admission.claims, admission.policy
        session = offer.session
        wanted = parse_session_beside_offer(session, claims.model) if session is not None else None
        grant = await self._redeem(admission, trace)
        deployment = await self._deployment(grant)
        line.add(deployment=deployment.id)
        if wanted is not None:
            asked = forced(wanted.session, policy.session)
            session = upstream_session(asked, claims.model, deployment, self._aliases)
            offer = replace(offer, session=session, safety_identifier=grant.safety_identifier)
        allowance = await self._within_terms(grant, wanted)
        with line.timing("provider_ms") as provider:
            call, sdp = await self._answer(grant, claims, deployment, offer, trace)
        line.add(call=call.id, provider_call=call.provider_call_id)
        await self._remember(call, grant, policy, trace)
        return Started(call=call, sdp=sdp, provider_seconds=provider.seconds, allowance=allowance)

    async def _redeem(self, admission: Admission, trace: Trace) -> Grant:
        claims = admission.claims
        found = await self._store.redeem(claims.grant_id)
        if isinstance(found, Grant):
            return found
        if claims.expires_at <= self._clock():
            raise TokenRejected(f"grant {claims.grant_id}: expired while its offer was read")
        if found is None:
            raise TokenRejected(f"grant {claims.grant_id}: revoked, or not in this store")
        await self._replayed(admission, found, trace)
        raise TokenRejected(f"grant {claims.grant_id}: no uses left")

    async def _replayed(self, admission: Admission, spent: Spent, trace: Trace) -> None:
        """The token itself was good and in time: somebody has used it before."""
        claims = admission.claims
        self._journal.note("replay", **trace.ids, caller=claims.caller, grant=claims.grant_id)
        if admission.policy.on_replay == "hangup":
            for call_id in spent.call_ids:
                call = await self._store.get_call(call_id)
                if call is not None:
                    await self._hangups.abandon(call, trace, why="its token was replayed")

    async def _deployment(self, grant: Grant) -> Deployment:
        deployment = self._deployments.named(grant.deployment_id)
        served = deployment and resolve(deployment, grant.terms.model)
        if served is None:
            # It may be known where the token was minted: replicas reload one after the other.
            await self._give_back(grant)
            raise TokenRejected(f"grant {grant.id}: deployment {grant.deployment_id} is gone")
        return served

    async def _within_terms(self, grant: Grant, wanted: MintRequest | None) -> Allowance | None:
        """What is left of the rate; a call that may not be begun costs no token."""
        nested = transcription_model(wanted.session) if wanted is not None else None
        try:
            self._deployments.check_allowed(
                nested, Policy(models=grant.models), param=TRANSCRIPTION_MODEL
            )
            return await self._rates.take(grant.call_rates)
        except (ModelNotAllowed, RateLimitExceeded, StoreUnavailable):
            await self._give_back(grant)
            raise

    async def _answer(
        self, grant: Grant, claims: Claims, deployment: Deployment, offer: Offer, trace: Trace
    ) -> tuple[Call, bytes]:
        try:
            secret = Secret(decrypt(grant.sealed_secret, [ContentKey(claims.seal_key)]).decode())
        except (JweRejected, UnicodeDecodeError) as broken:
            raise TokenRejected(f"grant {grant.id}: its secret does not open") from broken
        upstream = self._upstreams[deployment.provider]
        try:
            answer = await upstream.call(deployment, secret, offer, trace)
        except UpstreamError as error:
            if error.no_call_began:
                await self._give_back(grant)
            if error.secret_is_dead:
                await self._drop_warm(grant)
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
            ended=False,
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

    async def _drop_warm(self, grant: Grant) -> None:
        """Let nobody else get a token on this secret."""
        if grant.warm_secret is None:
            return
        try:
            await self._store.drop_warm(grant.warm_secret)
        except StoreUnavailable as error:
            # It goes by itself when its time is over; the client is told what the provider said.
            fields = {"grant": grant.id, "detail": str(error)}
            log.warning("warm secret not dropped", extra={"fields": fields})

    async def _remember(self, call: Call, grant: Grant, policy: Policy, trace: Trace) -> None:
        try:
            await self._store.put_call(call)
            alone = policy.on_replay == "refuse" or await self._store.link(grant, call.id)
        except StoreUnavailable as error:
            # A call that nobody could end must not go on. Its token is spent: no use in a retry.
            await self._hangups.abandon(call, trace, why="it could not be remembered")
            error.should_retry, error.retry_after = False, None
            raise
        if not alone:
            # Nobody can tell which of the two is the thief.
            await self._hangups.abandon(call, trace, why="its token was replayed")
            raise TokenRejected(f"grant {grant.id}: replayed while the provider answered")
