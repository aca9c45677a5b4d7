"""A redis-server of the tests' own, on a free port, without a file on disk."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis.asyncio


def free_port() -> int:
    """A port that nobody else is given while this process lives, but that a server may listen on.

    Tests run side by side: what was merely free a moment ago may be another one's by now.
    """
    holder = socket.socket()
    # Servers set the first one too: two that have it may share a port on which only one listens.
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as Caddy does
    holder.bind(("127.0.0.1", 0))
    port: int = holder.getsockname()[1]
    holder.detach()  # it stays open
    return port


def wait_for_port(port: int, *, seconds: float = 30) -> None:
    """Return once something accepts connections; raise TimeoutError otherwise."""
    deadline = time.monotonic() + seconds
    while True:
        with (
            contextlib.suppress(ConnectionRefusedError),
            socket.create_connection(("127.0.0.1", port), 1),
        ):
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing listens on port {port}")
        time.sleep(0.01)  # a listening socket sends no notice


@contextlib.contextmanager
def redis_server(*arguments: str) -> Iterator[int]:
    """The port of a running redis-server that ends with the block."""
    binary = shutil.which("redis-server")
    if binary is None:
        raise RuntimeError(
            "redis-server is not installed: run 'make test', or 'apt-get install redis-server'"
        )
    port = free_port()
    process = subprocess.Popen(  # noqa: S603 - our own binary and arguments
        [
            binary,
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--rdbcompression",
            "no",  # for `kept_in`: compressed, a text of some length is cut into pieces
            "--dir",
            tempfile.gettempdir(),  # nothing is written there
            *arguments,
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


async def kept_in(url: str) -> bytes:
    """All that a Redis holds under names of ours: searched for what must not be there."""
    async with redis.asyncio.Redis.from_url(url) as client:
        return b"".join([await client.dump(key) or b"" for key in await client.keys("signaller:*")])


def tls_options(port: int, certificate: Path, key: Path) -> list[str]:
    """What a redis-server or Sentinel needs to speak TLS at a port, besides what else it does."""
    return [
        *("--tls-port", str(port), "--tls-cert-file", str(certificate)),
        *("--tls-key-file", str(key), "--tls-ca-cert-file", str(certificate)),
        *("--tls-auth-clients", "no"),
    ]
