"""Trade an offer for an answer, once per token."""

import logging
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from signaller.admission import require_origin, require_valid, withheld_uses
from signaller.call_book import CallBook, new_call
from signaller.deployments import Deployments
from signaller.errors import (
    ModelNotAllowed,
    RateLimitExceeded,
    SignallerError,
    StoreUnavailable,
    TokenRejected,
    UpstreamError,
    token_is,
)
from signaller.hangups import Hangups
from signaller.journal import Journal, Line, shown_origin
from signaller.model import (
    Allowance,
    Answer,
    Call,
    Deployment,
    Grant,
    Offer,
    Provider,
    Rate,
    Spent,
    Trace,
    call_rates,
    tightest,
)
from signaller.policy import Policy
from signaller.ports import Callers, Clock, Rates, Store, Upstream
from signaller.sealing import unseal
from signaller.secret import Secret
from signaller.sessions import (
    Aliases,
    MintRequest,
    filtered,
    forced,
    parse_session_beside_offer,
    resolve,
    upstream_session,
)
from signaller.tokens import Claims, Tokens

log = logging.getLogger("signaller")

MAX_RETURNS = 3
"""How often a provider may refuse a token's call before the token is spent: each try costs the
provider a request and everybody a connection."""
SPENT = " The token is spent now: get a fresh one from POST /v1/realtime/client_secrets."


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """A good token in the right place; whether its grant is still there, the store will tell."""

    claims: Claims
    policy: Policy
    """Its caller's, as it is now."""


class _Redeemed(msgspec.Struct, frozen=True, kw_only=True):
    """A use of a token that has been taken."""

    grant: Grant
    secret: Secret
    """The provider's ephemeral one."""
    rates: tuple[Rate, ...]
    """That the call counts against: the token's and the policy's of now."""


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
        book: CallBook,
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
        self._book = book
        self._rates = rates
        self._journal = journal
        self._hangups = hangups
        self._clock = clock
        self._aliases = aliases

    def admit(self, token: Secret, origin: str | None, line: Line) -> Admission:
        """Judge a token and the page it comes from, without the store.

        Raises TokenRejected, ModelNotAllowed and OriginNotAllowed; the token is not spent.
        """
        with token_is("spent"):
            claims = self._tokens.read(token)
        line.add(
            caller=claims.caller,
            grant=claims.grant_id,
            model=claims.model,
            expires_at=claims.expires_at,
            origins=claims.origins,
        )
        with token_is("spent"):
            known = self._callers.policy_of(claims.caller, claims.credential_id)
            policy = require_valid(claims, known, self._clock())
        with token_is("unspent"):
            for model in (claims.model, *claims.nested_models):
                self._deployments.check_allowed(model, policy, param="model")
            line.add(origin=shown_origin(origin))
            require_origin(claims, policy, origin)
        return Admission(claims=claims, policy=policy)

    async def start(self, admission: Admission, offer: Offer, trace: Trace, line: Line) -> Started:
        """Redeem a token and trade its offer for the provider's answer.

        Raises TokenRejected, InvalidRequest (another model or type in the offer's session),
        NotSupported, ModelNotAllowed (a nested one), RateLimitExceeded, StoreUnavailable and
        UpstreamError, each with what has become of the token. The provider is asked once, never
        again.
        """
        with token_is("unspent"):
            deployment = self._deployment(admission.claims)
            line.add(deployment=deployment.id)
            offer, wanted = self._prepared(admission, deployment, offer)
        redeemed = await self._redeem(admission, trace)
        grant = redeemed.grant
        # Of several uses only the store knows how many are left.
        with token_is("spent" if grant.terms.uses == 1 else "unknown"):
            if wanted is not None:
                offer = replace(offer, safety_identifier=grant.safety_identifier)
            allowance = await self._within_terms(redeemed, wanted)
            with line.timing("provider_ms") as provider:
                answer = await self._answer(redeemed, deployment, offer, trace)
            call = new_call(
                answer,
                grant_id=grant.id,
                deployment_id=deployment.id,
                credential=grant.credential,
                caller=grant.caller,
                model=grant.terms.model,
                now=self._clock(),
            )
            line.add(call=call.id, provider_call=call.provider_call_id)
            await self._hangups.remember(call, trace)
            await self._link(call, grant, admission.policy, trace)
        return Started(
            call=call, sdp=answer.sdp, provider_seconds=provider.seconds, allowance=allowance
        )

    def _deployment(self, claims: Claims) -> Deployment:
        deployment = self._deployments.named(claims.deployment_id, claims.credential)
        served = deployment and resolve(deployment, claims.model)
        if served is None:
            # It may be known where the token was minted: replicas reload one after the other.
            raise TokenRejected(
                f"grant {claims.grant_id}: deployment {claims.deployment_id} is gone"
            )
        return served

    def _prepared(
        self, admission: Admission, deployment: Deployment, offer: Offer
    ) -> tuple[Offer, MintRequest | None]:
        """The offer as it goes upstream, and the session that it came with."""
        claims, policy = admission.claims, admission.policy
        wanted = None
        if offer.session is not None:
            wanted = parse_session_beside_offer(
                offer.session, claims.model, claims.session_type, deployment.upstream_model
            )
            self._deployments.check_nested(wanted.session, policy)
            asked = forced(wanted.session, policy.session)
            session = upstream_session(asked, claims.model, deployment, self._aliases)
            offer = replace(offer, session=session)
        offer = filtered(offer, deployment)
        self._upstreams[deployment.provider].check_offer(deployment, offer)
        return offer, wanted

    async def _redeem(self, admission: Admission, trace: Trace) -> _Redeemed:
        claims = admission.claims
        withheld = withheld_uses(claims, admission.policy)
        found = await self._store.redeem(claims.grant_id, withheld=withheld)
        with token_is("spent"):
            if isinstance(found, Grant):
                grant, secret = unseal(found, claims)
                rates = tightest((*grant.call_rates, *call_rates(grant.caller, admission.policy)))
                return _Redeemed(grant=grant, secret=secret, rates=rates)
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
        if admission.policy.on_replay == "refuse":
            return
        for call_id in spent.call_ids:
            call = await self._book.find(call_id)
            # The list is the store's word only; whose a call is, its own record proves.
            if call is not None and call.grant_id == claims.grant_id:
                await self._hangups.abandon(call, trace, why="its token was replayed")

    async def _within_terms(
        self, redeemed: _Redeemed, wanted: MintRequest | None
    ) -> Allowance | None:
        """What is left of the rate; a call that may not be begun costs no token."""
        try:
            if wanted is not None:
                minted_under = Policy(models=redeemed.grant.models)
                self._deployments.check_nested(wanted.session, minted_under)
            return await self._rates.take(redeemed.rates)
        except (ModelNotAllowed, RateLimitExceeded, StoreUnavailable) as error:
            await self._give_back(redeemed.grant, error)
            raise

    async def _answer(
        self, redeemed: _Redeemed, deployment: Deployment, offer: Offer, trace: Trace
    ) -> Answer:
        upstream = self._upstreams[deployment.provider]
        try:
            return await upstream.call(deployment, redeemed.secret, offer, trace)
        except UpstreamError as error:
            if error.no_call_began:
                await self._return(redeemed, error)
            if error.secret_is_dead:
                await self._drop_warm(redeemed.grant)
            raise

    async def _return(self, redeemed: _Redeemed, refused: UpstreamError) -> None:
        """No call began: the token is good once more, but not for ever."""
        if not await self._give_back(redeemed.grant, refused, at_most=MAX_RETURNS):
            return
        try:
            await self._rates.take_back(redeemed.rates)
        except StoreUnavailable as error:
            # The client is told what the provider said; all its caller loses is one of a minute.
            fields = {"grant": redeemed.grant.id, "detail": str(error)}
            log.warning("rate not given back", extra={"fields": fields})

    async def _give_back(
        self, grant: Grant, refused: SignallerError, *, at_most: int | None = None
    ) -> bool:
        """Whether it was; the refusal says what has become of the token."""
        try:
            returned = await self._store.give_back(grant, at_most=at_most)
        except StoreUnavailable as error:
            # The client is told what the provider said; all it may have lost is a token.
            fields = {"grant": grant.id, "detail": str(error)}
            log.warning("token not given back", extra={"fields": fields})
            refused.fate = "unknown"
            return False
        refused.fate = "unspent" if returned.uses_left else "spent"
        if not returned.uses_left:
            refused.public += SPENT
            refused.should_retry = False
        return returned.given_back

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

    async def _link(self, call: Call, grant: Grant, policy: Policy, trace: Trace) -> None:
        """Let a replay find the call, where one would end it."""
        if policy.on_replay == "refuse":
            return
        try:
            alone = await self._store.link(grant, call.id)
        except StoreUnavailable as error:
            # A call that a replay could not end must not go on.
            await self._hangups.abandon(call, trace, why="it could not be linked to its token")
            error.should_retry, error.retry_after = False, None
            raise
        if not alone:
            # Nobody can tell which of the two is the thief.
            await self._hangups.abandon(call, trace, why="its token was replayed")
            raise TokenRejected(f"grant {grant.id}: replayed while the provider answered")
