"""The loopback's own voice: short tunes, as 16-bit samples."""

import functools
import math
from array import array

from signaller.loopback.voice import RATE

_LOUDNESS = 0.3
_FADE_SECONDS = 0.02  # without it a note begins and ends with a click
_WORDS_A_ROUND, _MOST_ROUNDS = 3, 10
_E5, _G5, _A5, _C6 = 659.26, 783.99, 880.0, 1046.5


def note(hertz: float, duration_seconds: float) -> bytes:
    """A soft sine."""
    count = int(duration_seconds * RATE)
    fade = _FADE_SECONDS * RATE
    return array(
        "h",
        (
            int(
                32767
                * _LOUDNESS
                * min(1.0, index / fade, (count - index) / fade)
                * math.sin(2 * math.pi * hertz * index / RATE)
            )
            for index in range(count)
        ),
    ).tobytes()


@functools.cache
def greeting() -> bytes:
    """Two rising notes: the line is open."""
    return note(_E5, 0.3) + note(_A5, 0.4)


def melody(text: str) -> bytes:
    """Four notes for every few words: the reply to something that was not spoken.

    About as long as it takes to say them, so that there is time to interrupt.
    """
    rounds = -(-len(text.split()) // _WORDS_A_ROUND)
    return _four_notes() * max(1, min(rounds, _MOST_ROUNDS))


@functools.cache
def _four_notes() -> bytes:
    return note(_A5, 0.2) + note(_C6, 0.2) + note(_G5, 0.2) + note(_E5, 0.4)
