"""A provider that thinks for a while: asyncio on the load's core, with nothing but a timer.

At 200 requests a second it is idle nine tenths of the time; its own time is measured, not assumed.
"""

import argparse
import asyncio
from functools import partial
from typing import cast

import uvloop

from bench.provider import ANSWER, MINTED


class _Thinking(asyncio.Protocol):
    """Answers each request of a kept-alive connection `seconds` after its last byte."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        _, _, length = head.lower().partition(b"\r\ncontent-length:")
        if len(body) < int(length.split(b"\r\n", 1)[0] or 0):
            return
        self._received = b""
        answer = CALLED if b"/calls" in head.split(b"\r\n", 1)[0] else ISSUED
        asyncio.get_running_loop().call_later(self._seconds, self._write, answer)

    def _write(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(answer)


def _response(status: str, media_type: str, body: str, more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {len(body)}\r\n"
    return f"{head}{more}\r\n{body}".encode()


ISSUED = _response("200 OK", "application/json", MINTED)
CALLED = _response(
    "201 Created", "application/sdp", ANSWER, "location: /v1/realtime/calls/rtc_1\r\n"
)


async def _serve(port: int, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(_Thinking, seconds), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("seconds", type=float)
    asked = parser.parse_args()
    uvloop.run(_serve(asked.port, asked.seconds))
