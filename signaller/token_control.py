"""Look at a token, and take it back, without using it."""

from dataclasses import dataclass

from signaller.errors import NotAllowed, TokenRejected
from signaller.journal import Line
from signaller.model import Caller
from signaller.ports import Callers, Store
from signaller.secret import Secret
from signaller.tokens import Claims, Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Active:
    """A token that can start a call now."""

    claims: Claims
    uses_left: int


class TokenControl:
    """Introspection (RFC 7662) and revocation (RFC 7009), for whoever minted or the master key."""

    def __init__(self, *, callers: Callers, tokens: Tokens, store: Store) -> None:
        self._callers = callers
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
        withdrawn = self._callers.policy_of(claims.caller, claims.credential_id) is None
        # RFC 7662, 2.2: who may not know of a token learns that it is not active.
        hidden = not _may_touch(caller, claims)
        uses_left = 0 if withdrawn or hidden else await self._store.uses_left(claims.grant_id)
        line.add(caller=claims.caller, grant=claims.grant_id, active=uses_left > 0)
        return Active(claims=claims, uses_left=uses_left) if uses_left else None

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


def _may_touch(caller: Caller, claims: Claims) -> bool:
    return caller.is_master or caller.name == claims.caller
