"""A provider of sidebands without media: five events a second on each, most of them sound.

python -m bench.sideband_provider PORT
"""

import asyncio
import contextlib
import json
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

EVENTS_PER_SECOND = 5
SOUND = json.dumps(
    {
        "type": "response.output_audio.delta",
        "event_id": "event_0123456789abcdef",
        "response_id": "resp_0123456789abcdef",
        "item_id": "item_0123456789abcdef",
        "output_index": 0,
        "content_index": 0,
        "delta": "A" * 400,
    }
)


async def main(port: int) -> None:
    """Serve for ever."""
    async with serve(_talk, "127.0.0.1", port, compression=None, ping_interval=None, backlog=2048):
        await asyncio.Event().wait()


async def _talk(connection: ServerConnection) -> None:
    """A response each ten seconds, and sound all the while."""
    with contextlib.suppress(ConnectionClosed):
        number = 0
        while True:
            number += 1
            await connection.send(SOUND if number % 50 else _done(number))
            await asyncio.sleep(1 / EVENTS_PER_SECOND)


def _done(number: int) -> str:
    usage = {"input_tokens": 20, "output_tokens": 10}
    response = {"id": f"resp_{number}", "status": "completed", "output": [], "usage": usage}
    return json.dumps({"type": "response.done", "response": response})


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
