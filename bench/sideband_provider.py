"""A provider of sidebands without media: five events a second on each, most of them sound.

python -m bench.sideband_provider PORT

Of 50 events 30 are sound: ten each of 20, 50 and 100 ms, PCM16 at 24 kHz in base64 (1.3, 3.2 and
6.4 KB). That is more than a call over WebRTC tells, whose sound goes another way. 18 are texts as a
call has them, some 0.3 KB each, one says that a response begins and one that it has ended.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import sys
from collections.abc import Iterator

import uvloop
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

EVENTS_PER_SECOND = 5
BYTES_PER_MILLISECOND = 48
"""24,000 samples a second of two bytes."""
PART = {
    "response_id": "resp_0123456789abcdef",
    "item_id": "item_0123456789abcdef",
    "output_index": 0,
    "content_index": 0,
}


def _event(kind: str, **members: object) -> str:
    return json.dumps({"type": kind, "event_id": "event_0123456789abcdef", **members})


def _sound(milliseconds: int) -> str:
    delta = base64.b64encode(bytes(range(BYTES_PER_MILLISECOND)) * milliseconds).decode()
    return _event("response.output_audio.delta", **PART, delta=delta)


SOUNDS = tuple(map(_sound, (20, 50, 100)))
TEXTS = (
    _event("response.output_audio_transcript.delta", **PART, delta=" and then we"),
    _event("input_audio_buffer.speech_started", audio_start_ms=4711, item_id=PART["item_id"]),
    _event(
        "rate_limits.updated",
        rate_limits=[
            {"name": "requests", "limit": 1000, "remaining": 999, "reset_seconds": 0.06},
            {"name": "tokens", "limit": 50_000, "remaining": 49_950, "reset_seconds": 0.06},
        ],
    ),
)


async def main(port: int) -> None:
    """Serve for ever."""
    async with serve(_talk, "127.0.0.1", port, compression=None, ping_interval=None, backlog=2048):
        await asyncio.Event().wait()


async def _talk(connection: ServerConnection) -> None:
    """A response each ten seconds, and sound and texts all the while."""
    with contextlib.suppress(ConnectionClosed):
        for event in _events():
            await connection.send(event)
            await asyncio.sleep(1 / EVENTS_PER_SECOND)


def _events() -> Iterator[str]:
    """Of one call, without an end."""
    sounds, texts = itertools.cycle(SOUNDS), itertools.cycle(TEXTS)
    for number in itertools.count(1):
        id_ = f"resp_{number}"
        yield _event("response.created", response={"id": id_, "status": "in_progress"})
        for _ in range(6):
            yield from itertools.islice(sounds, 5)
            yield from itertools.islice(texts, 3)
        usage = {"input_tokens": 20, "output_tokens": 10}
        response = {"id": id_, "status": "completed", "output": [], "usage": usage}
        yield _event("response.done", response=response)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
