"""The sockets that the service listens on, bound before anything serves."""

import contextlib
import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from signaller.errors import ConfigError

BACKLOG = 2048  # uvicorn's own; the kernel cuts it to what it allows
PROBE_SECONDS = 1  # a connection to a socket of this machine is made, queued or refused at once
# Starts in one folder take turns with a lock; this is when to give up, if a stranger holds it.
TURN_SECONDS = 3 * PROBE_SECONDS

Identity = tuple[int, int, int]
"""Device, inode, time of creation: a file system gives an inode's number away again."""


@contextlib.contextmanager
def tcp_listeners(host: str, port: int) -> Iterator[list[socket.socket]]:
    """A listening socket for each address of a host, all on one port (0: any free one).

    Raises ConfigError.
    """
    listeners: list[socket.socket] = []
    with contextlib.ExitStack() as stack:
        for family, address in _addresses(host):
            try:
                listener = stack.enter_context(_listen(family, address, port))
            except OSError as error:
                # `localhost` is ::1 as well, also where the kernel has no IPv6.
                if listeners and error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                    continue
                raise ConfigError([_tcp_fault(host, port, error)]) from error
            listeners.append(listener)
            port = listener.getsockname()[1]
        yield listeners


@contextlib.contextmanager
def unix_listener(path: Path, mode: int) -> Iterator[list[socket.socket]]:
    """A listening Unix socket whose file has these permissions from its first moment on.

    A dead process's file is replaced; ours is removed at the end. Raises ConfigError.
    """
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            with _one_at_a_time(path.parent):
                _make_way(path)
                _bind(listener, path, mode)
                ours = identity(path)
                listener.listen(BACKLOG)
        except OSError as error:
            reason = error.strerror or error  # a path that is too long has no number
            if isinstance(error, FileNotFoundError):
                reason = f"there is no directory {path.parent}"
            raise ConfigError(
                [f"--uds: expected a path for a socket, found {path}: {reason}"]
            ) from error
        try:
            yield [listener]
        finally:
            with contextlib.suppress(OSError):  # it is gone, or its folder is
                if identity(path) == ours:
                    path.unlink()


def describe_listener(listener: socket.socket) -> str:
    """Where it listens: `http://127.0.0.1:4000` or `unix:<path>`."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{name}"
    return f"http://{_place(name[0], name[1])}"


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:  # UnicodeError: no name that IDNA could encode
        raise ConfigError([f"--host: expected an address of this machine, found {host}"]) from error
    # A hosts file may name an address twice. IPv4 first: it is what can be relied on.
    addresses = {(family, str(address[0])) for family, _, _, _, address in found}
    return sorted(addresses, key=lambda each: (each[0] != socket.AF_INET, each[1]))


def _listen(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    """Bound and listening in one step: two that have only bound would share the port."""
    # Whoever listens everywhere means IPv4 too: health checks ask 127.0.0.1.
    both = address == "::" and socket.has_dualstack_ipv6()
    listener = socket.create_server(
        (address, port), family=family, backlog=BACKLOG, dualstack_ipv6=both
    )
    # Opened anew it knows its protocol, and asyncio sets TCP_NODELAY on what it accepts.
    return socket.socket(fileno=listener.detach())


def _tcp_fault(host: str, port: int, error: OSError) -> str:
    place = _place(host, port)
    if error.errno == errno.EADDRINUSE:
        return f"--port: expected a free port, found {place} in use"
    if error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
        return f"--host: expected an address of this machine, found {host}"
    reason = os.strerror(error.errno) if error.errno else error  # `strerror` repeats the place
    return f"--port: expected a port to listen on, found {place}: {reason}"


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Of two that find the same dead process's file, the second one must find the first one's.

    Raises OSError, BlockingIOError after TURN_SECONDS.
    """
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        deadline = time.monotonic() + TURN_SECONDS
        while True:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)  # a lock sends no notice, and nothing serves yet
        yield
    finally:
        os.close(held)


def _make_way(path: Path) -> None:
    """Remove the socket file of a process that is no more."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise ConfigError([f"--uds: expected a socket or nothing, found another file at {path}"])
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except PermissionError:
            raise
        except OSError:
            pass  # somebody is there, but busy, or of another kind of socket
    raise ConfigError([f"--uds: expected a socket that nobody listens on, found {path} in use"])


def _bind(listener: socket.socket, path: Path, mode: int) -> None:
    # bind() makes the file with 0777 less the umask: there is no moment to correct it in.
    before = os.umask(0o777 & ~mode)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)


def identity(path: Path) -> Identity:
    """Which file this is, whatever others have the same name later. Raises OSError."""
    found = path.lstat()
    return found.st_dev, found.st_ino, found.st_mtime_ns
