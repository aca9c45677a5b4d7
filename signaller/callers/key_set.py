"""One issuer's keys as they were last seen: when they are fetched again, and who waits for it."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable

from signaller.callers.jwks import PublicKey
from signaller.errors import IssuerUnavailable
from signaller.ports import Clock

log = logging.getLogger("signaller")

FRESH_SECONDS = 600
"""Issuers publish a key longer than this before they sign with it."""
TRUSTED_SECONDS = 2 * FRESH_SECONDS
"""Older keys are used only after another attempt to fetch them: so long, at most, does a key that
its issuer has withdrawn open the door, unless the issuer is down."""
FLOOR_SECONDS = 10
"""Between two attempts: anybody can send a JWT with a key id that does not exist."""

Fetch = Callable[[], Awaitable[tuple[PublicKey, ...]]]
"""Raises FetchFailed, and only that."""


class FetchFailed(Exception):
    """The keys could not be had; the text says why, for the log."""


class KeySet:
    """The keys behind one URL. An issuer that is down keeps the keys it had."""

    def __init__(self, url: str, fetch: Fetch, clock: Clock) -> None:
        self._where = url.partition("?")[0]  # what a query holds is nobody's business in a log
        self._fetch, self._clock = fetch, clock
        self._keys: tuple[PublicKey, ...] | None = None
        self._attempted_at = self._fetched_at = -math.inf
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None) -> tuple[PublicKey, ...]:
        """The keys with this id, the only key there is for None; none if there is no such.

        Raises IssuerUnavailable while the issuer never gave a set.
        """
        if not self._within(TRUSTED_SECONDS, self._fetched_at):
            await self._refreshed()
        elif not self._within(FRESH_SECONDS, self._fetched_at):
            self._refresh()  # in the background: what is here still serves
        found = self._with(key_id)
        if not found and (key_id is not None or not self._keys):  # the issuer may have a new key
            await self._refreshed()
            found = self._with(key_id)
        return found

    async def aclose(self) -> None:
        """Give up a fetch that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    def _with(self, key_id: str | None) -> tuple[PublicKey, ...]:
        if self._keys is None:
            raise self._unavailable()
        if key_id is None:
            return self._keys if len(self._keys) == 1 else ()
        return tuple(key for key in self._keys if key.id == key_id)

    async def _refreshed(self) -> None:
        """Wait for the fetch under way, or for a new one if it is time."""
        if (fetching := self._refresh()) is not None:
            # Shielded: whoever stops waiting does not stop it for the others.
            await asyncio.shield(fetching)

    def _refresh(self) -> asyncio.Task[None] | None:
        if self._fetching is None and not self._within(FLOOR_SECONDS, self._attempted_at):
            self._attempted_at = self._clock()
            self._fetching = asyncio.create_task(self._attempt())
        return self._fetching

    async def _attempt(self) -> None:
        try:
            self._keys = await self._fetch()
            self._fetched_at = self._clock()
            if not self._keys:  # an answer: it has withdrawn them all
                log.warning(
                    "issuer publishes no usable key", extra={"fields": {"url": self._where}}
                )
        except FetchFailed as failed:
            fields = {"url": self._where, "reason": str(failed), "keys_kept": len(self._keys or ())}
            log.warning("issuer's keys not fetched", extra={"fields": fields})
        finally:
            self._fetching = None

    def _unavailable(self) -> IssuerUnavailable:
        wait = self._attempted_at + FLOOR_SECONDS - self._clock()
        return IssuerUnavailable(
            f"no keys from {self._where} yet", retry_after=min(max(1.0, wait), FLOOR_SECONDS)
        )

    def _within(self, seconds: float, since: float) -> bool:
        # A clock that was set back must not keep old keys for as long as it was wrong.
        return 0 <= self._clock() - since < seconds
