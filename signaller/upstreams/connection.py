"""One HTTP/1.1 connection: a request goes out once, its response comes in."""

import asyncio
from typing import Protocol, cast

import httpx

from signaller.upstreams.address import Origin
from signaller.upstreams.response import Response


class Keeper(Protocol):
    """Who is told what becomes of a connection."""

    def released(self, connection: "Connection") -> None:
        """It may carry another request."""

    def lost(self, connection: "Connection") -> None:
        """It is closed."""


class Connection(asyncio.Protocol):
    """Carries one exchange after the other, and is closed after the first that goes wrong.

    Before `exchange` has begun nothing was sent, and its failures are ConnectErrors; those after
    are ReadError, ReadTimeout and RemoteProtocolError.
    """

    idle_since = 0.0
    connected = False
    _transport: asyncio.Transport
    _response: Response | None = None
    _failure: httpx.TransportError | None = None
    _waiter: asyncio.Future[None] | None = None
    _timer: asyncio.TimerHandle | None = None
    _head_will_do = True

    def __init__(self, origin: Origin, keeper: Keeper) -> None:
        self.origin, self._keeper = origin, keeper
        self._loop = asyncio.get_running_loop()

    @property
    def closing(self) -> bool:
        """It can carry nothing more."""
        return self._transport.is_closing()

    async def exchange(self, request: bytes, deadline: float | None) -> Response:
        """Send and wait for the response's head. Raises httpx.TransportError."""
        if self._transport.is_closing():
            raise httpx.ConnectError("the connection was closed before anything was sent")
        response = self._response = Response()
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._expire)
        self._transport.write(request)
        await self._progress(response, head_will_do=True)
        return response

    async def rest(self, response: Response) -> None:
        """Wait until it is complete. Raises httpx.TransportError."""
        if self._failure is not None:
            raise self._failure
        await self._progress(response, head_will_do=False)

    def fail(self, error: httpx.TransportError) -> None:
        """Close at once, and say why to whoever waits."""
        if self._failure is None:
            self._failure = error
        self._stop()
        if self.connected:
            self._transport.abort()
        response, self._response = self._response, None
        if self._head_will_do and response is not None and response.has_head:
            self._wake()  # the status is worth something without the rest
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(self._failure)

    def close(self) -> None:
        """Close in good order: nothing is under way."""
        self._transport.close()

    def abort(self) -> None:
        """Close at once: nobody waits any more."""
        self.fail(httpx.ReadError("given up"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open, its TLS handshake included."""
        self._transport, self.connected = cast("asyncio.Transport", transport), True

    def data_received(self, data: bytes) -> None:
        """Some of the response; while idle, nobody asked for it."""
        response = self._response
        if response is None:
            self._transport.abort()
            return
        try:
            response.feed(data)
        except httpx.RemoteProtocolError as error:
            self.fail(error)
            return
        if response.complete:
            self._wake()  # first: its keeper may have no use for the connection, and close it
            self._finish(response)
        elif self._head_will_do and response.has_head:
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, by whichever side."""
        response = self._response
        if response is None:
            pass  # idle, or it was we who closed it
        elif exc is None and response.end():
            self._response = None
            self._stop()
            self._wake()
        else:
            self.fail(httpx.ReadError(str(exc or "closed before the answer was complete")))
        self._keeper.lost(self)

    async def _progress(self, response: Response, *, head_will_do: bool) -> None:
        self._head_will_do = head_will_do
        waiter = self._waiter = self._loop.create_future()
        try:
            await waiter
        except BaseException:  # above all a cancellation
            if not response.complete:  # otherwise the connection may be another's by now
                self.abort()
            raise

    def _finish(self, response: Response) -> None:
        self._response = None
        self._stop()
        # A response may overtake the end of its request: then more would queue up behind that.
        if response.reusable and not self._transport.get_write_buffer_size():
            self._keeper.released(self)
        else:
            self._transport.close()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _expire(self) -> None:
        self.fail(httpx.ReadTimeout("no complete answer in time"))

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
