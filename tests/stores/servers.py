"""Redis in its other shapes: stoppable, watched by a Sentinel, and as a Cluster."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import redis

from tests.support.redis import free_port, wait_for_port


@dataclass(frozen=True, slots=True)
class Server:
    """A running redis-server."""

    port: int
    pid: int


@contextlib.contextmanager
def started(directory: Path, *arguments: str, port: int | None = None) -> Iterator[Server]:
    """A redis-server with a process id to signal; a configuration file must be argument one."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise RuntimeError("redis-server is not installed: apt-get install redis-server")
    port = port or free_port()
    common = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory)]
    process = subprocess.Popen(  # noqa: S603 - our own binary and arguments
        [binary, *arguments, *common, "--save", ""], stdout=subprocess.DEVNULL
    )
    try:
        wait_for_port(port)
        yield Server(port, process.pid)
    finally:
        process.kill()  # one that is stopped does not hear a terminate
        process.wait(10)


def port_of(url: str) -> int:
    """The port of a Redis URL with one host."""
    return int(url.rsplit(":", 1)[1].split("/", maxsplit=1)[0])


@contextlib.contextmanager
def asking(port: int, password: str | None = None) -> Iterator[Any]:
    """A plain client to set a server up or look into it."""
    with redis.Redis(port=port, password=password, decode_responses=True) as client:
        yield client


def wait_until(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    """Return once the condition holds; raise TimeoutError otherwise."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the servers did not get ready")
        time.sleep(0.02)  # a server's state sends no notice


def clients_of(port: int) -> set[str]:
    """The ids of connections that speak RESP3: those of stores, not of Sentinels or replicas."""
    with asking(port) as redis:
        listed = redis.client_list(_type="normal")
        return {each["id"] for each in listed if each["resp"] == "3"} - {str(redis.client_id())}


@contextlib.contextmanager
def sentinel_url(directory: Path) -> Iterator[str]:
    """One master, one Sentinel; the first Sentinel of the URL does not answer."""
    configuration = directory / "sentinel.conf"
    with started(directory) as master:
        configuration.write_text(f"sentinel monitor voice 127.0.0.1 {master.port} 1\n")
        with started(directory, str(configuration), "--sentinel") as sentinel:
            silent = free_port()
            yield f"redis+sentinel://127.0.0.1:{silent},127.0.0.1:{sentinel.port}/voice/0"


@contextlib.contextmanager
def cluster_url(directory: Path) -> Iterator[str]:
    """Three masters that share the slots; the URL names two of them."""
    with contextlib.ExitStack() as stack:
        ports = []
        bus_ports = []
        for number in range(3):
            bus_ports.append(free_port())
            node = started(
                directory,
                *("--cluster-enabled", "yes", "--cluster-port", str(bus_ports[-1])),
                *("--cluster-config-file", f"nodes-{number}.conf"),
            )
            ports.append(stack.enter_context(node).port)
        nodes = [stack.enter_context(asking(port)) for port in ports]
        bounds = [0, 5461, 10923, 16384]
        for number, node in enumerate(nodes):
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
            node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for port, bus_port in zip(ports[1:], bus_ports[1:], strict=True):
            nodes[0].execute_command("CLUSTER", "MEET", "127.0.0.1", port, bus_port)
        for node in nodes:
            wait_until(partial(_is_whole, node))
        yield f"redis+cluster://127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}"


def ports_of_cluster(url: str) -> list[int]:
    """Of all nodes that the first of its URL knows."""
    with asking(port_of(url.split(",", maxsplit=1)[0])) as redis:
        return [port_of(at) for at in redis.cluster("NODES")]


def _is_whole(node: Any) -> bool:
    info = str(node.execute_command("CLUSTER", "INFO"))
    return "cluster_state:ok" in info and "cluster_known_nodes:3" in info
