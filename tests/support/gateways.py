"""Caddy and HAProxy, real and in the foreground, on ports of the test's own."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support.redis import wait_for_port


@contextlib.contextmanager
def caddy(folder: Path, sites: str, port: int) -> Iterator[None]:
    """Caddy with these sites, one of them at `http://` on `port`, until the block ends."""
    config = folder / "Caddyfile"
    config.write_text(f"{{\nadmin off\nauto_https off\n}}\n{sites}")
    # Its own copy of this and its locks, which it would keep in the user's home.
    env = os.environ | {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with _running("caddy", "run", "--config", str(config), port=port, folder=folder, env=env):
        yield


def caddys_hash(password: str) -> str:
    """What Caddy keeps of a password."""
    command = [_binary("caddy"), "hash-password", "--plaintext", password]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    return done.stdout.strip()


@contextlib.contextmanager
def haproxy(folder: Path, sections: str, port: int) -> Iterator[None]:
    """HAProxy with these sections, one of them on `port`, until the block ends."""
    config = folder / "haproxy.cfg"
    config.write_text(sections)
    with _running("haproxy", "-db", "-f", str(config), port=port, folder=folder, env=os.environ):
        yield


@contextlib.contextmanager
def _running(
    name: str, *arguments: str, port: int, folder: Path, env: Mapping[str, str]
) -> Iterator[None]:
    said = folder / f"{name}.log"
    with said.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own binary and arguments
            [_binary(name), *arguments], stdout=log, stderr=subprocess.STDOUT, env=dict(env)
        )
    try:
        try:
            wait_for_port(port)
        except TimeoutError as silent:
            raise RuntimeError(said.read_text()) from silent
        yield
    finally:
        process.terminate()
        process.wait(10)


def _binary(name: str) -> str:
    # Not every user has /usr/sbin in the path.
    binary = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if binary is None:
        raise RuntimeError(f"{name} is not installed: run 'make test', or 'apt-get install {name}'")
    return binary
