"""Mint a token: a grant in the store, and the only key to it in the caller's hands."""

import os
import secrets
from collections.abc import Mapping
from functools import partial

import msgspec
from msgspec.structs import replace

from signaller.failover import Failover
from signaller.fingerprints import credential_fingerprint
from signaller.journal import Line
from signaller.model import (
    Allowance,
    Deployment,
    Grant,
    Provider,
    SessionRequest,
    Terms,
)
from signaller.policy import Policy
from signaller.ports import Clock, Rates, Store, Upstream
from signaller.sealing import seal
from signaller.secret import Secret
from signaller.sessions import MAX_TTL_SECONDS, Aliases, MintRequest, upstream_session
from signaller.settings import TokenSettings
from signaller.tokens import Claims, Tokens
from signaller.warming import Shared, WarmSecrets
from signaller.wishes import Judged, Wish, Wishes

SECRET_MARGIN_SECONDS = 30
"""How much longer than our token the provider's secret is asked to live: a call that starts in the
token's last second still has to reach the provider, whose clock is not ours."""

PROOF_SECONDS = 1
"""For how long it is known that the store keeps what it is given. One that dies meanwhile costs an
ephemeral secret that nobody will use, and a busy service a round trip less at every mint."""


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
        wishes: Wishes,
        failover: Failover,
        upstreams: Mapping[Provider, Upstream],
        tokens: Tokens,
        store: Store,
        rates: Rates,
        warm: WarmSecrets,
        clock: Clock,
        token_settings: TokenSettings,
        mint_seconds: float,
        aliases: Aliases,
    ) -> None:
        self._wishes = wishes
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

    async def mint(self, wish: Wish, line: Line) -> Minted:
        """A token for one session. Nothing is asked of a provider before all else is in order.

        Raises what `Wishes.judge` raises, RateLimitExceeded, StoreUnavailable and UpstreamError:
        the last one, when every deployment of the model has failed.
        """
        policy = wish.caller.policy
        judged = self._wishes.judge(wish, line)
        # Without a store there is no token: ask before anything is counted or paid for.
        await self._store.ping(within_seconds=PROOF_SECONDS)
        allowance = await self._rates.take(wish.caller.mint_rates)
        ttl = self._ttl_seconds(policy, wish.request)
        asked = SessionRequest(
            session=judged.session,
            expires_after_seconds=min(ttl + SECRET_MARGIN_SECONDS, MAX_TTL_SECONDS),
            trace=wish.trace,
            safety_identifier=judged.safety_identifier,
        )
        with line.timing("provider_ms") as provider:
            deployment, shared = await self._failover.first(
                judged.candidates,
                partial(self._secret, wish, asked),
                seconds=self._mint_seconds,
                leave_half=True,  # a secret that comes too late costs nothing
                trace=wish.trace,
                line=line,
            )
        line.add(warm=shared.warm)
        now = int(self._clock())
        terms = Terms(
            model=wish.request.model,
            session_type=wish.request.session_type,
            uses=policy.token_uses or self._token_settings.uses,
            start_by=min(now + ttl, shared.secret.expires_at),
            origins=judged.origins,
        )
        line.add(expires_at=terms.start_by, uses=terms.uses, origins=terms.origins)
        claims = await self._grant(wish, judged, deployment, shared, terms)
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

    async def _secret(self, wish: Wish, asked: SessionRequest, deployment: Deployment) -> Shared:
        session = upstream_session(asked.session, wish.request.model, deployment, self._aliases)
        asked = replace(asked, session=session)
        upstream = self._upstreams[deployment.provider]
        if self._warm.enabled and deployment.warm_secrets and wish.caller.policy.warm_secrets:
            return await self._warm.mint(upstream, deployment, asked, wish.caller.name)
        secret = await upstream.mint(deployment, asked)
        return Shared(secret=secret, record=None, warm=False)

    async def _grant(
        self, wish: Wish, judged: Judged, deployment: Deployment, shared: Shared, terms: Terms
    ) -> Claims:
        caller, seal_key = wish.caller, os.urandom(32)
        grant = Grant(
            id=secrets.token_urlsafe(16),
            sealed_secret="",
            deployment_id=deployment.id,
            credential=credential_fingerprint(deployment),
            caller=caller.name,
            terms=terms,
            call_rates=caller.call_rates,
            models=caller.policy.models,
            safety_identifier=judged.safety_identifier,
            warm_secret=shared.record,
        )
        # The store gets the secret under a key that only the token will carry.
        await self._store.put_grant(seal(grant, shared.secret.value, seal_key))
        return Claims(
            grant_id=grant.id,
            caller=caller.name,
            credential_id=caller.credential_id,
            deployment_id=deployment.id,
            credential=grant.credential,
            model=terms.model,
            nested_models=wish.request.nested_models,
            session_type=terms.session_type,
            uses=terms.uses,
            origins=terms.origins,
            issued_at=int(self._clock()),
            expires_at=terms.start_by,
            seal_key=seal_key,
        )
