"""Asks Sentinels where the master is, one question at a time."""

import asyncio
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from redis.asyncio import Sentinel
from redis.asyncio.connection import ConnectCallbackT, Connection
from redis.exceptions import AuthenticationError, NoPermissionError

from signaller.secret import Secret


def logging_in(username: str | None, password: Secret) -> ConnectCallbackT:
    """What readies a connection to a Sentinel, which may ask for a password or not.

    Many have none where their master has: one that is sent all the same is an error there.
    """

    async def connected(connection: Any) -> None:
        await connection.on_connect()
        await connection.send_command("PING", check_health=False)
        try:
            await connection.read_response(disconnect_on_error=False)
        except (AuthenticationError, NoPermissionError):
            login = (username, password.reveal()) if username else (password.reveal(),)
            await connection.send_command("AUTH", *login, check_health=False)
            await connection.read_response()

    return connected


class OrderlySentinel(Sentinel):
    """redis-py's, made safe for concurrent steps.

    It moves the one that answered to the front of its list; of two that do so at the same time,
    the later one writes over an entry: that Sentinel is never asked again, and never closed.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)  # type: ignore[no-untyped-call]  # redis-py's
        self._asking = asyncio.Lock()

    async def discover_master(self, service_name: str) -> Any:
        """The master's address. Raises MasterNotFoundError."""
        async with self._asking:
            return await super().discover_master(service_name)


class Master:
    """The master of one service, wherever it is."""

    def __init__(
        self, sentinel: Sentinel, service: str, connection_to: Callable[[str, int], Connection]
    ) -> None:
        self._sentinel = sentinel
        self._service = service
        self._connection_to = connection_to
        self._opened: WeakSet[Connection] = WeakSet()

    async def opening(self) -> Connection:
        """A connection to the present master. Raises MasterNotFoundError."""
        host, port = await self._sentinel.discover_master(self._service)
        other: Any  # redis-py leaves its methods untyped
        for other in self._opened:
            if (other.host, other.port) != (host, port):  # what was the master when it was opened
                other.mark_for_reconnect()
        connection = self._connection_to(host, port)
        self._opened.add(connection)
        return connection
