"""Let tokens share a provider's ephemeral secret, so that most mints need no provider.

A secret may start several sessions until it expires. It is kept sealed in the store for all
replicas, and shared by those mints of a caller that would send the provider the very same request.
It is a cache: whatever becomes of it, a mint goes on with a secret of its own.
"""

import asyncio
import hmac
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha1

from signaller.errors import SignallerError, StoreUnavailable, UpstreamError
from signaller.model import Deployment, EphemeralSecret, SessionRequest
from signaller.policy import MAX_TTL_SECONDS
from signaller.ports import Clock, Store, Upstream
from signaller.secret import Secret
from signaller.strict_json import reader, write_json
from signaller.tokens.jwe import ContentKey, decrypt, derive, encrypt
from signaller.tokens.tokens import master_bytes

log = logging.getLogger("signaller")

REFRESH_SHARE = 0.2
"""A secret is made new when so much of its time is left: long enough for a slow provider."""
LEASE_SECONDS = 30
"""Longer than a mint takes; a replica that dies meanwhile holds the others up for no longer. So
long, too, is a provider that failed left alone while the old secret serves."""
MAX_PAUSE_SECONDS = 60
"""A provider's Retry-After beyond it would outlast the secrets that still serve."""
MAX_RENEWALS, MAX_RENEWALS_OF_ONE = 32, 8
"""In the background at once, of all holders and of one: nobody waits for them, so nothing else
bounds them while a provider hangs. Who comes later renews later."""
MAX_SEALED_CHARS = 128 * 1024
"""Of a session of some 95 KB. Most have 2 to 3; with one of 250 KB for each end user, a few hundred
mints would fill a small Redis, and who instructs at such length can afford a mint of its own."""
DIGEST_CHARACTERS = 32
"""128 bits: nobody gets to another one's secret by accident or by search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """What is sealed in the store."""

    value: str
    made_at: int
    expires_at: int
    session: Mapping[str, object]


_read_record = reader(_Record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """An ephemeral secret, and which record of the store holds the same one."""

    secret: EphemeralSecret
    record: str | None
    """As `Store.drop_warm` takes it; None: it is nobody else's."""
    warm: bool
    """Whether it was there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A secret out of the store, and when it was made (Unix seconds)."""

    shared: Shared
    made_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A mint, and what it takes to make a secret for all that are like it."""

    upstream: Upstream
    deployment: Deployment
    request: SessionRequest
    longer: SessionRequest
    """Asked for once, it serves for so long that each token still has its full life."""
    name: str

    async def mint(self, request: SessionRequest) -> EphemeralSecret:
        return await self.upstream.mint(self.deployment, request)


class WarmSecrets:
    """Secrets that are there before they are asked for."""

    def __init__(
        self,
        *,
        seconds: int,
        across_callers: bool,
        ring: Sequence[Secret],
        store: Store,
        clock: Clock,
    ) -> None:
        """`seconds`: for how much longer than one token needs it a secret is asked to live."""
        self._seconds, self._across_callers = seconds, across_callers
        masters = [master_bytes(master) for master in ring]
        self._holders = derive(masters[0], "warm secrets' owners")
        self._names = derive(masters[0], "warm secrets' names")
        self._keys = [ContentKey(derive(master, "warm secrets")) for master in masters]
        self._store = store
        self._clock = clock
        # One task for each request that is being waited for.
        self._minting: dict[str, asyncio.Task[Shared]] = {}
        self._renewing: dict[str, asyncio.Task[None]] = {}
        self._renewing_of: Counter[str] = Counter()

    @property
    def renewals(self) -> int:
        """How many secrets are being made new in the background."""
        return len(self._renewing)

    async def mint(
        self, upstream: Upstream, deployment: Deployment, request: SessionRequest, caller: str
    ) -> Shared:
        """A secret that lives as long as the request asks. Raises UpstreamError.

        StoreUnavailable, too, where there could be no token either: before the provider is asked.
        """
        wanted = self._wanted(upstream, deployment, request, caller)
        found = await self._found(wanted.name)
        if found is not None:
            secret, life = found.shared.secret, request.expires_after_seconds
            left = secret.expires_at - life - self._clock()
            if left >= 0:
                # Of the time that the provider gave it, which may be less than was asked for.
                if left < REFRESH_SHARE * (secret.expires_at - life - found.made_at):
                    self._renew(wanted)
                return found.shared
        return await asyncio.shield(self._fresh(wanted))

    def _fresh(self, wanted: _Wanted) -> asyncio.Task[Shared]:
        """The one attempt of this process for all who wait for such a secret."""
        task = self._minting.get(wanted.name)
        if task is None:
            task = self._minting[wanted.name] = asyncio.create_task(self._make(wanted))
            task.add_done_callback(lambda done: self._made(wanted.name, done))
        return task

    async def _make(self, wanted: _Wanted) -> Shared:
        # Nothing is paid for a token that could not be kept.
        await self._store.ping()
        if not await self._leased(wanted.name):
            # Another replica is at it: this one's secret is for its own tokens only.
            own = await wanted.mint(wanted.request)
            return Shared(secret=own, record=None, warm=False)
        try:
            secret = await wanted.mint(wanted.longer)
        except UpstreamError:
            # Whoever comes next asks the provider in any case, so it may as well be for all.
            await self._pause(wanted.name, 0)
            raise
        return Shared(secret=secret, record=await self._keep(wanted, secret), warm=False)

    def _made(self, name: str, done: asyncio.Task[Shared]) -> None:
        del self._minting[name]
        if not done.cancelled() and isinstance(error := done.exception(), SignallerError):
            log.warning("secret not made", extra={"fields": {"code": error.code}})

    def _renew(self, wanted: _Wanted) -> None:
        """Make a secret new in the background: the old one still serves."""
        name, holder = wanted.name, _holder_of(wanted.name)
        if (
            name in self._renewing
            or self.renewals >= MAX_RENEWALS
            or self._renewing_of[holder] >= MAX_RENEWALS_OF_ONE
        ):
            return
        task = self._renewing[name] = asyncio.create_task(self._make_new(wanted))
        self._renewing_of[holder] += 1
        task.add_done_callback(lambda done: self._renewed(name, done))

    async def _make_new(self, wanted: _Wanted) -> None:
        if not await self._leased(wanted.name):
            return  # another one is at it, or the provider is left alone for a while
        try:
            secret = await wanted.mint(wanted.longer)
        except UpstreamError as error:
            pause = LEASE_SECONDS if error.retry_after is None else int(error.retry_after) + 1
            await self._pause(wanted.name, min(pause, MAX_PAUSE_SECONDS))
            raise
        await self._keep(wanted, secret)

    def _renewed(self, name: str, done: asyncio.Task[None]) -> None:
        holder = _holder_of(name)
        del self._renewing[name]
        self._renewing_of[holder] -= 1
        if not self._renewing_of[holder]:
            del self._renewing_of[holder]
        error = None if done.cancelled() else done.exception()
        if isinstance(error, SignallerError):
            log.warning("secret not made new", extra={"fields": {"code": error.code}})
        elif error is not None:
            log.error("secret not made new", exc_info=error)

    async def _leased(self, name: str) -> bool:
        try:
            return await self._store.lease_warm(name, LEASE_SECONDS)
        except StoreUnavailable as error:
            _not_cached("lease_warm", error)
            return False

    async def _pause(self, name: str, seconds: int) -> None:
        try:
            await self._store.pause_warm(name, seconds)
        except StoreUnavailable as error:
            _not_cached("pause_warm", error)

    async def _keep(self, wanted: _Wanted, secret: EphemeralSecret) -> str | None:
        """The record that holds it from now on; None where nothing could be kept."""
        until = secret.expires_at - wanted.request.expires_after_seconds
        if until <= self._clock():
            log.warning(
                "a warm secret lives too short to be shared",
                extra={"fields": {"deployment": wanted.deployment.id}},
            )
            return None
        try:
            sealed = self._seal(wanted.name, secret)
            kept = await self._store.put_warm(wanted.name, sealed, until)
        except ValueError:
            return None  # longer than MAX_SEALED_CHARS
        except StoreUnavailable as error:
            _not_cached("put_warm", error)
            return None
        return _record(wanted.name, sealed) if kept else None

    async def _found(self, name: str) -> _Found | None:
        try:
            sealed = await self._store.get_warm(name)
        except StoreUnavailable as error:
            _not_cached("get_warm", error)
            return None
        record = self._open(name, sealed) if sealed is not None else None
        if sealed is None or record is None:
            return None
        secret = EphemeralSecret(
            value=Secret(record.value), expires_at=record.expires_at, session=record.session
        )
        shared = Shared(secret=secret, record=_record(name, sealed), warm=True)
        return _Found(shared=shared, made_at=record.made_at)

    def _wanted(
        self, upstream: Upstream, deployment: Deployment, request: SessionRequest, caller: str
    ) -> _Wanted:
        life = min(request.expires_after_seconds + self._seconds, MAX_TTL_SECONDS)
        longer = replace(request, expires_after_seconds=life)
        holder = "" if self._across_callers else caller
        # Of the very request that would be sent: what is added to it some day takes part as well.
        sent = upstream.mint_request(deployment, longer).meaning
        text = write_json([deployment.id, request.expires_after_seconds, *sent])
        return _Wanted(
            upstream=upstream,
            deployment=deployment,
            request=request,
            longer=longer,
            name=f"{_digest(self._holders, holder.encode())}.{_digest(self._names, text)}",
        )

    def _seal(self, name: str, secret: EphemeralSecret) -> str:
        record = _Record(
            value=secret.value.reveal(),
            made_at=int(self._clock()),
            expires_at=secret.expires_at,
            session=secret.session,
        )
        text, key = write_json(record), self._keys[0]
        return encrypt(text, key, bound_to=name.encode(), max_chars=MAX_SEALED_CHARS)

    def _open(self, name: str, sealed: str) -> _Record | None:
        try:
            bound_to = name.encode()
            opened = decrypt(sealed, self._keys, bound_to=bound_to, max_chars=MAX_SEALED_CHARS)
            return _read_record(opened)
        except ValueError:
            return None  # of a ring that is no more, or not what was kept under this name


def _digest(key: bytes, text: bytes) -> str:
    """Keyed, for a session may say much about somebody, and a name is somebody."""
    return hmac.digest(key, text, "sha256").hex()[:DIGEST_CHARACTERS]


def _holder_of(name: str) -> str:
    return name.partition(".")[0]


def _record(name: str, sealed: str) -> str:
    """What a store can compare with what it holds; no two are sealed alike."""
    return f"{name}.{sha1(sealed.encode(), usedforsecurity=False).hexdigest()}"


def _not_cached(step: str, error: StoreUnavailable) -> None:
    log.warning("secrets not shared", extra={"fields": {"step": step, "detail": str(error)}})
