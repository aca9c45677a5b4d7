"""Look at a token, and take it back, without using it."""

from collections.abc import Mapping
from dataclasses import dataclass

from signaller.errors import ModelNotAllowed, NotAllowed, TokenRejected
from signaller.logs import Line
from signaller.model import Caller
from signaller.ports import Callers, Clock, Store
from signaller.realtime.calls import ends_at, require_valid, withheld_uses
from signaller.realtime.deployments import Deployments
from signaller.secret import Secret
from signaller.tokens.tokens import TokenClaims, Tokens, unseal


@dataclass(frozen=True, slots=True, kw_only=True)
class Active:
    """A token that can start a call now."""

    claims: TokenClaims
    expires_at: int
    """By the policy of now: Unix seconds."""
    uses_left: int
    metadata: Mapping[str, str]


class TokenControl:
    """Introspection (RFC 7662) and revocation (RFC 7009), for whoever minted or the master key."""

    def __init__(
        self,
        *,
        callers: Callers,
        deployments: Deployments,
        tokens: Tokens,
        store: Store,
        clock: Clock,
    ) -> None:
        self._callers = callers
        self._deployments = deployments
        self._clock = clock
        self._tokens = tokens
        self._store = store

    async def introspect(self, caller: Caller, token: Secret, line: Line) -> Active | None:
        """What a token can still do; None for nothing, or if it is another caller's.

        Raises StoreUnavailable.
        """
        line.add(by=caller.name)
        try:
            claims = self._tokens.read(token)
        except TokenRejected as rejected:
            line.add(active=False, detail=str(rejected))
            return None
        active = await self._active(caller, claims)
        line.add(caller=claims.caller, grant=claims.grant_id, active=active is not None)
        return active

    async def _active(self, caller: Caller, claims: TokenClaims) -> Active | None:
        if not _may_touch(caller, claims):
            return None  # RFC 7662, 2.2: who may not know of a token learns that it is not active
        policy = self._callers.policy_of(claims.caller, claims.credential_id)
        try:
            policy = require_valid(claims, policy, self._clock())
            for model in (claims.model, *claims.nested_models):
                self._deployments.check_allowed(model, policy, param="model")
        except (TokenRejected, ModelNotAllowed):
            return None
        uses, metadata = await self._left(claims)
        left, ends = uses - withheld_uses(claims, policy), ends_at(claims, policy)
        if left <= 0:
            return None
        return Active(claims=claims, expires_at=ends, uses_left=left, metadata=metadata)

    async def _left(self, claims: TokenClaims) -> tuple[int, Mapping[str, str]]:
        """The uses and the metadata of a token: one read, and none of its whole grant in vain."""
        if not claims.metadata_digest:
            return await self._store.uses_left(claims.grant_id), {}
        peeked = await self._store.peek(claims.grant_id)
        if peeked is None:
            return 0, {}
        try:
            return peeked.uses_left, unseal(peeked.grant, claims).metadata
        except TokenRejected:
            return 0, {}  # its record was changed: it would start no call either

    async def revoke(self, caller: Caller, token: Secret, line: Line) -> None:
        """Let a token start no more calls; one that could not is no error (RFC 7009, 2.2).

        Raises NotAllowed for another caller's, and StoreUnavailable. Calls go on.
        """
        line.add(by=caller.name)
        try:
            claims = self._tokens.read(token)
        except TokenRejected as rejected:
            line.add(detail=str(rejected))
            return
        line.add(caller=claims.caller, grant=claims.grant_id)
        if not _may_touch(caller, claims):
            raise NotAllowed(public="This token was minted by another caller.")
        await self._store.revoke(claims.grant_id)


def _may_touch(caller: Caller, claims: TokenClaims) -> bool:
    return caller.is_master or caller.name == claims.caller
