"""An end that loses nobody: whoever has reached the process is answered before it lets go.

uvicorn closes its listeners at once, and with them whoever waits in the kernel's queue; it also
closes connections whose request has arrived but has not been read. A gateway cannot send a call
again that may have been read, so it answers 502.
"""

import asyncio
import contextlib
import select
import socket
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from signaller.listening import identity

DRAIN_SECONDS = 1.0
"""For connections that are open and silent: a gateway writes as soon as it has taken one."""
ROUND_SECONDS = 0.01
CLOSE = (b"connection", b"close")


class DrainingServer(uvicorn.Server):
    """uvicorn's; before it closes anything, it answers what has come, each time for the last."""

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

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take in who is at the door, close it, answer all, then do what uvicorn does."""
        listeners = sockets or []
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


def _readable(listeners: Sequence[socket.socket]) -> bool:
    poll = select.poll()
    for listener in listeners:
        poll.register(listener, select.POLLIN)
    return bool(poll.poll(0))
