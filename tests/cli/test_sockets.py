"""Listening sockets: who may connect, and what stands in their way."""

import contextlib
import fcntl
import os
import socket
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from signaller.errors import ConfigError
from signaller.server import sockets
from signaller.server.sockets import describe_listener, tcp_listeners, unix_listener


@pytest.fixture(params=[0o000, 0o077], ids=["umask 000", "umask 077"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """What a careless and what a careful operator starts the service with."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def permissions(path: Path) -> int:
    """Who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


def fault(error: pytest.ExceptionInfo[ConfigError]) -> str:
    """The one line that is said."""
    (line,) = error.value.faults
    assert "\n" not in line
    return line


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_a_socket_has_the_permissions_asked_for(tmp_path: Path, umask: int, mode: int) -> None:
    """Whatever the umask, which is as before afterwards."""
    path = tmp_path / "s"
    with unix_listener(path, mode):
        assert permissions(path) == mode
    assert os.umask(umask) == umask


def test_a_socket_is_never_more_open_than_asked_for(tmp_path: Path) -> None:
    """A process that watches for the file sees no other permissions, not for a moment."""
    path, seen, over = tmp_path / "s", set[int](), threading.Event()

    def watch() -> None:
        while not over.is_set():
            with contextlib.suppress(FileNotFoundError):
                seen.add(permissions(path))

    before = os.umask(0)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for _ in range(500):
            with unix_listener(path, 0o660):
                pass
        with unix_listener(path, 0o660):
            seen.add(permissions(path))
    finally:
        over.set()
        watcher.join()
        os.umask(before)
    assert seen == {0o660}


def test_a_socket_file_of_the_dead_is_replaced(tmp_path: Path) -> None:
    """A process that was killed leaves one behind."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with unix_listener(path, 0o660) as (listener,), socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))
        accepted, _ = listener.accept()
        accepted.close()
    assert not path.exists()


def test_of_those_that_replace_one_dead_socket_file_one_listens(tmp_path: Path) -> None:
    """The others are told, and nobody's socket is taken away."""
    path, starters = tmp_path / "s", 4
    step = threading.Barrier(starters, timeout=20)

    def start(_: int) -> bool:
        with contextlib.ExitStack() as stack:
            listeners: list[socket.socket] = []
            step.wait()
            with contextlib.suppress(ConfigError):
                listeners = stack.enter_context(unix_listener(path, 0o660))
            step.wait()
            for listener in listeners:
                reach(path, listener)
            step.wait()
            return bool(listeners)

    with ThreadPoolExecutor(starters) as pool:
        for _ in range(40):
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(path))
            assert sum(pool.map(start, range(starters))) == 1
            assert not path.exists()


def reach(path: Path, listener: socket.socket) -> None:
    """Connect to a socket's file; TimeoutError if it is not that listener's."""
    listener.settimeout(5)
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))
        listener.accept()[0].close()


def test_a_folder_that_a_stranger_has_locked_does_not_hold_the_start_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line with the reason."""
    monkeypatch.setattr(sockets, "TURN_SECONDS", 0.1)
    held = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_SH)
        with pytest.raises(ConfigError) as refused, unix_listener(tmp_path / "s", 0o660):
            pass
    finally:
        os.close(held)
    assert fault(refused).startswith("--uds: expected a path for a socket, found ")


@pytest.mark.parametrize("queued", [0, 8], ids=["idle", "with a full queue"])
def test_a_socket_that_somebody_listens_on_is_left_alone(tmp_path: Path, queued: int) -> None:
    """However busy it is."""
    path = tmp_path / "s"
    with contextlib.ExitStack() as stack:
        living = stack.enter_context(socket.socket(socket.AF_UNIX))
        living.bind(str(path))
        living.listen(1)
        for _ in range(queued):
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.setblocking(False)
            waiting.connect_ex(str(path))
        inode = path.stat().st_ino
        with pytest.raises(ConfigError) as refused, unix_listener(path, 0o660):
            pass
        assert fault(refused).startswith("--uds: expected a socket that nobody listens on")
        assert path.stat().st_ino == inode


@pytest.mark.parametrize("what", ["file", "folder", "link", "link to nothing"])
def test_what_is_no_socket_is_left_alone(tmp_path: Path, what: str) -> None:
    """A mistaken path costs nobody a file; a link could lead anywhere."""
    path, target = tmp_path / "s", tmp_path / "target"
    with socket.socket(socket.AF_UNIX) as dead:
        match what:
            case "file":
                path.write_text("precious")
            case "folder":
                path.mkdir()
            case "link":
                dead.bind(str(target))
                path.symlink_to(target)
            case _:
                path.symlink_to(target)
    before = path.lstat()
    with pytest.raises(ConfigError) as refused, unix_listener(path, 0o660):
        pass
    assert "found another file" in fault(refused)
    assert path.lstat() == before


@pytest.mark.parametrize("name", ["missing/s", "x" * 200])
def test_a_path_that_takes_no_socket_is_said(tmp_path: Path, name: str) -> None:
    """One line with the reason."""
    with pytest.raises(ConfigError) as refused, unix_listener(tmp_path / name, 0o660):
        pass
    assert fault(refused).startswith("--uds: expected a path for a socket, found ")
    assert not (tmp_path / name).exists()


def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    """It is what has to be made, and not the socket."""
    with pytest.raises(ConfigError) as refused, unix_listener(tmp_path / "run/s", 0o660):
        pass
    assert fault(refused).endswith(f"there is no directory {tmp_path / 'run'}")


@pytest.mark.parametrize("what", ["removed", "replaced", "gone with its folder"])
def test_only_our_own_socket_file_is_removed(tmp_path: Path, what: str) -> None:
    """A successor that has taken the path keeps it."""
    folder = tmp_path / "run"
    folder.mkdir()
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as successor:
        with unix_listener(path, 0o660) as (ours,):
            ours.close()  # a server closes it before it lets its last calls finish
            path.unlink()
            if what == "replaced":
                successor.bind(str(path))
            elif what == "gone with its folder":
                folder.rmdir()
        assert path.exists() == (what == "replaced")


def test_a_port_is_listened_on_at_once() -> None:
    """So that a second service finds it taken, and says so with the address."""
    with tcp_listeners("127.0.0.1", 0) as (listener,):
        port = listener.getsockname()[1]
        with pytest.raises(ConfigError) as refused, tcp_listeners("127.0.0.1", port):
            pass
        assert fault(refused) == f"--port: expected a free port, found 127.0.0.1:{port} in use"
        assert describe_listener(listener) == f"http://127.0.0.1:{port}"
        assert listener.proto == socket.IPPROTO_TCP  # or asyncio leaves TCP_NODELAY off
    with tcp_listeners("127.0.0.1", port) as again:
        assert len(again) == 1


def test_a_name_is_listened_on_at_each_of_its_addresses() -> None:
    """On one port, even when any will do."""
    addresses = {each[4][0] for each in socket.getaddrinfo("localhost", 0)}
    with tcp_listeners("localhost", 0) as listeners:
        assert "127.0.0.1" in {listener.getsockname()[0] for listener in listeners}
        assert {listener.getsockname()[0] for listener in listeners} <= addresses
        assert len({listener.getsockname()[1] for listener in listeners}) == 1


def kernel_has_ipv6() -> bool:
    """Whether ::1 is an address of this machine."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_an_ipv6_address_is_listened_on() -> None:
    """Where the kernel has IPv6; where it has not, the line says what is wrong."""
    if not kernel_has_ipv6():
        with (
            pytest.raises(ConfigError, match="--host: expected an address"),
            tcp_listeners("::1", 0),
        ):
            pass
        return
    with tcp_listeners("::1", 0) as (listener,):
        port = listener.getsockname()[1]
        assert describe_listener(listener) == f"http://[::1]:{port}"
        with socket.create_connection(("::1", port), 5):
            listener.accept()[0].close()
        with pytest.raises(ConfigError) as refused, tcp_listeners("::1", port):
            pass
        assert f"[::1]:{port} in use" in fault(refused)


@pytest.mark.parametrize("host", ["::", "0::0"])
def test_to_listen_everywhere_is_to_listen_on_ipv4_too(host: str) -> None:
    """A container's health check asks 127.0.0.1, whatever `--host` says."""
    with tcp_listeners(host, 0) as (listener,):
        port = listener.getsockname()[1]
        assert describe_listener(listener) == f"http://[::]:{port}"
        for address in ("127.0.0.1", "::1") if kernel_has_ipv6() else ("127.0.0.1",):
            with socket.create_connection((address, port), 5):
                listener.accept()[0].close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "x" * 70, "a..b"])
def test_a_host_that_is_not_this_machine_is_said(host: str) -> None:
    """An address from the documentation (RFC 5737), names that lead nowhere (RFC 6761)."""
    with pytest.raises(ConfigError) as refused, tcp_listeners(host, 0):
        pass
    assert fault(refused) == f"--host: expected an address of this machine, found {host}"
