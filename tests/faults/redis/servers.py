"""Redis in shapes that survive the loss of a master, and what a look into it tells."""

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.stores.servers import Server, asking, started, wait_until
from tests.support.redis import free_port

# A replica's first copy comes at once; nothing of it needs a disk.
_REPLICATION = ("--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failover:
    """A master, and what takes its place."""

    url: str
    master: Server
    servers: tuple[Server, ...]
    """All that hold keys, the master included."""


def kill(server: Server) -> None:
    """End it without a chance to say goodbye."""
    os.kill(server.pid, signal.SIGKILL)


@contextlib.contextmanager
def frozen(server: Server) -> Iterator[None]:
    """It lives and says nothing, until the block ends."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def keys_without_ttl(ports: Iterable[int]) -> int:
    """How many keys would stay for ever; asked of replicas, too, which tell the TTL of none."""
    count = 0
    for port in ports:
        with asking(port) as redis:
            databases = redis.info("keyspace").values()
            count += sum(each["keys"] - each["expires"] for each in databases)
    return count


@contextlib.contextmanager
def sentinel_trio(directory: Path) -> Iterator[Failover]:
    """A master with two replicas, and three Sentinels of whom two must agree."""
    with contextlib.ExitStack() as stack:

        def start(name: str, *arguments: str) -> Server:
            (directory / name).mkdir()
            return stack.enter_context(started(directory / name, *arguments))

        master = start("master", *_REPLICATION)
        following = ("--replicaof", "127.0.0.1", str(master.port), *_REPLICATION)
        replicas = [start(f"replica-{number}", *following) for number in range(2)]
        with asking(master.port) as redis:
            wait_until(lambda: _online_replicas(redis) == 2)
        sentinels = []
        for number in range(3):
            configuration = directory / f"sentinel-{number}.conf"
            configuration.write_text(
                f"sentinel monitor voice 127.0.0.1 {master.port} 2\n"
                "sentinel down-after-milliseconds voice 500\n"
                "sentinel failover-timeout voice 3000\n"
            )
            sentinels.append(start(f"sentinel-{number}", str(configuration), "--sentinel"))
        for sentinel in sentinels:
            with asking(sentinel.port) as redis:
                wait_until(partial(_knows_all, redis))
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in sentinels)
        yield Failover(
            url=f"redis+sentinel://{hosts}/voice/0", master=master, servers=(master, *replicas)
        )


def _online_replicas(master: Any) -> int:
    info = master.info("replication")
    lines = [value for key, value in info.items() if key.startswith("slave") and key[5:].isdigit()]
    return sum(each["state"] == "online" for each in lines)


def _knows_all(sentinel: Any) -> bool:
    voice = sentinel.info("sentinel")["master0"]
    return (voice["slaves"], voice["sentinels"]) == (2, 3)


@contextlib.contextmanager
def cluster_of_three(directory: Path) -> Iterator[Failover]:
    """Three masters that share the slots, each with a replica; the URL names all six."""
    with contextlib.ExitStack() as stack:
        servers, bus_ports, nodes = [], [], []
        for number in range(6):
            folder = directory / f"node-{number}"
            folder.mkdir()
            bus_ports.append(free_port())
            node = started(
                folder,
                *("--cluster-enabled", "yes", "--cluster-port", str(bus_ports[-1])),
                *("--cluster-node-timeout", "1000", "--cluster-replica-validity-factor", "0"),
                *_REPLICATION,
            )
            servers.append(stack.enter_context(node))
            nodes.append(stack.enter_context(asking(servers[-1].port)))
        bounds = [0, 5461, 10923, 16384]
        for number, node in enumerate(nodes):
            node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for number, node in enumerate(nodes[:3]):
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        for server, bus_port in zip(servers[1:], bus_ports[1:], strict=True):
            nodes[0].execute_command("CLUSTER", "MEET", "127.0.0.1", server.port, bus_port)
        for node in nodes:
            wait_until(partial(_sees, node, "cluster_state:ok", "cluster_known_nodes:6"))
        for number, replica in enumerate(nodes[3:]):
            master_id = nodes[number].execute_command("CLUSTER", "MYID")
            replica.execute_command("CLUSTER", "REPLICATE", master_id)
        for master in nodes[:3]:
            wait_until(partial(_has_replica, master))
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in servers)
        yield Failover(url=f"redis+cluster://{hosts}", master=servers[0], servers=tuple(servers))


def _has_replica(master: Any) -> bool:
    return _online_replicas(master) == 1


def _sees(node: Any, *facts: str) -> bool:
    info = str(node.execute_command("CLUSTER", "INFO"))
    return all(fact in info for fact in facts)
