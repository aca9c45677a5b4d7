"""Which connections are open: those in use, those at rest, and who waits for one."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import httpx

from signaller.upstreams.address import Origin
from signaller.upstreams.connection import Connection
from signaller.upstreams.resting import IDLE_SECONDS, Resting

CONNECTIONS = 1000
"""Open at once; a request waits for one no longer than its connect time-out."""


class Pool:
    """Gives out connections that rest, or new ones, or makes wait for either."""

    def __init__(
        self,
        opener: Callable[[Connection], Awaitable[None]],
        *,
        connections: int = CONNECTIONS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._opener, self._connections = opener, connections
        self._open: set[Connection] = set()  # those about to be opened as well
        self._resting = Resting(idle_seconds)
        self._turns: OrderedDict[asyncio.Future[Connection], Origin] = OrderedDict()
        self._limits: set[asyncio.Timeout] = set()
        self._closed = False
        self._emptied = asyncio.Event()

    def idle(self, origin: Origin) -> Connection | None:
        """One that is open and at rest."""
        return self._resting.take(origin)

    async def connected(self, origin: Origin, seconds: float | None) -> Connection:
        """A new one, or whichever is released first. Raises ConnectError, ConnectTimeout."""
        if self._closed:
            raise httpx.ConnectError("the client is closed")
        try:
            async with asyncio.timeout(seconds) as limit:
                self._limits.add(limit)
                try:
                    return await self._obtain(origin)
                finally:
                    self._limits.discard(limit)
        except TimeoutError as error:
            if self._closed:
                raise httpx.ConnectError("the client was closed") from error
            raise httpx.ConnectTimeout(f"no connection to {origin.host} in time") from error

    def released(self, connection: Connection) -> None:
        """To whoever has waited longest, or to rest."""
        turn = self._next_turn()
        if turn is not None and self._turns[turn] == connection.origin:
            del self._turns[turn]
            turn.set_result(connection)
        elif turn is not None or self._closed:
            connection.abort()  # makes room for a connection to elsewhere
        else:
            self._resting.put(connection)

    def lost(self, connection: Connection) -> None:
        """It is closed, or was never opened: its place is free."""
        if connection not in self._open:
            return
        self._open.discard(connection)
        self._resting.forget(connection)
        turn = self._next_turn()
        if turn is not None:
            turn.set_result(self._reserved(self._turns.pop(turn)))
        if not self._open:
            self._emptied.set()

    async def aclose(self) -> None:
        """Close all of them, and wait until they are closed."""
        self._closed = True
        self._resting.stop()
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(0)
        for connection in tuple(self._open):
            connection.fail(httpx.ReadError("the client was closed"))
        while self._open:
            self._emptied.clear()
            await self._emptied.wait()

    async def _obtain(self, origin: Origin) -> Connection:
        if len(self._open) < self._connections:
            connection = self._reserved(origin)
        else:
            self._resting.give_up_one()
            connection = await self._turn(origin)
        if not connection.connected:
            try:
                await self._opener(connection)
            except BaseException:
                self._give_back(connection)
                raise
        return connection

    async def _turn(self, origin: Origin) -> Connection:
        turn: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()
        self._turns[turn] = origin
        try:
            return await turn
        except asyncio.CancelledError:
            self._turns.pop(turn, None)
            if not turn.cancelled():  # it was given a connection in the same moment
                self._give_back(turn.result())
            raise

    def _next_turn(self) -> asyncio.Future[Connection] | None:
        return next((turn for turn in self._turns if not turn.done()), None)

    def _reserved(self, origin: Origin) -> Connection:
        connection = Connection(origin, self)
        self._open.add(connection)
        return connection

    def _give_back(self, connection: Connection) -> None:
        if connection.connected:
            connection.abort()
        else:
            self.lost(connection)
