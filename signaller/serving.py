"""uvicorn as a part of a larger program: it tells when it serves, and leaves signals alone."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from signaller.heads import BoundedHttp


class EmbeddedServer(uvicorn.Server):
    """A server whose owner awaits `ready`, and stops it by setting `should_exit`."""

    def __init__(self, app: ASGIApp, *, shutdown_seconds: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=BoundedHttp,
                ws="websockets-sansio",
                # A handshake with extensions it cannot read it would answer by itself.
                ws_per_message_deflate=False,
                proxy_headers=False,  # who opened the connection must stay visible
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="on",
                timeout_graceful_shutdown=shutdown_seconds,
            )
        )
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        for listener in sockets or ():
            # asyncio sets it only on sockets made with IPPROTO_TCP. Without it a response of two
            # writes waits 40 ms for the client's delayed acknowledgement.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await super().startup(sockets=sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The owner handles signals."""
        yield
