"""SIGHUP: another configuration for a running process, or a reason why not."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from multiprocessing.reduction import ForkingPickler
from typing import Any, Protocol

from starlette.applications import Starlette

from signaller.errors import ConfigError
from signaller.logs import Journal, Line
from signaller.secret import Secret
from signaller.settings import Egress, RedisLogin, Settings

SIGHUP = frozenset({signal.SIGHUP})

log = logging.getLogger("signaller")


class TakesSettings(Protocol):
    """A running service that another configuration can be put in force in."""

    @property
    def settings(self) -> Settings:
        """Those in force."""

    @property
    def journal(self) -> Journal:
        """Where reloads are noted and counted."""

    def reload(self, settings: Settings) -> None:
        """Put these in force."""


def reloading(app: Starlette, read: Callable[[], Settings]) -> Starlette:
    """The same application, which reads its configuration again at every SIGHUP while it runs."""
    inner = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        async with inner(app) as state:
            lent = state or {}
            with reload_at_sighup(lent["in_force"], read):
                yield lent

    app.router.lifespan_context = lifespan
    return app


@contextlib.contextmanager
def reload_at_sighup(in_force: TakesSettings, read: Callable[[], Settings]) -> Iterator[None]:
    """Read the configuration again at every SIGHUP, as long as the block lasts.

    A faulty one changes nothing, and a log line says what is wrong with it. Signals that come
    while one is read are answered by one more reading. What needs a restart stays as it is.
    `read` raises ConfigError.
    """
    wanted = asyncio.Event()

    async def reload_forever() -> None:
        while True:
            await wanted.wait()
            wanted.clear()
            try:
                await _reload(in_force, read)
            except Exception:
                # The old configuration is in force; the next signal must still find somebody.
                log.exception("reload failed")

    loop = asyncio.get_running_loop()
    task = loop.create_task(reload_forever())
    loop.add_signal_handler(signal.SIGHUP, wanted.set)
    held = signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGHUP)
    try:
        yield
    finally:
        # The process is about to end: a late signal must not end it in the middle of a call.
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        task.cancel()


async def _reload(in_force: TakesSettings, read: Callable[[], Settings]) -> None:
    with in_force.journal.line("reload") as line:
        try:
            changed = await asyncio.to_thread(read)
        except ConfigError as refused:
            note_refusal(refused, line)
            return
        before = in_force.settings
        in_force.reload(pinned(before, changed))
        if waiting := needs_restart(before, changed):
            line.add(needs_restart=waiting)


def note_refusal(refused: ConfigError, line: Line) -> None:
    """Log every fault of a configuration that is not taken up, and say so in the reload's line."""
    line.add(outcome="refused", faults=len(refused.faults))
    for fault in refused.faults:
        log.error("reload refused", extra={"fields": {"fault": fault}})


def hold_sighup() -> None:
    """Keep SIGHUP waiting from now on, in threads and processes begun later as well.

    A signal that is held is not lost, as an ignored one would be.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGHUP)


def release_sighup() -> None:
    """Let SIGHUP do what it does: end the process, or what a handler says."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGHUP)


def take_sighup() -> bool:
    """Whether SIGHUP came while it was held; any number of them count as one."""
    if signal.SIGHUP not in signal.sigpending():
        return False
    signal.sigwait(SIGHUP)
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class WiredOnce:
    """What a service takes up when it starts; a change of it needs a restart."""

    redis_url: Secret | None
    redis: RedisLogin
    store_seconds: float
    egress: Egress
    cors_origins: tuple[str, ...]
    metrics_port: int | None
    metrics_host: str

    @classmethod
    def of(cls, settings: Settings) -> "WiredOnce":
        """Those among a configuration's settings."""
        return cls(
            redis_url=settings.redis_url,
            redis=settings.redis,
            store_seconds=settings.timeouts.store_seconds,
            egress=settings.egress,
            cors_origins=settings.cors_origins,
            metrics_port=settings.metrics.port,
            metrics_host=settings.metrics.host,
        )

    def kept_in(self, changed: Settings) -> Settings:
        """A changed configuration with these left as they were."""
        return replace(
            changed,
            redis_url=self.redis_url,
            redis=self.redis,
            timeouts=replace(changed.timeouts, store_seconds=self.store_seconds),
            egress=self.egress,
            cors_origins=self.cors_origins,
            metrics=replace(changed.metrics, port=self.metrics_port, host=self.metrics_host),
        )


def _as_pickled(secret: Secret) -> tuple[type[Secret], tuple[str]]:
    return Secret, (secret.reveal(),)


# A Secret refuses to be pickled, lest it end in a file. `multiprocessing` alone may: a worker gets
# its `WiredOnce` through a pipe when it is started.
ForkingPickler.register(Secret, _as_pickled)


def needs_restart(before: Settings, after: Settings) -> list[str]:
    """What has changed, but takes effect only when the process starts again."""
    old, new = WiredOnce.of(before), WiredOnce.of(after)
    pairs = {
        "signaller.redis_url": (old.redis_url, new.redis_url),
        "signaller.redis": (old.redis, new.redis),
        "signaller.timeouts.store_seconds": (old.store_seconds, new.store_seconds),
        "signaller.egress": (old.egress, new.egress),
        "signaller.cors_origins": (old.cors_origins, new.cors_origins),
        "signaller.metrics.port": (old.metrics_port, new.metrics_port),
        "signaller.metrics.host": (old.metrics_host, new.metrics_host),
    }
    return [name for name, (was, would_be) in pairs.items() if was != would_be]


def pinned(in_force: Settings, changed: Settings) -> Settings:
    """A changed configuration as far as it can take effect without a restart.

    A token key that was made up here lives as long as the process: its tokens are still about.
    """
    kept = WiredOnce.of(in_force).kept_in(changed)
    if not in_force.token_keys_generated:
        return kept
    named = () if changed.token_keys_generated else changed.token_keys
    return replace(kept, token_keys=(*named, in_force.token_keys[-1]), token_keys_generated=True)
