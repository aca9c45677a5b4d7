"""Mint a token: a grant in the store, and the only key to it in the caller's hands."""

import logging
import os
import secrets
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from signaller.deployments import Deployments
from signaller.errors import OriginNotAllowed, UpstreamAuthFailed, UpstreamError
from signaller.journal import Line, shown_origin
from signaller.jwe import ContentKey, encrypt
from signaller.model import (
    Allowance,
    Caller,
    Deployment,
    Grant,
    Provider,
    SessionRequest,
    Terms,
    Trace,
)
from signaller.policy import Policy
from signaller.ports import Clock, Rates, Store, Upstream
from signaller.safety import SafetyIdentifiers
from signaller.secret import Secret
from signaller.sessions import (
    MAX_TTL_SECONDS,
    TRANSCRIPTION_MODEL,
    Aliases,
    MintRequest,
    forced,
    transcription_model,
    upstream_session,
)
from signaller.settings import TokenSettings
from signaller.tokens import Claims, Tokens
from signaller.warming import Shared, WarmSecrets

log = logging.getLogger("signaller")

SECRET_MARGIN_SECONDS = 30
"""How much longer than our token the provider's secret is asked to live: a call that starts in the
token's last second still has to reach the provider, whose clock is not ours."""

PROOF_SECONDS = 1
"""For how long it is known that the store keeps what it is given. One that dies meanwhile costs an
ephemeral secret that nobody will use, and a busy service a round trip less at every mint."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller asks for, and from which web page."""

    caller: Caller
    request: MintRequest
    origin: str | None
    trace: Trace


class Minted(msgspec.Struct, frozen=True, kw_only=True):
    """A fresh token and the session it stands for."""

    token: Secret
    expires_at: int
    session: Mapping[str, object]
    provider_seconds: float
    allowance: Allowance | None
    """What is left of the caller's rate; None without one."""


class Minting:
    """Turns a caller's wish into a token."""

    def __init__(
        self,
        *,
        deployments: Deployments,
        upstreams: Mapping[Provider, Upstream],
        tokens: Tokens,
        store: Store,
        rates: Rates,
        safety: SafetyIdentifiers,
        warm: WarmSecrets,
        clock: Clock,
        token_settings: TokenSettings,
        aliases: Aliases,
    ) -> None:
        self._deployments = deployments
        self._upstreams = upstreams
        self._tokens = tokens
        self._store = store
        self._rates = rates
        self._safety = safety
        self._warm = warm
        self._clock = clock
        self._token_settings = token_settings
        self._aliases = aliases

    async def mint(self, wish: Wish, line: Line) -> Minted:
        """A token for one session. Nothing is asked of a provider before all else is in order.

        Raises ModelNotAllowed, ModelNotFound, OriginNotAllowed, InvalidRequest (an end user the
        policy does not let the caller name), RateLimitExceeded, StoreUnavailable and
        UpstreamError: the last one, when every deployment of the model has failed.
        """
        caller, policy = wish.caller, wish.caller.policy
        line.add(credential=caller.credential_id, model=wish.request.model)
        candidates = self._deployments.candidates(wish.request.model, policy)
        nested = transcription_model(wish.request.session)
        self._deployments.check_allowed(nested, policy, param=TRANSCRIPTION_MODEL)
        line.add(origin=shown_origin(wish.origin))
        origins = pinned_origins(policy, wish.origin)
        safety_identifier = self._safety.of(caller, wish.request.safety_identifier)
        allowance = await self._rates.take(caller.mint_rates)
        ttl = self._ttl_seconds(policy, wish.request)
        asked = SessionRequest(
            session=forced(wish.request.session, policy.session),
            expires_after_seconds=min(ttl + SECRET_MARGIN_SECONDS, MAX_TTL_SECONDS),
            trace=wish.trace,
            safety_identifier=safety_identifier,
        )
        with line.timing("provider_ms") as provider:
            deployment, shared = await self._mint_upstream(candidates, wish, asked, line)
        secret = shared.secret
        now = int(self._clock())
        terms = Terms(
            model=wish.request.model,
            uses=policy.token_uses or self._token_settings.uses,
            start_by=min(now + ttl, secret.expires_at),
            origins=origins,
        )
        line.add(expires_at=terms.start_by, uses=terms.uses, origins=origins)
        claims = await self._grant(caller, deployment, shared, terms, safety_identifier)
        line.add(grant=claims.grant_id)
        return Minted(
            token=self._tokens.mint(claims),
            expires_at=terms.start_by,
            session=secret.session,
            provider_seconds=provider.seconds,
            allowance=allowance,
        )

    def _ttl_seconds(self, policy: Policy, request: MintRequest) -> int:
        """What is asked for, or the default; never more than the policy allows."""
        wanted = request.ttl_seconds or self._token_settings.ttl_seconds
        allowed = policy.token_ttl_seconds
        return wanted if allowed is None else min(wanted, allowed)

    async def _mint_upstream(
        self, candidates: list[Deployment], wish: Wish, asked: SessionRequest, line: Line
    ) -> tuple[Deployment, Shared]:
        last: UpstreamError | None = None
        for deployment in candidates:
            line.add(deployment=deployment.id)
            session = upstream_session(asked.session, wish.request.model, deployment, self._aliases)
            try:
                shared = await self._secret(deployment, wish, replace(asked, session=session))
                line.add(warm=shared.warm)
                return deployment, shared
            except UpstreamError as error:
                if not error.fails_over:
                    raise
                # A refused credential may depend on what was asked for: it rests nothing.
                if not isinstance(error, UpstreamAuthFailed):
                    self._deployments.rest(deployment, error.retry_after)
                log.warning(
                    "deployment failed",
                    extra={
                        "fields": {
                            **asked.trace.ids,
                            "deployment": deployment.id,
                            "code": error.code,
                            "detail": str(error),
                        }
                    },
                )
                last = error
        if last is None:
            raise RuntimeError("candidates() gave no deployment and no error")
        raise last

    async def _secret(self, deployment: Deployment, wish: Wish, asked: SessionRequest) -> Shared:
        upstream = self._upstreams[deployment.provider]
        if self._warm.enabled and deployment.warm_secrets and wish.caller.policy.warm_secrets:
            return await self._warm.mint(upstream, deployment, asked, wish.caller.name)
        # Without a store there is no token: ask before the provider mints anything.
        await self._store.ping(within_seconds=PROOF_SECONDS)
        secret = await upstream.mint(deployment, asked)
        return Shared(secret=secret, record=None, warm=False)

    async def _grant(
        self,
        caller: Caller,
        deployment: Deployment,
        shared: Shared,
        terms: Terms,
        safety_identifier: str | None,
    ) -> Claims:
        # The store gets the secret under a key that only the token will carry.
        seal_key = os.urandom(32)
        grant = Grant(
            id=secrets.token_urlsafe(16),
            sealed_secret=encrypt(shared.secret.value.reveal().encode(), ContentKey(seal_key)),
            deployment_id=deployment.id,
            caller=caller.name,
            terms=terms,
            call_rates=caller.call_rates,
            models=caller.policy.models,
            safety_identifier=safety_identifier,
            warm_secret=shared.record,
        )
        await self._store.put_grant(grant)
        return Claims(
            grant_id=grant.id,
            caller=caller.name,
            credential_id=caller.credential_id,
            model=terms.model,
            origins=terms.origins,
            issued_at=int(self._clock()),
            expires_at=terms.start_by,
            seal_key=seal_key,
        )


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
