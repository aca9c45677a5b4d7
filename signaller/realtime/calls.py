"""Trade an offer for an answer, once per token."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from signaller.errors import (
    ConcurrentCallsExceeded,
    Fate,
    ModelNotAllowed,
    OriginNotAllowed,
    RateLimitExceeded,
    SignallerError,
    StoreUnavailable,
    SupervisionUnavailable,
    TokenRejected,
    UpstreamError,
)
from signaller.logs import Journal, Line, shown_origin
from signaller.model import (
    Aliases,
    Allowance,
    Answer,
    CallFacts,
    Deployment,
    Grant,
    Offer,
    Provider,
    Spent,
    Trace,
)
from signaller.policy import Policy, Rate, call_rates, least, tightest
from signaller.ports import Callers, Clock, Rates, Store, Upstream, Watchers
from signaller.realtime.call_records import CallRecord, SealedBook, new_intent
from signaller.realtime.deployments import Deployments, resolve
from signaller.realtime.giving_back import GivingBack
from signaller.realtime.hangups import Hangups
from signaller.realtime.offers import filtered
from signaller.realtime.session_prints import told_of
from signaller.realtime.sessions import (
    MintRequest,
    forced,
    nested_models,
    parse_session_beside_offer,
    upstream_session,
)
from signaller.secret import Secret
from signaller.strict_json import parse_object
from signaller.tokens.tokens import TokenClaims, Tokens, Unsealed, unseal

log = logging.getLogger("signaller")


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A good token in the right place; whether its grant is still there, the store will tell."""

    claims: TokenClaims
    policy: Policy
    """Its caller's, as it is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Redeemed:
    """A use of a token that has been taken."""

    unsealed: Unsealed
    rates: tuple[Rate, ...]
    """That the call counts against: the token's and the policy's of now."""
    intent: CallFacts

    @property
    def grant(self) -> Grant:
        """As its token tells it."""
        return self.unsealed.grant


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A call the provider answered."""

    call: CallFacts
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
        book: SealedBook,
        hangups: Hangups,
        watchers: Watchers,
        clock: Clock,
        aliases: Aliases,
    ) -> None:
        self._callers = callers
        self._deployments = deployments
        self._upstreams = upstreams
        self._tokens = tokens
        self._store = store
        self._rates = rates
        self._giving_back = GivingBack(store, rates)
        self._journal = journal
        self._book = book
        self._hangups = hangups
        self._watchers = watchers
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
        NotSupported, ModelNotAllowed (a nested one), RateLimitExceeded, ConcurrentCallsExceeded,
        StoreUnavailable and UpstreamError, each with what has become of the token. The provider is
        asked once, never again.
        """
        with token_is("unspent"):
            deployment = self._deployment(admission.claims)
            line.add(deployment=deployment.id)
            offer, wanted = self._prepared(admission, deployment, offer)
        redeemed = await self._redeem(admission, deployment, offer, trace)
        grant, intent = redeemed.grant, redeemed.intent
        line.add(call=intent.id)
        if intent.metadata:
            line.add(metadata=list(intent.metadata))  # its keys: the values are the caller's own
        # Of several uses only the store knows how many are left.
        with token_is("spent" if grant.terms.uses == 1 else "unknown"):
            allowance = await self._within_terms(redeemed, wanted)
            await self._intend(redeemed, admission.policy, allowance)
            with line.timing("provider_ms") as provider:
                answer = await self._answer(redeemed, allowance, deployment, offer, trace)
            line.add(provider_call=answer.provider_call_id)
            call = await record_answer(self._book, self._hangups, intent, answer, trace)
            await self._link(call, grant, admission.policy, trace)
            await watched(self._watchers, self._hangups, call, trace)
        return Started(
            call=call, sdp=answer.sdp, provider_seconds=provider.seconds, allowance=allowance
        )

    def _deployment(self, claims: TokenClaims) -> Deployment:
        deployment = self._deployments.named(claims.deployment_id, claims.credential_fingerprint)
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
            self._deployments.check_nested(nested_models(wanted.session), policy)
            asked = forced(wanted.session, policy.session)
            session = upstream_session(asked, claims.model, deployment, self._aliases)
            offer = replace(offer, session=session)
        offer = filtered(offer, deployment)
        self._upstreams[deployment.provider].check_offer(deployment, offer)
        return offer, wanted

    async def _redeem(
        self, admission: Admission, deployment: Deployment, offer: Offer, trace: Trace
    ) -> _Redeemed:
        claims = admission.claims
        withheld = withheld_uses(claims, admission.policy)
        found = await self._store.redeem(claims.grant_id, withheld=withheld)
        with token_is("spent"):
            if isinstance(found, Grant):
                unsealed, policy = unseal(found, claims), admission.policy
                grant = unsealed.grant
                rates = tightest((*grant.call_rates, *call_rates(grant.caller, policy)))
                intent = self._intent(unsealed, deployment, offer, policy)
                return _Redeemed(unsealed=unsealed, rates=rates, intent=intent)
            if claims.expires_at <= self._clock():
                raise TokenRejected(f"grant {claims.grant_id}: expired while its offer was read")
            if found is None:
                raise TokenRejected(f"grant {claims.grant_id}: revoked, or not in this store")
            await self._replayed(admission, found, trace)
            raise TokenRejected(f"grant {claims.grant_id}: no uses left")

    def _intent(
        self, unsealed: Unsealed, deployment: Deployment, offer: Offer, policy: Policy
    ) -> CallFacts:
        grant = unsealed.grant
        watching = grant.watching
        if offer.session is not None and watching.mode != "off":
            watching = told_of(watching, offer.session, policy.session)
        return new_intent(
            deployment,
            credential_fingerprint=grant.credential_fingerprint,
            caller=grant.caller,
            model=grant.terms.model,
            max_call_seconds=least(grant.max_call_seconds, policy.max_call_seconds),
            watching=watching,
            now=self._clock(),
            grant_id=grant.id,
            metadata=unsealed.metadata,
            person=grant.places.person,
        )

    async def _replayed(self, admission: Admission, spent: Spent, trace: Trace) -> None:
        """The token itself was good and in time: somebody has used it before."""
        claims = admission.claims
        self._journal.note("replay", trace, caller=claims.caller, grant=claims.grant_id)
        if admission.policy.on_replay == "refuse":
            return
        # A token begins no more calls than it has uses, whatever a changed list says.
        for call_id in spent.call_ids[: claims.uses]:
            record = await self._book.find(call_id)
            # The list is the store's word only; whose a call is, its own record proves.
            if record is not None and record.facts.grant_id == claims.grant_id:
                why = "its token was replayed"
                await self._hangups.abandon(record, trace, by="replay", why=why)

    async def _within_terms(
        self, redeemed: _Redeemed, wanted: MintRequest | None
    ) -> Allowance | None:
        """What is left of the rate; a call that may not be begun costs no token."""
        try:
            if wanted is not None:
                minted_under = Policy(models=redeemed.grant.models)
                self._deployments.check_nested(nested_models(wanted.session), minted_under)
            return await self._rates.take(redeemed.rates)
        except (ModelNotAllowed, RateLimitExceeded, StoreUnavailable) as error:
            await self._giving_back.unasked(redeemed.grant, error)
            raise

    async def _intend(
        self, redeemed: _Redeemed, policy: Policy, allowance: Allowance | None
    ) -> None:
        """Write down that a call is about to begin; one that may not be costs no token."""
        intent = redeemed.intent
        try:
            if intent.watching.mode == "required":
                self._watchers.check_room()
            await self._book.begin(intent, redeemed.grant.places.within(policy.calls_at_once))
        except (ConcurrentCallsExceeded, StoreUnavailable, SupervisionUnavailable) as error:
            if isinstance(error, StoreUnavailable):
                await self._book.withdraw(intent)  # it may have been written all the same
            await self._giving_back.unasked(redeemed.grant, error, allowance)
            raise

    async def _answer(
        self,
        redeemed: _Redeemed,
        allowance: Allowance | None,
        deployment: Deployment,
        offer: Offer,
        trace: Trace,
    ) -> Answer:
        upstream = self._upstreams[deployment.provider]
        secret, offer = _sent(redeemed.unsealed, offer)
        try:
            return await upstream.call(deployment, secret, offer, trace)
        except UpstreamError as error:
            if error.no_call_began or error.secret_is_dead:
                await self._book.withdraw(redeemed.intent)
            if error.no_call_began:
                await self._giving_back.refused(redeemed.grant, error, allowance)
            if error.secret_is_dead:
                await self._drop_warm(redeemed.grant)
            raise

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

    async def _link(self, call: CallFacts, grant: Grant, policy: Policy, trace: Trace) -> None:
        """Let a replay find the call, where one would end it."""
        if policy.on_replay == "refuse":
            return
        try:
            alone = await self._store.link(grant, call.id)
        except StoreUnavailable as error:
            # A call that a replay could not end must not go on.
            why = "it could not be linked to its token"
            await self._hangups.abandon(CallRecord(facts=call), trace, by="supervision", why=why)
            error.should_retry, error.retry_after = False, None
            raise
        if not alone:
            # Nobody can tell which of the two is the thief.
            why = "its token was replayed"
            await self._hangups.abandon(CallRecord(facts=call), trace, by="replay", why=why)
            raise TokenRejected(f"grant {grant.id}: replayed while the provider answered")


def _sent(unsealed: Unsealed, offer: Offer) -> tuple[Secret | None, Offer]:
    """What the provider gets: the ephemeral secret, or none and the session that stands for it."""
    grant, session = unsealed.grant, offer.session
    if grant.unified and session is None:
        session = parse_object(unsealed.secret.reveal().encode())
    if session is not None:
        offer = replace(offer, session=session, safety_identifier=grant.safety_identifier)
    return None if grant.unified else unsealed.secret, offer


async def record_answer(
    book: SealedBook, hangups: Hangups, intent: CallFacts, answer: Answer, trace: Trace
) -> CallFacts:
    """The call that an intent has become; one whose record cannot be kept is ended at once.

    Raises StoreUnavailable.
    """
    try:
        return await book.answered(intent, answer)
    except StoreUnavailable as error:
        # A call that nobody could end must not go on. Its token is spent: no use in a retry.
        begun = replace(intent, answered=True, provider_call_id=answer.provider_call_id)
        why = "it could not be remembered"
        await hangups.abandon(CallRecord(facts=begun), trace, by="supervision", why=why)
        error.should_retry, error.retry_after = False, None
        raise


async def watched(watchers: Watchers, hangups: Hangups, call: CallFacts, trace: Trace) -> None:
    """Let a call be watched; one that has to be and is not is ended at once.

    Raises SupervisionUnavailable.
    """
    if call.watching.mode == "off":
        return
    try:
        await watchers.begin(call)
    except SupervisionUnavailable:
        why = "it could not be watched"
        await hangups.abandon(CallRecord(facts=call), trace, by="supervision", why=why)
        raise


class token_is:  # noqa: N801 - read as a sentence: `with token_is("spent"):`
    """Errors of this block say so of the token, unless they know better."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, SignallerError):
            error.fate = error.fate or self._fate


def require_valid(claims: TokenClaims, policy: Policy | None, now: float) -> Policy:
    """The caller's policy. Raises TokenRejected for a token that is over by it."""
    if policy is None:
        raise TokenRejected(f"grant {claims.grant_id}: the caller's credential is withdrawn")
    if ends_at(claims, policy) <= now:
        raise TokenRejected(f"grant {claims.grant_id}: its caller's tokens live shorter now")
    return policy


def require_origin(claims: TokenClaims, policy: Policy, origin: str | None) -> None:
    """Raise OriginNotAllowed for a page that the token or the policy does not name."""
    if claims.origins and origin not in claims.origins:
        nowhere = "" if origin else ", and this request names none"
        raise OriginNotAllowed(
            public=f"This token was minted for the pages of another origin{nowhere}. It is still "
            "good there."
        )
    if not policy.allows_origin(origin):
        raise OriginNotAllowed(
            public="Tokens of this caller may not be used from this origin any more."
        )


def ends_at(claims: TokenClaims, policy: Policy) -> int:
    """Unix seconds from which on the token starts no call."""
    if policy.token_ttl_seconds is None:
        return claims.expires_at
    return min(claims.expires_at, claims.issued_at + policy.token_ttl_seconds)


def withheld_uses(claims: TokenClaims, policy: Policy) -> int:
    """How many of the uses that it was minted with the policy does not allow any more."""
    return 0 if policy.token_uses is None else max(0, claims.uses - policy.token_uses)
