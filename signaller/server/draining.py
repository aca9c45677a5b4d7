"""A shutdown that answers everybody who has reached the process.

uvicorn closes its listeners at once, and with them whoever waits in the kernel's queue; it also
closes connections whose request has arrived but has not been read. A gateway cannot send a call
again that may have been read, so it answers 502.
"""

import asyncio
import contextlib
import select
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

import uvicorn

from signaller.server.sockets import identity
from signaller.web.state import InForce

DRAIN_SECONDS = 1.0
"""For connections that are open and silent: a gateway writes as soon as it has taken one."""
ROUND_SECONDS = 0.01
CLOSE = (b"connection", b"close")


class DrainingServer(uvicorn.Server):
    """uvicorn's; before it closes a connection, it answers what has come over it."""

    def __init__(self, config: uvicorn.Config, listeners: Sequence[socket.socket]) -> None:
        super().__init__(config)
        self._files = {
            path: identity(path)
            for path in (
                Path(listener.getsockname())
                for listener in listeners
                if listener.family == socket.AF_UNIX
            )
        }

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do as uvicorn does, unless SIGTERM has come before."""
        end_if_told()
        with super().capture_signals():
            yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept what waits in the queue, stop listening, answer all, then do what uvicorn does."""
        listeners = sockets or []
        tell_leaving(self)
        self._unlink()
        state, loop = self.server_state, asyncio.get_running_loop()
        state.default_headers = [*state.default_headers, CLOSE]
        deadline = loop.time() + DRAIN_SECONDS
        while _readable(listeners) and loop.time() < deadline:  # noqa: ASYNC110 - the kernel's queue
            await asyncio.sleep(0)
        for server in self.servers:
            server.close()
        for listener in listeners:
            listener.close()
        while state.connections and loop.time() < deadline:  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(ROUND_SECONDS)
        await super().shutdown(sockets=sockets)

    def _unlink(self) -> None:
        """Without its file nobody can connect to a Unix socket any more; the queue stays."""
        for path, ours in self._files.items():
            with contextlib.suppress(OSError):  # it is gone, or its folder is
                if identity(path) == ours:
                    path.unlink()


def tell_leaving(server: uvicorn.Server) -> None:
    """Let the application end what would go on for long; uvicorn would wait for it."""
    in_force = server.lifespan.state.get("in_force")
    if isinstance(in_force, InForce):
        in_force.leaving.set()


def _readable(listeners: Sequence[socket.socket]) -> bool:
    poll = select.poll()
    for listener in listeners:
        poll.register(listener, select.POLLIN)
    return bool(poll.poll(0))


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


def end_if_told() -> None:
    """Raise SystemExit if SIGTERM has come in `ending_by_sigterm`, and is still to be obeyed.

    The first SystemExit may be lost: it can come up in a callback of C code, while the event loop
    is being made, and Python only prints those.
    """
    if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        sys.exit(128 + signal.SIGTERM)
