"""JSON Web Key Sets (RFC 7517): the public keys of issuers, fetched and kept.

PyJWT reads each key and tells which algorithms (RFC 7518, 8037) it fits. Not its PyJWKSet, which
fails for a set without keys and for one with a single odd key, and takes an RSA key that names no
algorithm to be for RS256 alone; nor its PyJWKClient, which fetches over urllib: it blocks the loop,
has no bound in bytes, and has no keys while an issuer is down.
"""

import asyncio
import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import AllowedPublicKeys

from signaller.errors import FetchFailed, IssuerUnavailable
from signaller.ports import Clock, Fetch
from signaller.settings import ALGORITHMS
from signaller.strict_json import parse_object

log = logging.getLogger("signaller")

MAX_SETS = 8
"""One is in use; those of earlier configurations leave in the order in which they came."""
FRESH_SECONDS = 600
"""Issuers publish a key longer than this before they sign with it."""
TRUSTED_SECONDS = 2 * FRESH_SECONDS
"""Older keys are used only after another attempt to fetch them: so long, at most, does a key that
its issuer has withdrawn still verify, unless the issuer is down."""
FLOOR_SECONDS = 10
"""Between two attempts: anybody can send a JWT with a key id that does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A key that signatures can be checked with."""

    id: str | None
    algorithms: frozenset[str]
    """Those it is good for."""
    key: AllowedPublicKeys


class KeySets:
    """Fetches key sets, and keeps them while configurations come and go."""

    def __init__(self, fetch: Fetch, clock: Clock) -> None:
        self._fetch, self._clock = fetch, clock
        self._sets: dict[str, KeySet] = {}

    async def find(self, url: str, key_id: str | None) -> tuple[PublicKey, ...]:
        """The keys of a set with this id (None: its only key). Raises IssuerUnavailable."""
        return await self._of(url).find(key_id)

    async def aclose(self) -> None:
        """Give up what is under way."""
        for each in self._sets.values():
            await each.aclose()

    def _of(self, url: str) -> "KeySet":
        if url not in self._sets:
            while len(self._sets) >= MAX_SETS:
                del self._sets[next(iter(self._sets))]
            self._sets[url] = KeySet(url, self._fetch, self._clock)
        return self._sets[url]


class KeySet:
    """The keys behind one URL: when they are fetched again, and who waits for it.

    An issuer that is down keeps the keys it had.
    """

    def __init__(self, url: str, fetch: Fetch, clock: Clock) -> None:
        self._url = url
        self._where = url.partition("?")[0]  # a query may hold a secret, and this goes into logs
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
            self._keys = parse_jwks(await self._fetch(self._url))
            self._fetched_at = self._clock()
            if not self._keys:  # an answer: it has withdrawn them all
                log.warning(
                    "issuer publishes no usable key", extra={"fields": {"url": self._where}}
                )
        except (FetchFailed, ValueError) as failed:
            fields = {
                "url": self._where,
                "reason": str(failed)[:200],
                "keys_kept": len(self._keys or ()),
            }
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


def parse_jwks(body: bytes) -> tuple[PublicKey, ...]:
    """The usable keys of a set, even if it has none; ValueError for what is no set.

    Keys that are not understood, not for signatures or not public are passed over (RFC 7517, 5).
    """
    jwks = parse_object(body).get("keys")
    if not isinstance(jwks, list):
        raise ValueError("the JWKS has no list of keys")
    return tuple(key for key in map(_parse, jwks) if key is not None)


def parse_pem(pem: str, algorithms: Iterable[str]) -> PublicKey | None:
    """A public key and which of the algorithms it is good for; None if there is no such."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):  # the latter: a curve of its own
        return None
    return _fitting(key, None, algorithms)


def _parse(jwk: object) -> PublicKey | None:
    if not isinstance(jwk, dict) or not _may_verify(jwk):
        return None
    key_id, only = jwk.get("kid"), jwk.get("alg")
    if not (key_id is None or isinstance(key_id, str)) or only not in (None, *ALGORITHMS):
        return None
    try:
        key = jwt.PyJWK(jwk).key
    except (jwt.PyJWTError, UnsupportedAlgorithm):
        return None
    return _fitting(key, key_id, ALGORITHMS if only is None else (only,))


def _may_verify(jwk: Mapping[str, object]) -> bool:
    """It is for signatures (RFC 7517, 4.2 and 4.3), and not a secret that everybody has."""
    operations = jwk.get("key_ops", ["verify"])
    verifies = isinstance(operations, list) and "verify" in operations
    is_public = "d" not in jwk and jwk.get("kty") != "oct"
    return jwk.get("use", "sig") == "sig" and verifies and is_public


def _fitting(key: Any, key_id: str | None, algorithms: Iterable[str]) -> PublicKey | None:
    fitting = frozenset(name for name in algorithms if _fits(key, name))
    return PublicKey(id=key_id, algorithms=fitting, key=key) if fitting else None


def _fits(key: Any, name: str) -> bool:
    """Its type, curve and length (RFC 7518, 3.3) are those that an algorithm needs."""
    algorithm = jwt.get_algorithm_by_name(name)
    try:
        return algorithm.check_key_length(algorithm.prepare_key(key)) is None
    except (jwt.InvalidKeyError, TypeError):
        return False
