"""SIGHUP: another configuration for a running process, or a reason why not."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Iterator

from signaller.errors import ConfigError
from signaller.journal import Journal
from signaller.settings import Settings

log = logging.getLogger("signaller")


@contextlib.contextmanager
def reload_on_hangup(
    read: Callable[[], Settings],
    started_with: Settings,
    put_in_force: Callable[[Settings], None],
    journal: Journal,
) -> Iterator[None]:
    """Read the configuration again at every SIGHUP, as long as the block lasts.

    A faulty one changes nothing, and a log line says what is wrong with it. Signals that come
    while one is read are answered by one more reading.
    """
    wanted = asyncio.Event()

    async def reload() -> None:
        with journal.line("reload") as line:
            try:
                changed = await asyncio.to_thread(read)
            except ConfigError as refused:
                line.add(outcome="refused", faults=len(refused.faults))
                for fault in refused.faults:
                    log.error("reload refused", extra={"fields": {"fault": fault}})
                return
            put_in_force(changed)
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
