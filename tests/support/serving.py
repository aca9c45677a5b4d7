"""Real servers on free loopback ports, for as long as a test needs them."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

from starlette.types import ASGIApp

from signaller.serving import EmbeddedServer


@contextlib.asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """The base URL (`http://127.0.0.1:<port>`) of an ASGI application, lifespan run."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = EmbeddedServer(app, shutdown_seconds=5)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            ready = asyncio.create_task(server.ready.wait())
            await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            if task.done():
                task.result()
                raise RuntimeError("the server stopped before it had started")
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task
