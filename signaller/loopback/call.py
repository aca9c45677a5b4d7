"""One call: a peer connection, and the conversation on it."""

import asyncio
import contextlib
import json
from collections.abc import Iterable

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.exceptions import InternalError, InvalidStateError, OperationError
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, AudioResampler

from signaller.loopback import tones
from signaller.loopback.effects import Effect, Send, Speak
from signaller.loopback.events import Conversation
from signaller.loopback.faults import Refusal
from signaller.loopback.ice import answerable, listen_on_loopback
from signaller.loopback.session import Json, NewId
from signaller.loopback.speaker import Speaker
from signaller.loopback.voice import RATE
from signaller.model import MAX_CALL_SECONDS

_CONNECT_SECONDS = 30  # ICE, DTLS and the first packet; a peer that never comes holds nothing
_MUTE_SECONDS = 8  # without a packet: a browser that was killed says no goodbye
_MAX_UNSENT_BYTES = 4 * 1024 * 1024  # on the data channel, for a peer that stopped reading
_MAX_UNREAD_EVENTS = 1000  # on a sideband, likewise
_MAX_SIDEBANDS = 8
# What aiortc raises at an SDP that it cannot use; its parser checks by unpacking and `assert`.
_UNUSABLE = (
    InternalError,
    InvalidStateError,
    OperationError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    AssertionError,
)
_OVER = None
Sideband = asyncio.Queue[str | None]
"""Events of a call as JSON; None is its end."""


class Call:
    """Answers one offer; lives until somebody hangs up, the peer goes away or an hour is over."""

    def __init__(self, call_id: str, session: Json, *, new_id: NewId) -> None:
        self.id = call_id
        self._speaker = Speaker(self._played)
        self._conversation = Conversation(session, new_id=new_id, heard_ms=self._speaker.heard_ms)
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._greets = session["type"] == "realtime"
        self._channel: RTCDataChannel | None = None
        self._ear: asyncio.Task[None] | None = None
        self._sidebands: set[Sideband] = set()
        self._connected = asyncio.Event()
        self._over = asyncio.Event()

    async def answer(self, offer: str) -> str:
        """The SDP answer, candidates included; raises Refusal."""
        peer = self._peer
        peer.addTrack(self._speaker)
        peer.on("connectionstatechange", self._connection_changed)
        peer.on("datachannel", self._channel_opened)
        peer.on("track", self._track_began)
        try:
            await peer.setRemoteDescription(
                RTCSessionDescription(sdp=answerable(offer), type="offer")
            )
            listen_on_loopback(peer)
            await peer.setLocalDescription(await peer.createAnswer())
        except _UNUSABLE as error:
            await self._close()
            raise Refusal(
                400, "invalid_offer", "Failed to parse or apply the SDP offer.", param="sdp"
            ) from error
        answer: str = peer.localDescription.sdp
        return answer

    async def run(self) -> None:
        """Return once the call is over and everything of it is closed."""
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._either(), _CONNECT_SECONDS)
                await asyncio.wait_for(self._over.wait(), MAX_CALL_SECONDS)
        finally:
            self._over.set()
            await self._close()

    def hang_up(self) -> None:
        """Let `run` return."""
        self._over.set()

    def receive(self, event: str) -> None:
        """A client event, from the data channel or a sideband."""
        self._do(self._conversation.receive(event))

    def attach(self) -> Sideband:
        """A queue of all events from now on; raises Refusal."""
        if len(self._sidebands) >= _MAX_SIDEBANDS:
            raise Refusal(429, "rate_limit_exceeded", "Too many connections to this call.")
        sideband: Sideband = asyncio.Queue(_MAX_UNREAD_EVENTS)
        self._sidebands.add(sideband)
        return sideband

    def detach(self, sideband: Sideband) -> None:
        """Forget a queue."""
        self._sidebands.discard(sideband)

    async def _either(self) -> None:
        waits = [asyncio.create_task(event.wait()) for event in (self._connected, self._over)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _close(self) -> None:
        if self._ear is not None:
            self._ear.cancel()
            await asyncio.wait([self._ear])
        self._speaker.stop()
        await self._peer.close()
        for sideband in tuple(self._sidebands):
            self._end(sideband)

    def _connection_changed(self) -> None:
        state = self._peer.connectionState
        if state == "connected" and not self._connected.is_set():
            self._connected.set()
            if self._greets:
                self._speaker.play("", tones.greeting())
        elif state in ("failed", "closed"):
            self._over.set()

    def _channel_opened(self, channel: RTCDataChannel) -> None:
        if self._channel is not None:
            return  # the provider has one; others stay mute
        self._channel = channel
        channel.on("message", self._message)
        self._do(self._conversation.opened())

    def _message(self, message: str | bytes) -> None:
        self.receive(message if isinstance(message, str) else message.decode(errors="replace"))

    def _track_began(self, track: MediaStreamTrack) -> None:
        self._ear = asyncio.create_task(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
        # Before the first sound a peer connects, and some never send any.
        heard_before = False
        with contextlib.suppress(MediaStreamError):  # the track ended
            while True:
                try:
                    async with asyncio.timeout(_MUTE_SECONDS if heard_before else None):
                        heard = await track.recv()
                except TimeoutError:
                    self._over.set()
                    return
                heard_before = True
                if isinstance(heard, AudioFrame):
                    for frame in resampler.resample(heard):
                        self._do(
                            self._conversation.hear(bytes(frame.planes[0])[: frame.samples * 2])
                        )

    def _played(self, name: str) -> None:
        self._do(self._conversation.spoken(name))

    def _do(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self._tell(json.dumps(effect.event))
            elif isinstance(effect, Speak):
                self._speaker.play(effect.reply_id, effect.pcm)
            else:
                self._speaker.hush()

    def _tell(self, event: str) -> None:
        channel = self._channel
        if channel is not None and channel.readyState == "open":
            channel.send(event)
            if channel.bufferedAmount > _MAX_UNSENT_BYTES:
                self._over.set()
        for sideband in tuple(self._sidebands):
            if sideband.full():
                self._end(sideband)
            else:
                sideband.put_nowait(event)

    def _end(self, sideband: Sideband) -> None:
        self._sidebands.discard(sideband)
        if sideband.full():
            sideband.get_nowait()
        sideband.put_nowait(_OVER)
