"""Mint a token: a grant in the store, and the only key to it in the caller's hands."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from signaller.errors import InvalidRequest, OriginNotAllowed
from signaller.logs import Line
from signaller.model import (
    Aliases,
    Allowance,
    Caller,
    Deployment,
    EphemeralSecret,
    Grant,
    Provider,
    SessionRequest,
    Terms,
    Trace,
    Watching,
)
from signaller.policy import MAX_TTL_SECONDS, Policy, SupervisionMode, least
from signaller.ports import Clock, Rates, Store, Upstream
from signaller.realtime.deployments import Deployments, Failover
from signaller.realtime.session_prints import told_of
from signaller.realtime.sessions import (
    MintRequest,
    forced,
    nested_models,
    upstream_session,
)
from signaller.realtime.warm_secrets import Shared, WarmSecrets
from signaller.secret import Secret
from signaller.settings import TokenSettings
from signaller.strict_json import write_json
from signaller.tokens.pseudonyms import Pseudonyms
from signaller.tokens.tokens import TokenClaims, Tokens, digest_of, seal

SECRET_MARGIN_SECONDS = 30
"""How much longer than our token the provider's secret is asked to live: a call that starts in the
token's last second still has to reach the provider, whose clock is not ours."""

MAX_UNASKED_CHARS = 64 * 1024
"""Of a session that lies in a grant: instructions of ten thousand words."""

PROOF_SECONDS = 1
"""For how long it is known that the store keeps what it is given. One that dies meanwhile costs an
ephemeral secret that nobody will use, and a busy service a round trip less at every mint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MintOrder:
    """What a caller asks for, and from which web page."""

    caller: Caller
    request: MintRequest
    origin: str | None
    trace: Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedMint:
    """A mint that passed `MintChecks`."""

    candidates: list[Deployment]
    """In the order to try them."""
    session: Mapping[str, object]
    """With the policy's fields; the models as the caller names them."""
    origins: tuple[str, ...]
    """The pages that may use what comes of it; none: any."""
    safety_identifier: str | None
    max_call_seconds: int | None
    """The longest that a call may last."""
    watching: Watching


class MintChecks:
    """Checks a mint against the caller's policy and the deployments."""

    def __init__(
        self,
        *,
        deployments: Deployments,
        pseudonyms: Pseudonyms,
        supervision: SupervisionMode | None = None,
    ) -> None:
        """`supervision`: how calls are watched whose policy does not say."""
        self._deployments = deployments
        self._pseudonyms = pseudonyms
        self._supervision = supervision

    def check(self, order: MintOrder, line: Line) -> CheckedMint:
        """What the order comes to.

        Raises ModelNotAllowed, ModelNotFound, OriginNotAllowed and InvalidRequest (an end user
        the policy does not let the caller name).
        """
        request, policy = order.request, order.caller.policy
        line.add(model=request.model)
        if request.metadata:
            line.add(metadata=list(request.metadata))  # its keys: the values are the caller's own
        candidates = self._deployments.candidates(request.model, policy)
        self._deployments.check_nested(nested_models(request.session), policy)
        return CheckedMint(
            candidates=candidates,
            session=forced(request.session, policy.session),
            origins=pinned_origins(policy, order.origin),
            safety_identifier=self._pseudonyms.for_provider(
                order.caller, request.safety_identifier
            ),
            max_call_seconds=least(policy.max_call_seconds, request.max_call_seconds),
            watching=Watching(
                mode=policy.watch_mode(self._supervision),
                max_idle_seconds=policy.max_idle_seconds,
                warn_seconds=policy.warn_seconds,
                warn_with=policy.warn_with,
                session_drift=policy.session_drift,
            ),
        )

    def fingerprint_of(self, deployment: Deployment) -> str:
        """Of the credential of a candidate."""
        return self._deployments.fingerprint_of(deployment)


def pinned_origins(policy: Policy, origin: str | None) -> tuple[str, ...]:
    """The origins a token is bound to; none: any. Raises OriginNotAllowed.

    A web page gets a token for itself; a backend, which has no origin, one for all its pages.
    """
    if policy.origins is None:
        return ()
    if origin is None and policy.origins:
        return policy.origins
    if origin is None or not policy.allows_origin(origin):
        raise OriginNotAllowed(
            public="You may not ask for tokens from this origin. The operator lists the allowed "
            "ones under 'origins' of your policy."
        )
    return (origin,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A fresh token and the session it stands for."""

    token: Secret
    expires_at: int
    session: Mapping[str, object]
    provider_seconds: float
    allowance: Allowance | None
    """What is left of the caller's rate; None without one."""


class Minting:
    """Turns an order into a token."""

    def __init__(
        self,
        *,
        checks: MintChecks,
        failover: Failover,
        upstreams: Mapping[Provider, Upstream],
        tokens: Tokens,
        store: Store,
        rates: Rates,
        warm: WarmSecrets | None,
        clock: Clock,
        token_settings: TokenSettings,
        mint_seconds: float,
        aliases: Aliases,
    ) -> None:
        self._checks = checks
        self._failover = failover
        self._upstreams = upstreams
        self._tokens = tokens
        self._store = store
        self._rates = rates
        self._warm = warm
        self._clock = clock
        self._token_settings = token_settings
        self._mint_seconds = mint_seconds
        self._aliases = aliases

    async def mint(self, order: MintOrder, line: Line) -> Minted:
        """A token for one session. Nothing is asked of a provider before all else is in order.

        Raises what `MintChecks.check` raises, RateLimitExceeded, StoreUnavailable and
        UpstreamError: the last one, when every deployment of the model has failed.
        """
        policy = order.caller.policy
        checked = self._checks.check(order, line)
        # Without a store there is no token: ask before anything is counted or paid for.
        await self._store.ping(within_seconds=PROOF_SECONDS)
        allowance = await self._rates.take(order.caller.mint_rates)
        ttl = self._ttl_seconds(policy, order.request)
        asked = SessionRequest(
            session=checked.session,
            expires_after_seconds=min(ttl + SECRET_MARGIN_SECONDS, MAX_TTL_SECONDS),
            trace=order.trace,
            safety_identifier=checked.safety_identifier,
        )
        with line.timing("provider_ms") as provider:
            deployment, shared = await self._failover.first(
                checked.candidates,
                partial(self._secret, order, asked),
                seconds=self._mint_seconds,
                leave_half=True,  # a secret that comes too late costs nothing
                trace=order.trace,
                line=line,
            )
        line.add(warm=shared.warm)
        now = int(self._clock())
        terms = Terms(
            model=order.request.model,
            session_type=order.request.session_type,
            uses=policy.token_uses or self._token_settings.uses,
            start_by=min(now + ttl, shared.secret.expires_at),
            origins=checked.origins,
        )
        line.add(expires_at=terms.start_by, uses=terms.uses, origins=terms.origins)
        claims = await self._grant(order, checked, deployment, shared, terms)
        line.add(grant=claims.grant_id)
        return Minted(
            token=self._tokens.mint(claims),
            expires_at=terms.start_by,
            session=shared.secret.session,
            provider_seconds=provider.seconds,
            allowance=allowance,
        )

    def _ttl_seconds(self, policy: Policy, request: MintRequest) -> int:
        """What is asked for, or the default; never more than the policy allows."""
        wanted = request.ttl_seconds or self._token_settings.ttl_seconds
        allowed = policy.token_ttl_seconds
        return wanted if allowed is None else min(wanted, allowed)

    async def _secret(
        self, order: MintOrder, asked: SessionRequest, deployment: Deployment
    ) -> Shared:
        session = upstream_session(asked.session, order.request.model, deployment, self._aliases)
        if deployment.flow == "unified":
            return self._unasked(session, asked.expires_after_seconds)
        asked = replace(asked, session=session)
        upstream = self._upstreams[deployment.provider]
        shared = deployment.warm_secrets and order.caller.policy.warm_secrets
        if self._warm is not None and shared:
            return await self._warm.mint(upstream, deployment, asked, order.caller.name)
        secret = await upstream.mint(deployment, asked)
        return Shared(secret=secret, record=None, warm=False)

    def _unasked(self, session: Mapping[str, object], seconds: int) -> Shared:
        """What stands for a session of which the provider has not heard: itself."""
        text = write_json(session).decode()
        if len(text) > MAX_UNASKED_CHARS:
            raise InvalidRequest(
                public=f"The session is longer than the {MAX_UNASKED_CHARS} characters that this "
                "model's tokens can stand for.",
                param="session",
            )
        until = int(self._clock()) + seconds
        secret = EphemeralSecret(value=Secret(text), expires_at=until, session=session)
        return Shared(secret=secret, record=None, warm=False)

    async def _grant(
        self,
        order: MintOrder,
        checked: CheckedMint,
        deployment: Deployment,
        shared: Shared,
        terms: Terms,
    ) -> TokenClaims:
        caller, seal_key = order.caller, os.urandom(32)
        watching = checked.watching
        if watching.mode != "off":
            watching = told_of(watching, shared.secret.session, caller.policy.session)
        grant = Grant(
            id=secrets.token_urlsafe(16),
            sealed_secret="",
            deployment_id=deployment.id,
            credential_fingerprint=self._checks.fingerprint_of(deployment),
            caller=caller.name,
            terms=terms,
            call_rates=caller.call_rates,
            models=caller.policy.models,
            places=caller.places,
            max_call_seconds=checked.max_call_seconds,
            watching=watching,
            safety_identifier=checked.safety_identifier,
            unified=deployment.flow == "unified",
            warm_secret=shared.record,
        )
        # The store gets the secret under a key that only the token will carry.
        metadata = order.request.metadata
        await self._store.put_grant(seal(grant, shared.secret.value, metadata, seal_key))
        return TokenClaims(
            grant_id=grant.id,
            caller=caller.name,
            credential_id=caller.credential_id,
            deployment_id=deployment.id,
            credential_fingerprint=grant.credential_fingerprint,
            model=terms.model,
            nested_models=order.request.nested_models,
            session_type=terms.session_type,
            uses=terms.uses,
            origins=terms.origins,
            issued_at=int(self._clock()),
            expires_at=terms.start_by,
            metadata_digest=digest_of(metadata),
            seal_key=seal_key,
        )
