"""uvicorn's HTTP/1.1 with bounds it lacks: the time and size of a head, trailers, pipelines."""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_SECONDS: Final = 20
"""From the connection, or the answer before, to the end of a head; phones need 2."""
MAX_HEAD_BYTES: Final = 64 * 1024
"""h11's own limit; the longest head of a good client has some 10 KB."""
MAX_HEADERS: Final = 128
MAX_PIPELINED: Final = 16
"""Requests that wait for the one before; no browser, SDK or gateway sends any."""


class TooMuch(Exception):
    """The parser turns it into a 400 and the end of the connection."""


class BoundedHttp(HttpToolsProtocol):
    """A connection that must say something sensible soon."""

    head_seconds: float = HEAD_SECONDS
    _timer: asyncio.TimerHandle | None = None
    _in_head = True
    _ended = True
    _head_bytes = 0
    _framing_bytes = 0
    """Behind the head, since the last piece of the body: chunk lines and trailers."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Start the clock: a connection that says nothing is not kept."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop it."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what is a head from beginning to end; a single read has 256 KiB at most.

        Most heads end in the read that they begin in: only others need a clock.
        """
        waiting = self._in_head
        self._framing_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if not self._in_head and self._framing_bytes > MAX_HEAD_BYTES:
            self._refuse_framing()
            return
        if waiting and self._in_head and not self._pending():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._stop()
                self.send_400_response("Request head too large.")
            elif self._timer is None:
                self._wait()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head, self._ended, self._head_bytes = True, False, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A piece of the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head; one behind the body (a trailer) is read by nobody (RFC 9110, 6.5.1).

        uvicorn adds it to the headers, where a gateway that cleans those has not seen it.
        """
        if not self._in_head:
            return
        self._count(len(name) + len(value) + 4)
        if len(self.headers) >= MAX_HEADERS:
            raise TooMuch
        super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """A piece of the body, whose size is the application's to judge."""
        self._framing_bytes = 0
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._in_head, self._framing_bytes = False, 0
        self._stop()
        if len(self.pipeline) >= MAX_PIPELINED:
            raise TooMuch
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """So is the body."""
        self._in_head, self._ended, self._head_bytes = True, True, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """A body that is refused must end soon too, or a drip of it holds the connection."""
        super().on_response_complete()
        if not self._ended and not self.pipeline and not self.transport.is_closing():
            self._wait()

    def _count(self, length: int) -> None:
        self._head_bytes += length
        if self._head_bytes > MAX_HEAD_BYTES:
            raise TooMuch

    def _refuse_framing(self) -> None:
        """The parser keeps a trailer until its end, and would keep one without an end."""
        self._stop()
        if self.cycle.response_started:  # another answer would be a piece of this one
            self.transport.close()
        else:
            self.send_400_response("Request trailer too large.")

    def _pending(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn types it as always there
        return cycle is not None and not cycle.response_complete

    def _wait(self) -> None:
        self._stop()
        self._timer = self.loop.call_later(self.head_seconds, self.timeout_keep_alive_handler)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
