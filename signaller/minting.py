"""Mint a token: a grant in the store, and the only key to it in the caller's hands."""

import logging
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from signaller.deployments import Deployments
from signaller.errors import UpstreamAuthFailed, UpstreamError
from signaller.journal import Line
from signaller.jwe import ContentKey, encrypt
from signaller.model import (
    Caller,
    Deployment,
    EphemeralSecret,
    Grant,
    Provider,
    SessionRequest,
    Terms,
)
from signaller.ports import Clock, Store, Upstream
from signaller.secret import Secret
from signaller.sessions import MAX_TTL_SECONDS, Aliases, MintRequest, upstream_session
from signaller.settings import TokenSettings
from signaller.tokens import Claims, Tokens

log = logging.getLogger("signaller")

SECRET_MARGIN_SECONDS = 30
"""How much longer than our token the provider's secret is asked to live: a call that starts in the
token's last second still has to reach the provider, whose clock is not ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """A fresh token and the session it stands for."""

    token: Secret
    expires_at: int
    session: Mapping[str, object]
    provider_seconds: float


class Minting:
    """Turns a caller's wish into a token."""

    def __init__(
        self,
        *,
        deployments: Deployments,
        upstreams: Mapping[Provider, Upstream],
        tokens: Tokens,
        store: Store,
        clock: Clock,
        token_settings: TokenSettings,
        aliases: Aliases,
    ) -> None:
        self._deployments = deployments
        self._upstreams = upstreams
        self._tokens = tokens
        self._store = store
        self._clock = clock
        self._token_settings = token_settings
        self._aliases = aliases

    async def mint(
        self, caller: Caller, request: MintRequest, request_id: str, line: Line
    ) -> Minted:
        """A token for one session.

        Raises ModelNotFound, StoreUnavailable and UpstreamError: the last one, when every
        deployment of the model has failed.
        """
        line.add(caller=caller.name, model=request.model)
        candidates = self._deployments.candidates(request.model)
        # Without a store there is no token: ask before the provider mints anything.
        await self._store.ping()
        ttl = request.ttl_seconds or self._token_settings.ttl_seconds
        with line.timing("provider_ms") as provider:
            deployment, secret = await self._mint_upstream(
                candidates, request, ttl, request_id, line
            )
        now = int(self._clock())
        terms = Terms(
            model=request.model,
            uses=self._token_settings.uses,
            start_by=min(now + ttl, secret.expires_at),
        )
        claims = await self._grant(caller, deployment, secret, terms, now)
        line.add(grant=claims.grant_id, expires_at=terms.start_by)
        return Minted(
            token=self._tokens.mint(claims),
            expires_at=terms.start_by,
            session=secret.session,
            provider_seconds=provider.seconds,
        )

    async def _mint_upstream(
        self,
        candidates: list[Deployment],
        request: MintRequest,
        ttl: int,
        request_id: str,
        line: Line,
    ) -> tuple[Deployment, EphemeralSecret]:
        last: UpstreamError | None = None
        for deployment in candidates:
            line.add(deployment=deployment.id)
            session = upstream_session(request, deployment, self._aliases)
            wanted = SessionRequest(
                session=session,
                expires_after_seconds=min(ttl + SECRET_MARGIN_SECONDS, MAX_TTL_SECONDS),
                request_id=request_id,
            )
            try:
                return deployment, await self._upstreams[deployment.provider].mint(
                    deployment, wanted
                )
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
                            "request_id": request_id,
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

    async def _grant(
        self,
        caller: Caller,
        deployment: Deployment,
        secret: EphemeralSecret,
        terms: Terms,
        now: int,
    ) -> Claims:
        # The store gets the secret under a key that only the token will carry.
        seal_key = os.urandom(32)
        grant = Grant(
            id=secrets.token_urlsafe(16),
            sealed_secret=encrypt(secret.value.reveal().encode(), ContentKey(seal_key)),
            deployment_id=deployment.id,
            caller=caller.name,
            terms=terms,
        )
        await self._store.put_grant(grant)
        return Claims(
            grant_id=grant.id,
            model=terms.model,
            issued_at=now,
            expires_at=terms.start_by,
            seal_key=seal_key,
        )
