"""Control connections of calls without media: what they are told, refused, and cost.

bands = provider.sidebands
await bands.attached(call_id)                       # somebody listens
bands.responds(call_id, audio_out=40)               # response.created and response.done
bands.ledger[call_id]                               # the usage that a bill would have
bands.refuses(503, times=2)                         # the next handshakes
await bands.drops(call_id, clean=True)
answered = bands.holds(times=2)                     # the next handshakes, until answered.set()
bands.leaves_open(call_id)                          # even when the call has ended
"""

import asyncio
import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

CLOSE, ABORT = object(), object()


class Sidebands:
    """ASGI endpoint of `/v1/realtime?call_id=`; nothing is replayed, as at the providers."""

    def __init__(self, live_calls: set[str], takes: Callable[[Mapping[str, str]], bool]) -> None:
        self.handshakes: list[Mapping[str, str]] = []
        """The headers of each, in the order of arrival."""
        self.said: list[tuple[str, dict[str, Any]]] = []
        """What was sent to calls over their sidebands."""
        self.ledger: dict[str, list[dict[str, Any]]] = defaultdict(list)
        """The usage of each response, by call."""
        self.not_found_seconds = 0.0
        """How long a 404 takes: at OpenAI 5.5 s."""
        self._live, self._takes = live_calls, takes
        self._open: dict[str, list[asyncio.Queue[object]]] = defaultdict(list)
        self._refusals: list[int] = []
        self._let_in = 0
        self._holds: list[asyncio.Event] = []
        self._left_open: set[str] = set()
        self._numbers = itertools.count(1)
        self._change = asyncio.Condition()

    def refuses(self, status: int, *, times: int = 1) -> None:
        """Answer the next handshakes so."""
        self._refusals += [status] * times

    def holds(self, *, times: int = 1) -> asyncio.Event:
        """Let the next handshakes in, and answer them once the event is set."""
        answered = asyncio.Event()
        self._holds += [answered] * times
        return answered

    async def held(self, *, seconds: float = 20) -> None:
        """Return once as many are held as were to be."""
        async with asyncio.timeout(seconds), self._change:
            await self._change.wait_for(lambda: not self._holds)

    def leaves_open(self, call_id: str) -> None:
        """Close no socket of this call when it ends."""
        self._left_open.add(call_id)

    async def attached(self, call_id: str, count: int = 1, *, seconds: float = 20) -> None:
        """Return once so many listen to a call."""
        async with asyncio.timeout(seconds), self._change:
            await self._change.wait_for(lambda: len(self._open[call_id]) == count)

    async def let_in(self, count: int, *, seconds: float = 20) -> None:
        """Return once so many were let in, whether or not they are still there."""
        async with asyncio.timeout(seconds), self._change:
            await self._change.wait_for(lambda: self._let_in >= count)

    async def heard(self, count: int = 1, *, seconds: float = 20) -> dict[str, Any]:
        """The event that was sent to any call last, once there are so many."""
        async with asyncio.timeout(seconds), self._change:
            await self._change.wait_for(lambda: len(self.said) >= count)
        return self.said[count - 1][1]

    async def dialled(self, count: int, *, seconds: float = 20) -> None:
        """Return once there were so many handshakes."""
        async with asyncio.timeout(seconds), self._change:
            await self._change.wait_for(lambda: len(self.handshakes) >= count)

    def tells(self, call_id: str, event: Mapping[str, Any] | str) -> None:
        """Send an event to all who listen to a call; a text as it is."""
        text = event if isinstance(event, str) else json.dumps(event)
        for queue in self._open[call_id]:
            queue.put_nowait(text)

    def responds(
        self, call_id: str, *, audio_out: int = 100, output: list[Any] | None = None, **more: Any
    ) -> dict[str, Any]:
        """A response begins and ends, and stands in the ledger."""
        response_id = f"resp_{next(self._numbers)}"
        usage = {
            "total_tokens": 120 + audio_out,
            "input_tokens": 120,
            "output_tokens": audio_out + 10,
            "input_token_details": {
                "text_tokens": 20,
                "audio_tokens": 100,
                "image_tokens": 0,
                "cached_tokens": 64,
                "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 64, "image_tokens": 0},
            },
            "output_token_details": {"text_tokens": 10, "audio_tokens": audio_out},
        }
        self.ledger[call_id].append(usage)
        message = {"type": "message", "role": "assistant", "content": []}
        done = {
            "id": response_id,
            "status": "completed",
            "output": [message] if output is None else output,
            "usage": usage,
            **more,
        }
        begun = {"id": response_id, "status": "in_progress"}
        self.tells(call_id, _event("response.created", response=begun))
        event = _event("response.done", response=done)
        self.tells(call_id, event)
        return event

    def billed(self, call_id: str) -> dict[str, int]:
        """What the ledger has of a call."""
        entries = self.ledger[call_id]
        return {
            "responses": len(entries),
            "input_tokens": sum(each["input_tokens"] for each in entries),
            "output_tokens": sum(each["output_tokens"] for each in entries),
        }

    def drops(self, call_id: str) -> None:
        """Close all sockets of a call that goes on, politely."""
        for queue in self._open[call_id]:
            queue.put_nowait(CLOSE)

    def aborts(self, call_id: str) -> None:
        """Cut them off without a word."""
        for queue in self._open[call_id]:
            queue.put_nowait(ABORT)

    def ended(self, call_id: str) -> None:
        """Close them because it is over."""
        if call_id in self._left_open:
            self._left_open.remove(call_id)
        else:
            self.drops(call_id)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection, from the handshake to its end."""
        socket = WebSocket(scope, receive, send)
        call_id = socket.query_params.get("call_id", "")
        answered = self._holds.pop(0) if self._holds else None
        async with self._change:
            self.handshakes.append(dict(socket.headers))
            self._change.notify_all()
        status = self._refusals.pop(0) if self._refusals else self._status(socket, call_id)
        if answered is not None:
            await answered.wait()
        if status == 404:
            await asyncio.sleep(self.not_found_seconds)
        if status != 101:
            error = {"error": {"message": "no", "code": "call_id_not_found"}}
            await socket.send_denial_response(JSONResponse(error, status))
            return
        await socket.accept()
        queue: asyncio.Queue[object] = asyncio.Queue()
        self._let_in += 1
        await self._change_by(lambda: self._open[call_id].append(queue))
        reading = asyncio.create_task(self._read(socket, call_id, queue))
        try:
            while (event := await queue.get()) not in (CLOSE, ABORT):
                await socket.send_text(str(event))
            if event is CLOSE:
                await socket.close()
        except WebSocketDisconnect:
            pass
        finally:
            reading.cancel()
            await asyncio.wait([reading])
            await self._change_by(lambda: self._open[call_id].remove(queue))

    async def _read(self, socket: WebSocket, call_id: str, queue: asyncio.Queue[object]) -> None:
        while (message := await socket.receive())["type"] != "websocket.disconnect":
            event = json.loads(message.get("text") or "{}")
            await self._change_by(partial(self.said.append, (call_id, event)))
        queue.put_nowait(ABORT)

    async def _change_by(self, change: Callable[[], None]) -> None:
        async with self._change:
            change()
            self._change.notify_all()

    def _status(self, socket: WebSocket, call_id: str) -> int:
        if not self._takes(socket.headers):
            return 401
        return 101 if call_id in self._live else 404


def _event(kind: str, **members: Any) -> dict[str, Any]:
    return {"type": kind, "event_id": f"event_{kind}", **members}
