"""A service in this process whose configuration a test changes with a real SIGHUP."""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx

from signaller.app import create_app
from signaller.server.reload import reloading
from tests.callers.issuing import SetClock
from tests.support.provider import FakeProvider
from tests.support.service import Service, deployment, settings
from tests.support.serving import serving

PATIENCE_SECONDS = 20
"""For one reload on a machine that is busy with other tests."""


class Reloads(logging.Handler):
    """The outcomes of reloads, as audit lines tell them once they are over."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.outcomes: asyncio.Queue[object] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line of the journal."""
        if record.msg == "reload":
            self.outcomes.put_nowait(record.__dict__["fields"]["outcome"])


@dataclass
class Reloadable:
    """A running service, the clock it goes by, and what it reads at the next SIGHUP."""

    service: Service
    clock: SetClock
    reloads: Reloads

    @property
    def provider(self) -> FakeProvider:
        """What the service talks to."""
        return self.service.provider

    async def reload(self, **changes: Any) -> None:
        """Change fields of its Settings, and return once that is in force."""
        self.service.settings = replace(self.service.settings, **changes)
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await self.reloads.outcomes.get() == "ok"


@contextlib.asynccontextmanager
async def reloadable(*ids: str, **changes: Any) -> AsyncIterator[Reloadable]:
    """A service on the memory store with these deployments; the second and later ones are spares.

    `changes` are fields of its Settings.
    """
    provider, clock = FakeProvider(), SetClock()
    async with serving(provider.app) as provider_url:
        deployments = [
            deployment(provider_url, id=name, upstream_model=f"gpt-{name}", weight=int(not number))
            for number, name in enumerate(ids or ("d1",))
        ]
        made = settings(*deployments, **changes)
        app = reloading(create_app(made, clock=clock, monotonic=clock), lambda: running.settings)
        with listening() as reloads:
            async with serving(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
                running = Service(client, provider, url, made)
                yield Reloadable(running, clock, reloads)


@contextlib.contextmanager
def listening() -> Iterator[Reloads]:
    """Hear of reloads; afterwards SIGHUP means to this process what it did before."""
    log, heard = logging.getLogger("signaller.audit"), Reloads()
    before, level = signal.getsignal(signal.SIGHUP), log.level
    log.addHandler(heard)
    log.setLevel(logging.INFO)
    try:
        yield heard
    finally:
        log.removeHandler(heard)
        log.setLevel(level)
        signal.signal(signal.SIGHUP, before)
