"""A real nginx in the foreground, on ports of the test's own, and nothing of it left behind."""

import contextlib
import grp
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.redis import wait_for_port

TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
"""What a server writes bodies to; Debian's folders for them belong to www-data."""


def nginx_binary() -> str:
    """Where nginx is; not every user has /usr/sbin in the path."""
    binary = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if binary is None:
        raise RuntimeError("nginx is not installed: run 'make test', or 'apt-get install nginx'")
    return binary


@contextlib.contextmanager
def nginx(folder: Path, http: str, port: int) -> Iterator[None]:
    """nginx with `http` as the content of its http block, until the block ends.

    `folder` is its prefix; `port` is one that `http` listens on. Raises RuntimeError, with what
    nginx says, if it does not take the configuration.
    """
    (folder / "nginx.conf").write_text(_configuration(http))
    command = [nginx_binary(), "-p", str(folder), "-c", "nginx.conf", "-e", "error.log"]
    checked = subprocess.run(  # noqa: S603 - our own binary and arguments
        [*command, "-t"], capture_output=True, text=True, check=False
    )
    if checked.returncode != 0:
        raise RuntimeError(checked.stderr)
    process = subprocess.Popen(command)  # noqa: S603 - as above
    try:
        wait_for_port(port)
        if process.poll() is not None:
            raise RuntimeError((folder / "error.log").read_text())
        yield
    finally:
        process.terminate()
        process.wait(10)


def _configuration(http: str) -> str:
    paths = "\n".join(f"{name}_temp_path {name};" for name in TEMPORARY)
    # Workers are of the user who started it, as the socket they open is.
    group = grp.getgrgid(os.getegid()).gr_name
    name = pwd.getpwuid(os.geteuid()).pw_name
    # Only root may choose; to others nginx would say so at every start.
    user = f"user {name} {group};" if os.geteuid() == 0 else ""
    return f"""
{user}
daemon off;
worker_processes 1;
pid nginx.pid;
events {{ worker_connections 64; }}
http {{
access_log off;
{paths}
{http}
}}
"""
