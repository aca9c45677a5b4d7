"""Makes redis-py's client for an address; it does no I/O before the first command."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from signaller.stores.urls import RedisAddress

MAX_CONNECTIONS = 64
"""Per process. A step takes Redis well under a millisecond; more would only queue there."""

Client = Redis | RedisCluster


@dataclass(frozen=True, slots=True)
class Connected:
    """A client and everything that has to be closed with it."""

    client: Client
    closers: tuple[Callable[[], Awaitable[None]], ...]


def connect(address: RedisAddress, timeout_seconds: float) -> Connected:
    """The client that fits the address's topology."""
    bounds = _bounds(timeout_seconds)
    login: dict[str, Any] = {
        "username": address.username,
        "password": address.password.reveal() if address.password is not None else None,
    }
    tls: dict[str, Any] = {"ssl": True, **address.tls_options} if address.tls else {}
    match address.topology:
        case "sentinel":
            # Sentinels are asked one after the other: each gets its share, so that a silent one
            # does not use up the whole step before the next is asked.
            asking = _bounds(timeout_seconds / (len(address.hosts) + 1))
            # redis-py leaves this one constructor untyped.
            sentinel = Sentinel(  # type: ignore[no-untyped-call]
                address.hosts, sentinel_kwargs=asking | tls
            )
            options = bounds | login | tls
            client = sentinel.master_for(address.service, db=address.db, **options)
            return Connected(client, (client.aclose, *(peer.aclose for peer in sentinel.sentinels)))
        case "cluster":
            nodes = [ClusterNode(host, port) for host, port in address.hosts]
            options = bounds | login | tls
            cluster = RedisCluster(startup_nodes=nodes, **options)
            return Connected(cluster, (cluster.aclose,))
        case "unix":
            options = bounds | login
            client = Redis(unix_socket_path=address.path, db=address.db, **options)
        case "single":
            host, port = address.hosts[0]
            options = bounds | login | tls
            client = Redis(host=host, port=port, db=address.db, **options)
    return Connected(client, (client.aclose,))


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
