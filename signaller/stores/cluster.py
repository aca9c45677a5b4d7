"""Finds the node of a Redis Cluster that owns a key, and follows the keys when they move.

redis-py 8.1 has a RedisCluster of its own; under concurrent commands a single broken connection
makes it close those that others are using, which breaks more of them, without end. Here each node
has lines of its own, and a fault stays where it is.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    ConnectionError,  # noqa: A004 - redis-py's name
    MovedError,
    RedisError,
)

from signaller.stores.node import Node
from signaller.stores.sending import Command

Address = tuple[str, int]

_MAX_HOPS = 5
"""A key that moves more often within one step is a cluster at odds with itself."""


class Cluster:
    """One step at a time to the node that owns its key."""

    def __init__(
        self, seeds: Sequence[Address], open_node: Callable[[Address], Node], share_seconds: float
    ) -> None:
        self._seeds = tuple(seeds)
        self._open_node = open_node
        self._share_seconds = share_seconds
        self._owners: dict[int, Address] = {}
        self._nodes: dict[Address, Node] = {}
        self._learning = asyncio.Lock()

    async def execute(self, key: str, *commands: Command, until: float) -> list[Any]:
        """The replies of the key's owner. Raises what redis-py raises; repeats nothing that ran."""
        slot = key_slot(key.encode())
        if slot not in self._owners:
            async with asyncio.timeout_at(until):
                await self._learn(slot, until)
        address, asking = self._owners[slot], False
        for _ in range(_MAX_HOPS):
            try:
                return await self._send(address, commands, until, asking=asking)
            except MovedError as moved:
                address, asking = (moved.host or address[0], moved.port), False
                self._owners[slot] = address
            except AskError as ask:
                address, asking = (ask.host or address[0], ask.port), True
            except (ClusterDownError, ConnectionError, OSError):  # a TimeoutError is an OSError
                self._owners.clear()  # a failover may be under way: learn anew at the next step
                raise
        raise ClusterDownError(f"a key that moved {_MAX_HOPS} times in one step")

    async def aclose(self) -> None:
        """Close the lines to all nodes."""
        for node in self._nodes.values():
            await node.aclose()

    async def _send(
        self, address: Address, commands: Sequence[Command], until: float, *, asking: bool
    ) -> list[Any]:
        node = self._node(address)
        if not asking:
            return await node.execute(*commands, until=until)
        # It holds for one connection's next command: the one that names the key.
        return (await node.execute(("ASKING",), *commands, until=until))[1:]

    async def _learn(self, slot: int, until: float) -> None:
        async with self._learning:
            if slot in self._owners:  # somebody else learned it while we waited
                return
            failure: Exception | None = None
            for address in dict.fromkeys((*self._seeds, *self._nodes)):
                # A silent node must not use up the step before the next one is asked.
                share = asyncio.get_running_loop().time() + self._share_seconds
                asking = self._node(address).execute(("CLUSTER", "SLOTS"), until=min(share, until))
                try:
                    (reply,) = await asking
                except (RedisError, OSError) as error:
                    failure = error
                    continue
                self._owners = _owners(reply, address[0])
                if slot in self._owners:
                    return
        raise ClusterDownError(f"no node knows who owns slot {slot}") from failure

    def _node(self, address: Address) -> Node:
        node = self._nodes.get(address)
        if node is None:
            # Nodes that leave keep their entry: an idle line, until the process ends.
            node = self._nodes[address] = self._open_node(address)
        return node


def _owners(reply: Any, asked_host: str) -> dict[int, Address]:
    """Slot by slot; a node that does not know its own host is the one that was asked."""
    owners: dict[int, Address] = {}
    for first, last, (host, port, *_), *_ in reply:
        address = (host.decode() if host else asked_host, port)
        owners.update((slot, address) for slot in range(first, last + 1))
    return owners
