"""Real servers on free loopback ports, for as long as a test needs them."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

from starlette.types import ASGIApp

from signaller.server.run import EmbeddedServer, ServiceConfig


class QuietConfig(ServiceConfig):
    """One that leaves this process's logging alone."""

    def configure_logging(self) -> None:
        """Do nothing."""


class PromptServer(EmbeddedServer):
    """Ends when it is told to: uvicorn looks every 100 ms, and then waits as long once more.

    Thousands of servers come and go in a run of all tests.
    """

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, shutdown_seconds=5)
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End soon; whatever is under way is finished first."""
        self.should_exit = True
        self._stopped.set()

    async def main_loop(self) -> None:
        """As uvicorn's, whose first tick of each second sets the Date."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._stopped.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, which needs its time only where somebody is still connected."""
        for server in self.servers:
            server.close()
        for _ in range(10):  # turns of the loop: a client that has just gone is seen to be gone
            await asyncio.sleep(0)
        if self.server_state.connections or self.server_state.tasks:
            await super().shutdown(sockets)
        else:
            await self.lifespan.shutdown()


@contextlib.asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """The base URL (`http://127.0.0.1:<port>`) of an ASGI application, lifespan run."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = PromptServer(app)
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
            server.stop()
            await task
