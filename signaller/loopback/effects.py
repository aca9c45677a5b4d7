"""What a conversation wants done: events to send, sound to play, silence."""

from dataclasses import dataclass

from signaller.loopback.session import Json


@dataclass(frozen=True, slots=True)
class Send:
    """Tell everybody on the call."""

    event: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Speak:
    """Play this; call `spoken(reply_id)` when it has been heard."""

    reply_id: str
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Hush:
    """Stop playing."""


Effect = Send | Speak | Hush
