"""Caddy and HAProxy, real and in the foreground, on ports of the test's own."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support.redis import wait_for_port


@contextlib.contextmanager
def caddy(folder: Path, site: str, port: int) -> Iterator[None]:
    """Caddy with one site on `port`, whose directives `site` has, until the block ends."""
    config = folder / "Caddyfile"
    config.write_text(
        f"{{\nadmin off\nauto_https off\n}}\nhttp://:{port} {{\nbind 127.0.0.1\n{site}\n}}\n"
    )
    # Its own copy of this and its locks, which it would keep in the user's home.
    env = os.environ | {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with _running("caddy", "run", "--config", str(config), port=port, folder=folder, env=env):
        yield


@contextlib.contextmanager
def haproxy(folder: Path, listen: str, port: int) -> Iterator[None]:
    """HAProxy with one `listen` section on `port`, until the block ends."""
    config = folder / "haproxy.cfg"
    config.write_text(
        "defaults\nmode http\ntimeout connect 5s\ntimeout client 30s\ntimeout server 30s\n"
        f"listen voice\nbind 127.0.0.1:{port}\n{listen}\n"
    )
    with _running("haproxy", "-db", "-f", str(config), port=port, folder=folder, env=os.environ):
        yield


@contextlib.contextmanager
def _running(
    name: str, *arguments: str, port: int, folder: Path, env: Mapping[str, str]
) -> Iterator[None]:
    # Not every user has /usr/sbin in the path.
    binary = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if binary is None:
        raise RuntimeError(f"{name} is not installed: run 'make test', or 'apt-get install {name}'")
    said = folder / f"{name}.log"
    with said.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own binary and arguments
            [binary, *arguments], stdout=log, stderr=subprocess.STDOUT, env=dict(env)
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
