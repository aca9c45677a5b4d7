"""A token whose call did not begin is good once more."""

import logging

from signaller.errors import SignallerError, StoreUnavailable
from signaller.model import Allowance, Grant
from signaller.ports import Rates, Store

log = logging.getLogger("signaller")

MAX_RETURNS = 3
"""How often a provider may refuse a token's call before the token is spent: each try costs the
provider a request and everybody a connection."""
SPENT = " The token is spent now: get a fresh one from POST /v1/realtime/client_secrets."


class GivingBack:
    """Gives back what a call had taken: a use of its token, and with it the hit on its rate."""

    def __init__(self, store: Store, rates: Rates) -> None:
        self._store = store
        self._rates = rates

    async def unasked(
        self, grant: Grant, refused: SignallerError, allowance: Allowance | None = None
    ) -> None:
        """The provider was not asked: it costs nothing, however often."""
        await self._give_back(grant, refused, allowance, at_most=None)

    async def refused(
        self, grant: Grant, refused: SignallerError, allowance: Allowance | None
    ) -> None:
        """The provider was, and began no call: the token is good once more, but not for ever."""
        await self._give_back(grant, refused, allowance, at_most=MAX_RETURNS)

    async def _give_back(
        self,
        grant: Grant,
        refused: SignallerError,
        allowance: Allowance | None,
        *,
        at_most: int | None,
    ) -> None:
        """The refusal says what has become of the token."""
        try:
            returned = await self._store.give_back(grant, at_most=at_most)
        except StoreUnavailable as error:
            # The client is told why there is no call; all it may have lost is a token.
            _log("token not given back", grant, error)
            refused.fate = "unknown"
            return
        refused.fate = "unspent" if returned.uses_left else "spent"
        if not returned.uses_left:
            refused.public += SPENT
            refused.should_retry = False
        if returned.given_back and allowance is not None:
            await self._uncount(grant, allowance)

    async def _uncount(self, grant: Grant, allowance: Allowance) -> None:
        try:
            await self._rates.take_back(allowance)
        except StoreUnavailable as error:
            # The client is told why there is no call; all its caller loses is one of a minute.
            _log("rate not given back", grant, error)


def _log(what: str, grant: Grant, error: StoreUnavailable) -> None:
    log.warning(what, extra={"fields": {"grant": grant.id, "detail": str(error)}})
