"""Makes a link to the Redis of an address; it does no I/O before the first command."""

from collections.abc import Sequence
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from signaller.stores.cluster import Address, Cluster
from signaller.stores.sending import Command, send
from signaller.stores.sentinel import OrderlySentinel
from signaller.stores.urls import RedisAddress

MAX_CONNECTIONS = 64
"""Per process. A step takes Redis well under a millisecond; more would only queue there."""


class Link(Protocol):
    """Sends commands to wherever their key lives."""

    async def execute(self, key: str, *commands: Command) -> list[Any]:
        """The replies, over one connection. Raises what redis-py raises."""

    async def aclose(self) -> None:
        """Close every connection."""


class Direct:
    """One Redis at a time, whatever the key."""

    def __init__(self, client: Redis, others: Sequence[Redis] = ()) -> None:
        self._client = client
        self._others = others

    async def execute(self, key: str, *commands: Command) -> list[Any]:
        """The replies, over one connection. Raises what redis-py raises."""
        return await send(self._client, commands)

    async def aclose(self) -> None:
        """Close the pool, and the Sentinels' with it."""
        for client in (self._client, *self._others):
            await client.aclose()


def connect(address: RedisAddress, timeout_seconds: float) -> Link:
    """The link that fits the address's topology."""
    login: dict[str, Any] = {
        "username": address.username,
        "password": address.password.reveal() if address.password is not None else None,
    }
    tls: dict[str, Any] = {"ssl": True, **address.tls_options} if address.tls else {}
    options = _bounds(timeout_seconds) | login | tls
    # Sentinels and Cluster nodes are asked for the way one after the other: each gets its share,
    # so that a silent one does not use up the whole step before the next is asked.
    share_seconds = timeout_seconds / (len(address.hosts) + 1)
    match address.topology:
        case "sentinel":
            sentinel = OrderlySentinel(address.hosts, sentinel_kwargs=_bounds(share_seconds) | tls)
            master = sentinel.master_for(address.service, db=address.db, **options)
            return Direct(master, sentinel.sentinels)
        case "cluster":

            def open_node(at: Address) -> Redis:
                return Redis(host=at[0], port=at[1], **options)

            return Cluster(address.hosts, open_node, share_seconds)
        case "unix":
            return Direct(Redis(unix_socket_path=address.path, db=address.db, **options))
        case "single":
            host, port = address.hosts[0]
            return Direct(Redis(host=host, port=port, db=address.db, **options))


def _bounds(timeout_seconds: float) -> dict[str, Any]:
    return {
        "protocol": 2,  # no HELLO and no maintenance notifications: less to say while connecting
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        "max_connections": MAX_CONNECTIONS,
        # `redeem` is not idempotent, so nothing may be repeated behind our back; the deadline of
        # a step would not leave room for it either.
        "retry": Retry(NoBackoff(), 0),
    }
