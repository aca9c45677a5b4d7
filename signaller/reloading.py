"""SIGHUP: another configuration for a running process, or a reason why not."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace

from signaller.errors import ConfigError
from signaller.journal import Journal
from signaller.settings import Settings

log = logging.getLogger("signaller")


class RefusedEarlier(ConfigError):
    """A configuration that was refused, and since overtaken: there is another one to be read."""


@contextlib.contextmanager
def reload_on_hangup(
    read: Callable[[], Settings],
    started_with: Settings,
    put_in_force: Callable[[Settings], None],
    journal: Journal,
) -> Iterator[None]:
    """Read the configuration again at every SIGHUP, as long as the block lasts.

    A faulty one changes nothing, and a log line says what is wrong with it. Signals that come
    while one is read are answered by one more reading. What needs a restart stays as it is.
    """
    wanted = asyncio.Event()
    in_force = started_with

    async def reload() -> None:
        nonlocal in_force
        with journal.line("reload") as line:
            try:
                changed = await asyncio.to_thread(read)
            except ConfigError as refused:
                line.add(outcome="refused", faults=len(refused.faults))
                for fault in refused.faults:
                    log.error("reload refused", extra={"fields": {"fault": fault}})
                if isinstance(refused, RefusedEarlier):
                    wanted.set()
                return
            possible = pinned(in_force, changed)
            put_in_force(possible)
            in_force = possible
            if waiting := needs_restart(started_with, changed):
                line.add(needs_restart=waiting)

    async def reload_forever() -> None:
        while True:
            await wanted.wait()
            wanted.clear()
            try:
                await reload()
            except Exception:
                # The old configuration is in force; the next signal must still find somebody.
                log.exception("reload failed")

    loop = asyncio.get_running_loop()
    task = loop.create_task(reload_forever())
    loop.add_signal_handler(signal.SIGHUP, wanted.set)
    try:
        yield
    finally:
        # The process is about to end: a late signal must not end it in the middle of a call.
        loop.remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        task.cancel()


def needs_restart(before: Settings, after: Settings) -> list[str]:
    """What has changed, but takes effect only when the process starts again."""
    pairs = {
        "signaller.redis_url": (before.redis_url, after.redis_url),
        "signaller.timeouts.store_seconds": (
            before.timeouts.store_seconds,
            after.timeouts.store_seconds,
        ),
        "signaller.cors_origins": (before.cors_origins, after.cors_origins),
        "signaller.metrics.port": (before.metrics.port, after.metrics.port),
        "signaller.metrics.host": (before.metrics.host, after.metrics.host),
    }
    return [name for name, (old, new) in pairs.items() if old != new]


def pinned(in_force: Settings, changed: Settings) -> Settings:
    """A changed configuration as far as it can take effect without a restart.

    A token key that was made up here lives as long as the process: its tokens are still about.
    """
    kept = replace(
        changed,
        redis_url=in_force.redis_url,
        timeouts=replace(changed.timeouts, store_seconds=in_force.timeouts.store_seconds),
        cors_origins=in_force.cors_origins,
        metrics=replace(changed.metrics, port=in_force.metrics.port, host=in_force.metrics.host),
    )
    if not in_force.token_keys_generated:
        return kept
    named = () if changed.token_keys_generated else changed.token_keys
    return replace(kept, token_keys=(*named, in_force.token_keys[-1]), token_keys_generated=True)
