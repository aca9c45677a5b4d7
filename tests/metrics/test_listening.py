"""The listener of its own: GET /metrics and nothing else."""

import contextlib
import itertools
import logging
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from signaller.metrics import Listener, Metrics, listening, serve
from signaller.metrics.listening import MAX_CONNECTIONS
from tests.metrics.text import parsed, series

HOST = "127.0.0.1"


@contextlib.contextmanager
def client(port: int, host: str = HOST) -> Iterator[httpx.Client]:
    """A client of a listener."""
    with httpx.Client(base_url=f"http://{host}:{port}", trust_env=False, timeout=10) as http:
        yield http


def test_a_scrape_tells_what_was_counted(metrics: Metrics) -> None:
    """In Prometheus's text format, at any moment anew."""
    with serve(HOST, 0, metrics.exposition) as listener, client(listener.port) as http:
        for count in (1, 2):
            metrics.observe("hangup", {}, None)
            response = http.get("/metrics")
            assert response.status_code == 200
            assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert parsed(response.text)[series("signaller_hangups_total")] == count


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/metrics?name[]=x", 200),
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("GET", "/metricsx", 404),
        ("POST", "/metrics", 501),
        ("DELETE", "/metrics", 501),
        ("OPTIONS", "/metrics", 501),
    ],
)
def test_nothing_else_is_served(metrics: Metrics, method: str, path: str, status: int) -> None:
    """Neither another path nor another method."""
    with serve(HOST, 0, metrics.exposition) as listener, client(listener.port) as http:
        response = http.request(method, path)
    assert response.status_code == status
    assert ("signaller_" in response.text) == (status == 200)
    assert response.headers["server"].strip() == "signaller"


def test_it_listens_on_ipv6(metrics: Metrics) -> None:
    """Where the host is written as such an address."""
    with serve("::1", 0, metrics.exposition) as listener, client(listener.port, "[::1]") as http:
        assert http.get("/metrics").status_code == 200


def test_closing_frees_the_port_and_the_thread(metrics: Metrics) -> None:
    """Another listener can take the port at once."""
    before = set(threading.enumerate())
    listener = serve(HOST, 0, metrics.exposition)
    with client(listener.port) as http:
        assert http.get("/metrics").is_success
    listener.close()
    assert "metrics" not in {thread.name for thread in set(threading.enumerate()) - before}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, listener.port), 1)
    with serve(HOST, listener.port, metrics.exposition), client(listener.port) as http:
        assert http.get("/metrics").is_success


def test_a_port_that_is_taken_is_said_so(metrics: Metrics) -> None:
    """At the start, not in a thread."""
    with serve(HOST, 0, metrics.exposition) as listener, pytest.raises(OSError, match="in use"):
        serve(HOST, listener.port, metrics.exposition)


def test_connections_at_once_are_bounded(metrics: Metrics) -> None:
    """One too many is closed; once one has gone, the next is served."""
    with serve(HOST, 0, metrics.exposition) as listener, contextlib.ExitStack() as open_ones:
        silent = [
            open_ones.enter_context(socket.create_connection((HOST, listener.port), 5))
            for _ in range(MAX_CONNECTIONS)
        ]
        with socket.create_connection((HOST, listener.port), 5) as one_too_many:
            assert one_too_many.recv(1) == b""
        silent[0].sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert b"200 OK" in read(silent[0])
        assert b"200 OK" in answered(listener)


def test_a_request_that_arrives_in_drops_does_not_keep_its_thread(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is for all of it, and does not begin anew with every byte."""
    monkeypatch.setattr(listening, "READ_SECONDS", 0.5)
    over = threading.Event()

    def drip(connection: socket.socket) -> None:
        for byte in itertools.cycle(b"x"):
            if over.wait(0.05):
                return
            with contextlib.suppress(ConnectionError):  # it has been closed, as it should be
                connection.sendall(bytes([byte]))

    with serve(HOST, 0, metrics.exposition) as listener, contextlib.ExitStack() as stack:
        stack.callback(over.set)
        for _ in range(MAX_CONNECTIONS):
            connection = socket.create_connection((HOST, listener.port), 5)
            stack.enter_context(connection)
            dripping = threading.Thread(target=drip, args=(connection,))
            dripping.start()
            stack.callback(dripping.join)
            stack.callback(over.set)
        assert b"200 OK" in answered(listener)


def test_a_failure_of_ours_is_logged_and_the_next_scrape_is_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The listener outlives it, and prints nothing."""
    answers = iter([("text/plain", b"signaller_fine 1\n")])
    broken = threading.Event()

    def exposition() -> tuple[str, bytes]:
        if not broken.is_set():
            broken.set()
            raise OSError("the disk is gone")
        return next(answers)

    with (
        caplog.at_level(logging.WARNING, "signaller"),
        serve(HOST, 0, exposition) as listener,
        client(listener.port) as http,
    ):
        with pytest.raises(httpx.RemoteProtocolError):
            http.get("/metrics")
        assert http.get("/metrics").text == "signaller_fine 1\n"
    assert [record.message for record in caplog.records] == ["metrics not served"]


def read(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


def answered(listener: Listener) -> bytes:
    """The first answer of a listener whose threads are just ending: it closes until one is free."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(ConnectionError),
            socket.create_connection((HOST, listener.port), 5) as connection,
        ):
            connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            if answer := read(connection):
                return answer
    raise AssertionError("no thread became free")
