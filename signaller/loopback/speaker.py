"""The outbound track: what there is to say, silence otherwise, in real time."""

import asyncio
import fractions
import itertools
from array import array
from collections import deque
from collections.abc import Callable

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from signaller.loopback.voice import BYTES_PER_MS, RATE

FRAME_MS = 20
_SAMPLES = RATE * FRAME_MS // 1000
_SILENCE = bytes(_SAMPLES * 2)


class Speaker(MediaStreamTrack):
    """Plays one tune after another; `played` hears the name of each that came to its end."""

    kind = "audio"

    def __init__(self, played: Callable[[str], None]) -> None:
        super().__init__()
        self._played = played
        self._queue: deque[tuple[str, bytes]] = deque(maxlen=8)
        self._offset = 0
        self._frames = itertools.count()
        self._started_at = 0.0

    def play(self, name: str, pcm: bytes) -> None:
        """Say this after what is being said."""
        self._queue.append((name, pcm))

    def heard_ms(self, name: str) -> int:
        """How much of this has been played; 0 while its turn has not come."""
        is_on = bool(self._queue) and self._queue[0][0] == name
        return self._offset // BYTES_PER_MS if is_on else 0

    def hush(self) -> None:
        """Forget everything there was to say."""
        self._queue.clear()
        self._offset = 0

    async def recv(self) -> AudioFrame:
        """The next frame, no sooner than it is due."""
        if self.readyState != "live":
            raise MediaStreamError
        number = next(self._frames)
        now = asyncio.get_running_loop().time()
        if number == 0:
            self._started_at = now
        await asyncio.sleep(max(0.0, self._started_at + number * FRAME_MS / 1000 - now))
        # Opus in WebRTC is stereo (RFC 7587): left to aiortc, the resampler would take 3 dB off.
        frame = AudioFrame(format="s16", layout="stereo", samples=_SAMPLES)
        plane = frame.planes[0]
        plane.update(_stereo(self._next_samples()).ljust(plane.buffer_size, b"\0"))
        frame.pts = number * _SAMPLES
        frame.sample_rate = RATE
        frame.time_base = fractions.Fraction(1, RATE)
        return frame

    def _next_samples(self) -> bytes:
        if not self._queue:
            return _SILENCE
        name, pcm = self._queue[0]
        samples = pcm[self._offset : self._offset + len(_SILENCE)]
        self._offset += len(_SILENCE)
        if self._offset >= len(pcm):
            self._queue.popleft()
            self._offset = 0
            self._played(name)
        return samples.ljust(len(_SILENCE), b"\0")


def _stereo(mono: bytes) -> bytes:
    samples = array("h", mono)
    both = array("h", bytes(len(mono) * 2))
    both[0::2] = samples
    both[1::2] = samples
    return both.tobytes()
