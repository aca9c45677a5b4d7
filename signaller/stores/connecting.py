"""Makes a link to the Redis of an address; it does no I/O before the first command."""

from collections.abc import Awaitable, Sequence
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from signaller.stores.cluster import Address, Cluster
from signaller.stores.node import Node
from signaller.stores.sending import Command
from signaller.stores.sentinel import Master, OrderlySentinel, logging_in
from signaller.stores.urls import RedisAddress


class Link(Protocol):
    """Sends commands to wherever their key lives."""

    def execute(self, key: str, *commands: Command, until: float) -> Awaitable[list[Any]]:
        """The replies, over one connection. Raises what redis-py raises, or TimeoutError."""

    async def aclose(self) -> None:
        """Close every connection."""


class Direct:
    """One Redis at a time, whatever the key."""

    def __init__(self, node: Node, sentinels: Sequence[Redis] = ()) -> None:
        self._node = node
        self._sentinels = sentinels

    def execute(self, key: str, *commands: Command, until: float) -> Awaitable[list[Any]]:
        """The replies, over one connection. Raises what redis-py raises, or TimeoutError."""
        return self._node.execute(*commands, until=until)

    async def aclose(self) -> None:
        """Close the lines, and the Sentinels' connections with them."""
        await self._node.aclose()
        for sentinel in self._sentinels:
            await sentinel.aclose()


def connect(address: RedisAddress, timeout_seconds: float) -> Link:
    """The link that fits the address's topology."""
    tls: dict[str, Any] = dict(address.tls_options)
    options = _options(timeout_seconds) | {
        "username": address.username,
        "password": address.password.reveal() if address.password is not None else None,
        "db": address.db,
        "driver_info": None,  # nor a CLIENT SETINFO
        # The end of a step is the line's to tell, which reads for many of them.
        "socket_timeout": None,
    }

    def connection_to(host: str, port: int) -> Connection:
        kind = SSLConnection if address.tls else Connection
        return kind(host=host, port=port, **tls, **options)

    def node_at(at: Address) -> Node:
        async def opening() -> AbstractConnection:
            return connection_to(*at)

        return Node(opening)

    # Sentinels and Cluster nodes are asked for the way one after the other: each gets its share,
    # so that a silent one does not use up the whole step before the next is asked.
    share_seconds = timeout_seconds / (len(address.hosts) + 1)
    match address.topology:
        case "sentinel":
            theirs = _options(share_seconds) | tls | _sentinels_login(address)
            sentinel = OrderlySentinel(
                address.hosts, sentinel_kwargs=theirs | {"ssl": address.tls, "driver_info": None}
            )
            master = Master(sentinel, address.service, connection_to)
            return Direct(Node(master.opening), sentinel.sentinels)
        case "cluster":
            return Cluster(address.hosts, node_at, share_seconds)
        case "unix":

            async def opening() -> AbstractConnection:
                return UnixDomainSocketConnection(path=address.path, **options)

            return Direct(Node(opening))
        case "single":
            return Direct(node_at(address.hosts[0]))


def _sentinels_login(address: RedisAddress) -> dict[str, Any]:
    if address.sentinel_password is not None:
        return {
            "username": address.sentinel_username,
            "password": address.sentinel_password.reveal(),
        }
    if address.password is not None:
        return {"redis_connect_func": logging_in(address.username, address.password)}
    return {}


def _options(timeout_seconds: float) -> dict[str, Any]:
    return {
        "protocol": 2,  # no HELLO and no maintenance notifications: less to say while connecting
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        # `redeem` is not idempotent, so nothing may be repeated behind our back; the deadline of
        # a step would not leave room for it either.
        "retry": Retry(NoBackoff(), 0),
    }
