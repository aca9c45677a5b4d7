"""SIGHUP asks for a reload, SIGTERM for an end: neither may strike at a wrong moment."""

import asyncio
import contextlib
import multiprocessing
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from types import FrameType
from typing import Any

from starlette.applications import Starlette

HANGUP = frozenset({signal.SIGHUP})


def hold_hangup() -> None:
    """Keep SIGHUP waiting from now on, in threads and processes begun later as well.

    A signal that is held is not lost, as an ignored one would be.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, HANGUP)


def release_hangup() -> None:
    """Let SIGHUP do what it does: end the process, or what a handler says."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANGUP)


def take_hangup() -> bool:
    """Whether SIGHUP came while it was held; any number of them count as one."""
    if signal.SIGHUP not in signal.sigpending():
        return False
    signal.sigwait(HANGUP)
    return True


def let_hangup_through(app: Starlette) -> Starlette:
    """The same application; while its lifespan has a handler for SIGHUP, it is not held."""
    inner = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[Mapping[str, Any]]:
        async with inner(app) as state:
            release_hangup()
            try:
                yield state or {}
            finally:
                hold_hangup()

    app.router.lifespan_context = lifespan
    return app


def end_with_parent() -> None:
    """Shut this worker down as by SIGTERM when its parent is gone, as after SIGKILL.

    Nobody would restart it or tell it of a reload, and it would keep the port from a new parent.
    """
    parent, loop = multiprocessing.parent_process(), asyncio.get_running_loop()
    if parent is None:
        return
    sentinel = parent.sentinel

    def end() -> None:
        loop.remove_reader(sentinel)
        signal.raise_signal(signal.SIGTERM)

    loop.add_reader(sentinel, end)


@contextlib.contextmanager
def ending_by_sigterm() -> Iterator[None]:
    """Let SIGTERM first unwind the block, then end the process as supervisors expect it."""
    came = False

    def unwind(number: int, _: FrameType | None) -> None:
        nonlocal came
        came = True
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not disturb it
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        if came:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.raise_signal(signal.SIGTERM)
