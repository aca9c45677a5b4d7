"""A listener of its own that answers GET /metrics and nothing else, in a thread."""

import io
import logging
import socket
import socketserver
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

from signaller.metrics.exposition import Exposition

log = logging.getLogger("signaller")

MAX_CONNECTIONS = 8
"""At once, a thread each: more than the Prometheus servers of any deployment."""
READ_SECONDS = 5
"""For the whole of a request to arrive, and again for the answer to leave: a scraper sends it in
one packet, and others must not hold its thread with a byte now and then."""


class Listener:
    """Serves from the moment it is made until `close()`."""

    def __init__(self, host: str, port: int, exposition: Callable[[], Exposition]) -> None:
        self._server = _Server(host, port, exposition)
        self.port: int = self._server.server_address[1]
        """The one that was asked for, or the one that the system chose for 0."""
        # A daemon: it must not keep a process alive that forgets to close it.
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.1},  # seconds; bounds how long close() waits
            name="metrics",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening; a scrape that is being answered goes on."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(host: str, port: int, exposition: Callable[[], Exposition]) -> Listener:
    """Answer GET /metrics at a port of its own. Raises OSError if it cannot listen there."""
    return Listener(host, port, exposition)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True  # a restart need not wait for the last scrape's TIME_WAIT
    daemon_threads = True
    # With the default of 5 a burst waits a second for its SYN to be repeated.
    request_queue_size = 2 * MAX_CONNECTIONS

    def __init__(self, host: str, port: int, exposition: Callable[[], Exposition]) -> None:
        self.exposition = exposition
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__((host, port), _Handler)

    def process_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Give a connection a thread, or close it if all of them are busy."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Answer, and free the thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Log what the default would print."""
        log.warning("metrics not served", exc_info=True)


class _Arriving(io.RawIOBase):
    """What a connection sends until a moment of `time.monotonic()`; then TimeoutError."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self._connection, self._until = connection, until

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:  # a Buffer, which has a name from Python 3.12 on
        """Some bytes, as soon as there are any."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "signaller", ""

    def setup(self) -> None:
        """Read no longer than that: the default counts anew with every byte."""
        super().setup()
        self.rfile.close()
        until = time.monotonic() + READ_SECONDS
        self.rfile = io.BufferedReader(_Arriving(self.connection, until))

    def do_GET(self) -> None:
        """Answer /metrics, and 404 anywhere else; any other method is 501."""
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        content_type, body = self.server.exposition()
        self.connection.settimeout(READ_SECONDS)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing: a scrape every few seconds is no news."""
