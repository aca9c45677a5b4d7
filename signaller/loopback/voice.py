"""Hears when somebody speaks, from the energy of the sound alone; knows no event and no socket."""

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass

RATE = 24_000
"""Samples a second, 16 bits, one channel: the pcm16 of the realtime API."""
BYTES_PER_MS = RATE * 2 // 1000
MAX_UTTERANCE_MS = 15_000
"""A turn never grows beyond this: memory is bounded and the echo stays bearable."""
TAIL_MS = 100
"""Of the silence that ends a turn, what stays: a word's end is quieter than its middle."""
FULL_SCALE_AT_THRESHOLD_ONE = 0.03
"""A headset in a quiet room speaks at 0.05 to 0.2 of full scale, rooms hum below 0.01."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnDetection:
    """When a turn begins and ends; not `automatic`: the client commits by hand."""

    automatic: bool = True
    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    create_response: bool = True
    interrupt_response: bool = True

    @classmethod
    def read(cls, value: object) -> "TurnDetection":
        """From a session's `turn_detection`: null is by hand, what is not understood is default."""
        if not isinstance(value, Mapping):
            return cls(automatic=False)
        threshold = value.get("threshold")
        return cls(
            threshold=threshold if isinstance(threshold, int | float) else cls().threshold,
            prefix_padding_ms=_milliseconds(value.get("prefix_padding_ms"), 300),
            silence_duration_ms=_milliseconds(value.get("silence_duration_ms"), 500),
            create_response=value.get("create_response") is not False,
            interrupt_response=value.get("interrupt_response") is not False,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """Somebody began to speak, `at_ms` of the call's inbound audio."""

    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStopped:
    """Somebody stopped speaking; `pcm` is what they said."""

    at_ms: int
    pcm: bytes


def loudness(pcm: bytes) -> float:
    """The root mean square of 16-bit samples, 0 to 1."""
    samples = array("h", pcm)
    if not samples:
        return 0.0
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples)) / 32768


def seconds(pcm: bytes) -> float:
    """How long it takes to say."""
    return len(pcm) / BYTES_PER_MS / 1000


class Listener:
    """Turns a stream of sound into turns of speech."""

    def __init__(self, turns: TurnDetection) -> None:
        self.turns = turns
        self._buffer = bytearray()
        self._heard_bytes = 0
        self._quiet_bytes = 0
        self._speaking = False

    def hear(self, pcm: bytes) -> SpeechStarted | SpeechStopped | None:
        """Take the next few milliseconds; say what they changed."""
        self._heard_bytes += len(pcm)
        self._buffer += pcm
        if not self.turns.automatic:
            self._speaking = False
            self._keep_last(MAX_UTTERANCE_MS)
            return None
        active = loudness(pcm) > self.turns.threshold * FULL_SCALE_AT_THRESHOLD_ONE
        if self._speaking:
            return self._go_on(len(pcm), active=active)
        self._keep_last(self.turns.prefix_padding_ms + len(pcm) // BYTES_PER_MS)
        if not active:
            return None
        self._speaking, self._quiet_bytes = True, 0
        return SpeechStarted(at_ms=(self._heard_bytes - len(self._buffer)) // BYTES_PER_MS)

    def take(self) -> bytes:
        """What was said since the last turn, by hand; forgets it."""
        pcm = bytes(self._buffer)
        self.clear()
        return pcm

    def clear(self) -> None:
        """Forget what was said since the last turn."""
        self._buffer.clear()
        self._speaking = False

    def _go_on(self, length: int, *, active: bool) -> SpeechStopped | None:
        self._quiet_bytes = 0 if active else self._quiet_bytes + length
        over = self._quiet_bytes >= self.turns.silence_duration_ms * BYTES_PER_MS
        if not over and len(self._buffer) < MAX_UTTERANCE_MS * BYTES_PER_MS:
            return None
        cut = max(0, self._quiet_bytes - TAIL_MS * BYTES_PER_MS)
        pcm = bytes(self._buffer[: len(self._buffer) - cut])
        self.clear()
        return SpeechStopped(at_ms=(self._heard_bytes - cut) // BYTES_PER_MS, pcm=pcm)

    def _keep_last(self, ms: int) -> None:
        del self._buffer[: max(0, len(self._buffer) - ms * BYTES_PER_MS)]


def _milliseconds(value: object, default: int) -> int:
    if not isinstance(value, int) or not 0 <= value <= 10_000:
        return default
    return value
