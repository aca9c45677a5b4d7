"""Makes redis-py's client for an address; it connects to nothing before the first command."""

import asyncio
import contextlib
from collections.abc import Awaitable, Iterator, Sequence
from typing import Any, Protocol

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import ConnectCallbackT
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    ClusterError,
    ConnectionError,  # noqa: A004 - redis-py's name
    MovedError,
    NoPermissionError,
    RedisClusterException,
    SlotNotCoveredError,
    TimeoutError,  # noqa: A004 - redis-py's name
)
from redis.maint_notifications import MaintNotificationsConfig

from signaller.secret import Secret
from signaller.stores.urls import RedisAddress

Word = str | int

MAX_CONNECTIONS = 4096
"""To one Redis. Never reached: steps take turns (`MAX_AT_ONCE`), so that those who find no free
connection wait for one; redis-py's pools would refuse them, or let later ones overtake."""

SHARE_OF_NODE = 0.45
"""Of a step's time, for one node of a Cluster: two silent ones do not use up all of it."""


class Client(Protocol):
    """A Redis of any topology. Its methods raise RedisError and OSError."""

    @property
    def patience_ms(self) -> int:
        """For how long a command may wait at Redis, and not look like a Redis that is silent."""

    def node_of(self, key: str) -> str:
        """Which of several nodes has a key, as far as is known; "" for the only one."""

    def execute(self, key: str, command: tuple[Word, ...]) -> Awaitable[Any]:
        """The reply of whoever has the command's key."""

    async def execute_and_wait(
        self, key: str, command: tuple[Word, ...], replicas: int
    ) -> tuple[Any, Any]:
        """The reply and the number of replicas that have what was written; or errors instead."""

    async def drop_idle(self) -> None:
        """Close the connections that no step is using."""

    async def aclose(self) -> None:
        """Close every connection."""


class Direct:
    """One Redis at a time: always the same address, or the master that Sentinels name."""

    def __init__(
        self, redis: Any, timeout_seconds: float, sentinel: Sentinel | None = None
    ) -> None:
        self._redis = redis
        self.patience_ms = _milliseconds(timeout_seconds / 2)
        self._sentinel = sentinel

    def node_of(self, _: str) -> str:
        """There is only one."""
        return ""

    def execute(self, key: str, command: tuple[Word, ...]) -> Awaitable[Any]:
        """The reply of whoever has the command's key."""
        reply: Awaitable[Any] = self._redis.execute_command(*command)
        return reply

    async def execute_and_wait(
        self, key: str, command: tuple[Word, ...], replicas: int
    ) -> tuple[Any, Any]:
        """The reply and the number of replicas that have what was written; or errors instead."""
        # WAIT counts for the writes of its own connection only.
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.execute_command(*command)
        pipeline.execute_command("WAIT", replicas, self.patience_ms)
        reply, have_it = await pipeline.execute(raise_on_error=False)
        return reply, have_it

    async def drop_idle(self) -> None:
        """Close the connections that no step is using."""
        await self._redis.connection_pool.disconnect(inuse_connections=False)

    async def aclose(self) -> None:
        """Close every connection, those to Sentinels included."""
        try:
            await self._redis.aclose()
        finally:
            if self._sentinel is not None:
                await self._sentinel.aclose()


class Cluster:
    """Several of them that share the keys."""

    def __init__(self, redis: RedisCluster, node_seconds: float) -> None:
        self._redis: Any = redis  # redis-py leaves some of its methods untyped
        self.patience_ms = _milliseconds(node_seconds * 0.75)
        self._failed_node: str | None = None

    def node_of(self, key: str) -> str:
        """Which node has a key, as far as is known."""
        try:
            node = self._redis.get_node_from_key(key)
        except SlotNotCoveredError:
            return ""
        name: str = node.name
        return name

    async def execute(self, key: str, command: tuple[Word, ...]) -> Any:
        """The reply of whoever has the command's key."""
        try:
            with _redis_errors():
                await self._look_up(key)
                return await self._redis.execute_command(*command)
        except (ConnectionError, TimeoutError) as error:
            self._note_failure(error)
            raise

    async def execute_and_wait(
        self, key: str, command: tuple[Word, ...], replicas: int
    ) -> tuple[Any, Any]:
        """The reply and the number of replicas that have what was written; or errors instead."""
        reply, have_it = await self._pipeline(key, command, replicas)
        if isinstance(reply, MovedError | ConnectionError | TimeoutError):
            # redis-py's pipelines neither follow a key with its WAIT, nor look for another master
            # after a failure. Its single commands do both.
            await self.execute(key, ("EXISTS", key))
        if isinstance(reply, MovedError):  # so nothing has run
            reply, have_it = await self._pipeline(key, command, replicas)
        return reply, have_it

    async def _pipeline(
        self, key: str, command: tuple[Word, ...], replicas: int
    ) -> tuple[Any, Any]:
        with _redis_errors():
            node = await self._look_up(key)
            # Commands to the same node leave over one connection.
            pipeline = self._redis.pipeline()
            pipeline.execute_command(*command, target_nodes=node)
            pipeline.execute_command("WAIT", replicas, self.patience_ms, target_nodes=node)
            # Redirected, the command would run at one node and its WAIT at another.
            reply, have_it = await pipeline.execute(raise_on_error=False, allow_redirections=False)
            for each in (reply, have_it):
                if isinstance(each, AttributeError):
                    raise each
        return reply, have_it

    async def _look_up(self, key: str) -> Any:
        """The node that has a key."""
        # All steps wait for this: the node that failed last is asked last.
        last = {"last_failed_node_name": self._failed_node}
        await self._redis.initialize(**last)
        try:
            return self._redis.get_node_from_key(key)
        except SlotNotCoveredError:
            # redis-py would not ask again whether a node has that slot now.
            await self._redis.nodes_manager.initialize(**last)
            return self._redis.get_node_from_key(key)

    def _note_failure(self, error: ConnectionError | TimeoutError) -> None:
        # redis-py says so of its single commands only.
        self._failed_node = getattr(error, "last_failed_node_name", self._failed_node)

    async def drop_idle(self) -> None:
        """Not needed: a node that is no master any more says who is."""

    async def aclose(self) -> None:
        """Close every connection."""
        # After a failure and before the next step redis-py's own method returns without closing.
        # And where closing one node fails, it leaves others as they are.
        manager = self._redis.nodes_manager
        nodes = [*manager.nodes_cache.values(), *manager.startup_nodes.values()]
        closing = [self._redis.aclose(), *(node.disconnect() for node in nodes)]
        for ended in await asyncio.gather(*closing, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


@contextlib.contextmanager
def _redis_errors() -> Iterator[None]:
    """RedisErrors in place of what redis-py 8.1 raises besides."""
    try:
        yield
    except RedisClusterException as error:  # which is no RedisError
        if isinstance(error.__cause__, AuthenticationError):
            raise AuthenticationError(str(error.__cause__)) from error
        raise ClusterError(str(error)) from error
    except (AttributeError, KeyError) as error:
        # It looks at what is not there: the node that an ASK names before it has met it, the
        # streams of a connection that another step has just closed, and the node of a slot that
        # none has any more.
        raise ClusterError("a node that is not known, or not connected any more") from error


def connect(address: RedisAddress, timeout_seconds: float) -> Client:
    """The client that fits the address's topology."""
    password = address.password.reveal() if address.password is not None else None
    options = _options(timeout_seconds) | {
        "username": address.username,
        "password": password,
        "protocol": 3,
        "max_connections": MAX_CONNECTIONS,
        # What managed Redises announce before a maintenance is not asked for.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    tls: dict[str, Any] = {"ssl": address.tls, **address.tls_options}
    # Sentinels and nodes are asked for the way one after the other: a silent one must not use up
    # the whole step before the next is asked.
    share_seconds = timeout_seconds / (len(address.hosts) + 1)
    match address.topology:
        case "single":
            (host, port), *_ = address.hosts
            redis = Redis(host=host, port=port, db=address.db, **tls, **options)
            return Direct(redis, timeout_seconds)
        case "unix":
            redis = Redis(unix_socket_path=address.path, db=address.db, **options)
            return Direct(redis, timeout_seconds)
        case "sentinel":
            theirs = _options(share_seconds) | tls | _sentinels_login(address)
            sentinel = OrderlySentinel(
                address.hosts, sentinel_kwargs=theirs | {"socket_timeout": share_seconds}
            )
            master = sentinel.master_for(address.service, db=address.db, **tls, **options)
            return Direct(master, timeout_seconds, sentinel)
        case "cluster":
            seeds = [ClusterNode(host, port) for host, port in address.hosts]
            node_seconds = timeout_seconds * SHARE_OF_NODE
            options |= {
                # Only by this does redis-py notice that a node is silent, and look for another.
                "socket_timeout": node_seconds,
                "socket_connect_timeout": min(node_seconds, share_seconds),
                # Every so many keys that have moved, it would close all connections, those
                # included that others are using.
                "reinitialize_steps": 0,
                # A slot that no node has is the trouble of its own keys.
                "require_full_coverage": False,
            }
            return Cluster(RedisCluster(startup_nodes=seeds, **tls, **options), node_seconds)


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))  # 0 would be for ever


def _options(connect_seconds: float) -> dict[str, Any]:
    return {
        "socket_connect_timeout": connect_seconds,
        # The end of a step is told from outside, once for all that it does.
        "socket_timeout": None,
        # Whether a step may be repeated, redis-py cannot know: see `redis.Steps`.
        "retry": Retry(NoBackoff(), 0),
        "driver_info": None,  # nor a CLIENT SETINFO with each connection
    }


def _sentinels_login(address: RedisAddress) -> dict[str, Any]:
    if address.sentinel_password is not None:
        return {
            "username": address.sentinel_username,
            "password": address.sentinel_password.reveal(),
        }
    if address.password is not None:
        # In RESP3 a connection begins with HELLO, which a Sentinel with a password refuses.
        login = _log_in_if_asked(address.username, address.password)
        return {"protocol": 2, "redis_connect_func": login}
    return {}


def _log_in_if_asked(username: str | None, password: Secret) -> ConnectCallbackT:
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
    """redis-py's Sentinel with a lock, and with errors for the log.

    The one that answered is moved to the front of the list. Two concurrent discoveries would
    overwrite an entry: that Sentinel would never be asked again, and never be closed.
    """

    def __init__(self, hosts: Sequence[tuple[str, int]], **options: Any) -> None:
        super().__init__(hosts, **options)  # type: ignore[no-untyped-call]  # redis-py's
        self._names = ", ".join(f"{host}:{port}" for host, port in hosts)
        self._asking = asyncio.Lock()

    async def discover_master(self, service_name: str) -> Any:
        """The master's address. Raises MasterNotFoundError."""
        async with self._asking:
            try:
                return await super().discover_master(service_name)
            except MasterNotFoundError:
                # redis-py's text shows its clients with all their options.
                text = f"no master {service_name!r} at the Sentinels {self._names}"
                raise MasterNotFoundError(text) from None
