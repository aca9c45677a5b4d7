"""Let tokens share a provider's ephemeral secret, so that most mints need no provider.

A secret may start several sessions until it expires. It is kept sealed in the store for all
replicas, and shared by mints of the same deployment, session, safety identifier and caller.
"""

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from msgspec.structs import replace

from signaller.errors import SignallerError, StoreUnavailable
from signaller.json_writer import write_json
from signaller.jwe import ContentKey, JweRejected, decrypt, derive, encrypt
from signaller.model import Deployment, EphemeralSecret, SessionRequest
from signaller.ports import Clock, Store
from signaller.secret import Secret
from signaller.sessions import MAX_TTL_SECONDS
from signaller.settings import WarmSettings
from signaller.tokens import master_bytes

log = logging.getLogger("signaller")

REFRESH_SHARE = 0.2
"""A secret is made new when so much of its time is left: long enough for a slow provider."""
CLAIM_SECONDS = 30
"""Longer than a mint takes; a replica that dies meanwhile holds the others up for no longer."""
MAX_SEALED_CHARS = 4 * 1024 * 1024
"""The longest session that a provider may send back (2 MiB), in base64url."""

_read_record = msgspec.json.Decoder(tuple[str, int, dict[str, object]]).decode

Mint = Callable[[SessionRequest], Awaitable[EphemeralSecret]]


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """An ephemeral secret, and the name under which others find the same one."""

    secret: EphemeralSecret
    name: str | None
    """None: it is nobody else's."""
    warm: bool
    """Whether it was there already."""


class WarmSecrets:
    """Secrets that are there before they are asked for."""

    def __init__(
        self, settings: WarmSettings, ring: Sequence[Secret], store: Store, clock: Clock
    ) -> None:
        self._settings = settings
        masters = [master_bytes(master) for master in ring]
        self._names = derive(masters[0], "warm secrets' names")
        self._keys = [ContentKey(derive(master, "warm secrets")) for master in masters]
        self._store = store
        self._clock = clock
        self._minting: dict[str, asyncio.Task[EphemeralSecret]] = {}

    @property
    def enabled(self) -> bool:
        """Whether the configuration lets secrets be shared at all."""
        return self._settings.seconds is not None

    async def mint(
        self, deployment: Deployment, request: SessionRequest, caller: str, mint: Mint
    ) -> Shared:
        """A secret that lives as long as the request asks. Raises what `mint` raises.

        StoreUnavailable too: without a store there would be no token either.
        """
        seconds = self._settings.seconds
        if seconds is None:
            raise RuntimeError("secrets are not shared here")
        name = self._name(deployment, request, caller)
        # Asked for once, it serves for so long that each token still has its full life.
        longer = min(request.expires_after_seconds + seconds, MAX_TTL_SECONDS)
        asked = replace(request, expires_after_seconds=longer)
        found = await self._found(name)
        left = (found.expires_at if found else 0) - self._clock() - request.expires_after_seconds
        if found is None or left < 0:
            secret = await asyncio.shield(self._fresh(name, asked, request, mint))
            return Shared(secret=secret, name=name, warm=False)
        if left < REFRESH_SHARE * (longer - request.expires_after_seconds):
            self._fresh(name, asked, request, mint)  # in the background: this one still serves
        return Shared(secret=found, name=name, warm=True)

    def _fresh(
        self, name: str, asked: SessionRequest, request: SessionRequest, mint: Mint
    ) -> "asyncio.Task[EphemeralSecret]":
        """The one attempt of this process to make a secret new."""
        task = self._minting.get(name)
        if task is None:
            making = self._make(name, asked, request, mint)
            task = self._minting[name] = asyncio.create_task(making)
            task.add_done_callback(lambda done: self._made(name, done))
        return task

    async def _make(
        self, name: str, asked: SessionRequest, request: SessionRequest, mint: Mint
    ) -> EphemeralSecret:
        # A write, so a store that is gone is known before the provider is asked. Another replica
        # may be at it: then this one's secret is for its own tokens only.
        claimed = await self._store.claim_warm(name, CLAIM_SECONDS)
        secret = await mint(asked if claimed else request)
        until = secret.expires_at - request.expires_after_seconds
        if claimed and until > self._clock():
            await self._store.put_warm(name, self._seal(secret), until)
        return secret

    def _made(self, name: str, done: "asyncio.Task[EphemeralSecret]") -> None:
        del self._minting[name]
        if not done.cancelled() and isinstance(error := done.exception(), SignallerError):
            log.warning("secret not made new", extra={"fields": {"code": error.code}})

    async def _found(self, name: str) -> EphemeralSecret | None:
        sealed = await self._store.get_warm(name)
        return self._open(sealed) if sealed is not None else None

    def _name(self, deployment: Deployment, request: SessionRequest, caller: str) -> str:
        """Keyed, for a session may say much about somebody; another credential, another name."""
        entra = deployment.entra
        held = (deployment.api_key, deployment.entra_token, entra.client_secret if entra else None)
        parts = [
            "" if self._settings.across_callers else caller,
            deployment.id,
            deployment.base_url,
            [secret.reveal() if secret else None for secret in held],
            request.safety_identifier,
            request.expires_after_seconds,
            request.session,
        ]
        text = write_json(parts, sort_keys=True)
        return hmac.digest(self._names, text, "sha256").hex()

    def _seal(self, secret: EphemeralSecret) -> str:
        record = (secret.value.reveal(), secret.expires_at, secret.session)
        return encrypt(write_json(record), self._keys[0], max_chars=MAX_SEALED_CHARS)

    def _open(self, sealed: str) -> EphemeralSecret | None:
        try:
            opened = decrypt(sealed, self._keys, max_chars=MAX_SEALED_CHARS)
        except JweRejected:
            return None  # of a ring that is no more
        try:
            value, expires_at, session = _read_record(opened)
        except ValueError as invalid:
            raise StoreUnavailable("the store holds a warm secret that is none") from invalid
        return EphemeralSecret(value=Secret(value), expires_at=expires_at, session=session)
