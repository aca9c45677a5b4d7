"""The port of its own that metrics are read at."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from signaller.metrics import Collected, Metrics, serve
from tests.metrics.text import parsed, series

HOST = "127.0.0.1"
HANGUPS = series("signaller_hangups_total")


@contextlib.contextmanager
def client(port: int, host: str = HOST) -> Iterator[httpx.Client]:
    """A client of a port."""
    with httpx.Client(base_url=f"http://{host}:{port}", trust_env=False, timeout=10) as http:
        yield http


def test_a_scrape_tells_what_was_counted(metrics: Metrics) -> None:
    """In Prometheus's text format, at any moment anew."""
    with serve(HOST, 0, metrics.collect) as port, client(port) as http:
        for count in (1, 2):
            metrics.observe("hangup", {}, None)
            response = http.get("/metrics")
            assert response.status_code == 200
            assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert parsed(response.text)[HANGUPS] == count


def test_a_scrape_may_ask_for_some_series_only(metrics: Metrics) -> None:
    """By name, as `prometheus_client` lets it, and gets those."""
    with serve(HOST, 0, metrics.collect) as port, client(port) as http:
        response = http.get("/metrics?name[]=signaller_hangups_total")
    assert parsed(response.text).keys() == {HANGUPS}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_is_told_to_another_method(metrics: Metrics, method: str) -> None:
    """It is for reading only."""
    with serve(HOST, 0, metrics.collect) as port, client(port) as http:
        response = http.request(method, "/metrics")
    assert response.status_code == 405
    assert "signaller_" not in response.text


def test_it_listens_on_ipv6(metrics: Metrics) -> None:
    """Where the host is written as such an address."""
    with serve("::1", 0, metrics.collect) as port, client(port, "[::1]") as http:
        assert http.get("/metrics").status_code == 200


def test_closing_frees_the_port_and_the_thread(metrics: Metrics) -> None:
    """Another one can take the port at once."""
    before = set(threading.enumerate())
    with serve(HOST, 0, metrics.collect) as port, client(port) as http:
        assert http.get("/metrics").is_success
        begun = set(threading.enumerate()) - before  # one listens, one may still answer
    assert begun
    for thread in begun:
        thread.join(10)
    assert not any(thread.is_alive() for thread in begun)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port), 1)
    with serve(HOST, port, metrics.collect), client(port) as http:
        assert http.get("/metrics").is_success


def test_a_port_that_is_taken_is_said_so(metrics: Metrics) -> None:
    """At the start, not in a thread."""
    with (
        serve(HOST, 0, metrics.collect) as port,
        pytest.raises(OSError, match="in use"),
        serve(HOST, port, metrics.collect),
    ):
        pass


def test_a_silent_connection_holds_up_nobody(metrics: Metrics) -> None:
    """Each has a thread of its own, and none keeps the port from being closed."""
    with (
        contextlib.ExitStack() as open_ones,
        serve(HOST, 0, metrics.collect) as port,
        client(port) as http,
    ):
        for _ in range(16):
            open_ones.enter_context(socket.create_connection((HOST, port), 5))
        assert http.get("/metrics").is_success


def test_the_next_scrape_after_a_failure_of_ours_is_served(metrics: Metrics) -> None:
    """The port outlives it; the scrape that met it is told 500."""
    broken = threading.Event()

    def collect() -> Collected:
        if not broken.is_set():
            broken.set()
            raise OSError("the disk is gone")
        return metrics.collect()

    with serve(HOST, 0, collect) as port, client(port) as http:
        assert http.get("/metrics").status_code == 500
        assert HANGUPS in parsed(http.get("/metrics").text)
