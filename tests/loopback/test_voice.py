"""Voice activity, from energy alone."""

import pytest

from signaller.loopback.tones import note
from signaller.loopback.voice import (
    BYTES_PER_MS,
    MAX_UTTERANCE_MS,
    Listener,
    SpeechStarted,
    SpeechStopped,
    TurnDetection,
    loudness,
    seconds,
)

CHUNK_MS = 20


def silence(ms: int) -> bytes:
    """That much nothing."""
    return bytes(ms * BYTES_PER_MS)


def listen(listener: Listener, sound: bytes) -> list[SpeechStarted | SpeechStopped]:
    """What the listener says to a sound that comes in frames."""
    size = CHUNK_MS * BYTES_PER_MS
    chunks = (sound[start : start + size] for start in range(0, len(sound), size))
    return [change for chunk in chunks if (change := listener.hear(chunk))]


def test_a_turn_is_what_was_said_with_a_little_around_it() -> None:
    """300 ms before the first sound and 100 ms after the last are part of the turn."""
    sound = silence(1000) + note(440, 0.5) + silence(600)
    started, stopped = listen(Listener(TurnDetection()), sound)
    assert started == SpeechStarted(at_ms=700)
    assert isinstance(stopped, SpeechStopped)
    assert stopped.at_ms == 1600
    assert seconds(stopped.pcm) == pytest.approx(0.9)
    assert note(440, 0.5) in stopped.pcm


def test_a_pause_shorter_than_the_limit_does_not_end_a_turn() -> None:
    """Two words with 400 ms between them are one turn."""
    word = note(440, 0.2)
    changes = listen(Listener(TurnDetection()), word + silence(400) + word + silence(600))
    assert [type(change) for change in changes] == [SpeechStarted, SpeechStopped]


def test_a_turn_is_bounded() -> None:
    """Somebody who never pauses is cut after the longest turn."""
    changes = listen(Listener(TurnDetection()), note(440, 16))
    assert isinstance(changes[1], SpeechStopped)
    assert len(changes[1].pcm) == MAX_UTTERANCE_MS * BYTES_PER_MS


def test_quiet_sounds_are_no_speech_unless_asked_for() -> None:
    """The threshold decides."""
    hum = bytes([100, 0] * 24000)
    assert loudness(hum) == pytest.approx(100 / 32768)
    assert listen(Listener(TurnDetection()), hum) == []
    assert listen(Listener(TurnDetection(threshold=0.05)), hum) == [SpeechStarted(at_ms=0)]


def test_without_turn_detection_the_last_seconds_wait_to_be_committed() -> None:
    """No event comes by itself, and the buffer is bounded."""
    listener = Listener(TurnDetection(automatic=False))
    assert listen(listener, note(440, 16)) == []
    assert len(listener.take()) == MAX_UTTERANCE_MS * BYTES_PER_MS
    assert listener.take() == b""


def test_nothing_has_no_loudness() -> None:
    """An empty frame is silence."""
    assert loudness(b"") == 0


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        pytest.param(None, TurnDetection(automatic=False), id="null"),
        pytest.param({"type": "server_vad"}, TurnDetection(), id="defaults"),
        pytest.param(
            {
                "threshold": 0.2,
                "prefix_padding_ms": 0,
                "silence_duration_ms": 200,
                "create_response": False,
                "interrupt_response": False,
            },
            TurnDetection(
                threshold=0.2,
                prefix_padding_ms=0,
                silence_duration_ms=200,
                create_response=False,
                interrupt_response=False,
            ),
            id="all",
        ),
        pytest.param(
            {"threshold": "x", "silence_duration_ms": -1, "prefix_padding_ms": 10**9},
            TurnDetection(),
            id="nonsense",
        ),
    ],
)
def test_turn_detection_is_read_from_the_session(wire: object, expected: TurnDetection) -> None:
    """What is not understood has its default."""
    assert TurnDetection.read(wire) == expected
