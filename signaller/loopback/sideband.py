"""The control WebSocket of a call: its events out, client events in."""

import asyncio
import contextlib
from collections.abc import Callable

from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from signaller.loopback.call import Call, Sideband
from signaller.loopback.calls import Calls
from signaller.loopback.faults import Refusal, render
from signaller.model import Provider


class Sidebands:
    """ASGI endpoint of `/v1/realtime?call_id=`; attaching says nothing by itself."""

    def __init__(
        self,
        calls: Calls,
        authorize: Callable[[Headers, QueryParams], None],
        provider: Provider,
    ) -> None:
        self._calls = calls
        self._authorize = authorize
        self._provider = provider

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection, from the handshake to its end."""
        socket = WebSocket(scope, receive, send)
        try:
            self._authorize(socket.headers, socket.query_params)
            call = self._calls.find(socket.query_params.get("call_id", ""))
            events = call.attach()
        except Refusal as refusal:
            await socket.send_denial_response(render(refusal, self._provider))
            return
        try:
            await socket.accept()
            await _converse(socket, call, events)
        finally:
            call.detach(events)


async def _converse(socket: WebSocket, call: Call, events: Sideband) -> None:
    reading = asyncio.create_task(_read(socket, call))
    try:
        with contextlib.suppress(WebSocketDisconnect):
            await _write(socket, events, reading)
    finally:
        reading.cancel()
        await asyncio.wait([reading])


async def _read(socket: WebSocket, call: Call) -> None:
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            call.receive(
                message.get("text") or (message.get("bytes") or b"").decode("utf-8", "replace")
            )


async def _write(socket: WebSocket, events: Sideband, reading: asyncio.Task[None]) -> None:
    while True:
        upcoming = asyncio.create_task(events.get())
        await asyncio.wait([upcoming, reading], return_when=asyncio.FIRST_COMPLETED)
        if not upcoming.done():
            upcoming.cancel()
            return
        event = upcoming.result()
        if event is None:
            await socket.close()
            return
        await socket.send_text(event)
