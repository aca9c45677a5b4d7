"""A client of the loopback provider, on aiortc: speaks tones, hears, exchanges events."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable

import httpx
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from signaller.loopback.ice import listen_on_loopback
from signaller.loopback.speaker import Speaker
from signaller.loopback.voice import loudness

Event = dict[str, object]
AUDIBLE = 0.05


class Peer:
    """One side of a call."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.louds: list[bool] = []
        self._said: set[str] = set()
        self.mouth = Speaker(self._has_said)
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connection.addTrack(self.mouth)
        self.channel: RTCDataChannel = self.connection.createDataChannel("oai-events")
        self.ended = asyncio.Event()
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self.connection.on("track", self._spawn)
        self.channel.on("message", self._message)
        self.connection.on("connectionstatechange", self._state)

    async def offer(self) -> str:
        """An SDP offer with all candidates."""
        listen_on_loopback(self.connection)  # as the provider does: no network is needed
        await self.connection.setLocalDescription(await self.connection.createOffer())
        sdp: str = self.connection.localDescription.sdp
        return sdp

    async def accept(self, answer: str) -> None:
        """Take the provider's answer."""
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    def send(self, **event: object) -> None:
        """One client event."""
        self.channel.send(json.dumps(event))

    async def event(self, type: str) -> Event:
        """The first event of a type, awaited if need be; it is taken out with all before it."""
        found: list[int] = []

        def look() -> bool:
            found[:] = [i for i, event in enumerate(self.events) if event["type"] == type][:1]
            return bool(found)

        await self._until(look)
        event = self.events[found[0]]
        del self.events[: found[0] + 1]
        return event

    async def hears(self, *, loud: bool, frames: int = 5) -> None:
        """Wait for that many frames of sound, or of silence, in a row from now on."""
        self.louds.clear()
        await self._until(lambda: self.louds[-frames:] == [loud] * frames)

    async def says(self, name: str, pcm: bytes) -> None:
        """Say this to its end; a name is for one time only."""
        self.mouth.play(name, pcm)
        await self._until(lambda: name in self._said)

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with self._changed, asyncio.timeout(20):
            await self._changed.wait_for(condition)

    def _spawn(self, track: MediaStreamTrack) -> None:
        task = asyncio.create_task(self._listen(track))
        self._tasks.add(task)

    async def _listen(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await track.recv()
                assert isinstance(frame, AudioFrame)
                heard = bytes(frame.planes[0])[: frame.samples * 4]  # the plane is longer
                self.louds.append(loudness(heard) > AUDIBLE)
                await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _message(self, message: str) -> None:
        self.events.append(json.loads(message))
        self._notify_soon()

    def _has_said(self, name: str) -> None:
        self._said.add(name)
        self._notify_soon()

    def _notify_soon(self) -> None:
        task = asyncio.create_task(self._notify())
        self._tasks.add(task)

    def _state(self) -> None:
        if self.connection.connectionState in ("closed", "failed"):
            self.ended.set()

    async def aclose(self) -> None:
        """Leave."""
        self.mouth.stop()
        await self.connection.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks or {asyncio.create_task(asyncio.sleep(0))})


@contextlib.asynccontextmanager
async def calling(
    client: httpx.AsyncClient, *, strip_candidates: bool = False, **session: object
) -> AsyncIterator[tuple[Peer, str]]:
    """A peer on a connected call (ephemeral flow), and the call's path."""
    minted = await client.post(
        "/v1/realtime/client_secrets", json={"session": {"type": "realtime", **session}}
    )
    peer = Peer()
    try:
        offer = await peer.offer()
        if strip_candidates:
            offer = "".join(
                line
                for line in offer.splitlines(keepends=True)
                if not line.startswith(("a=candidate", "a=end-of-candidates"))
            )
        response = await client.post(
            "/v1/realtime/calls",
            content=offer,
            headers={
                "authorization": f"Bearer {minted.json()['value']}",
                "content-type": "application/sdp",
            },
        )
        assert response.status_code == 201, response.text
        await peer.accept(response.text)
        yield peer, response.headers["location"]
    finally:
        await peer.aclose()
