"""A provider's events as text frames: which one it is, and what the few that matter say.

Knows nothing of sockets, nor of what follows from an event. A frame is read as far as it can be:
nothing in it is an exception to whoever asks.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeGuard

from signaller.strict_json import parse_object, write_json
from signaller.supervision.usage import InputTokens, OutputTokens, Spent, Tokens, Transcription

MAX_FRAME_CHARS = 2 * 1024 * 1024
"""Longer frames are not parsed. A client's event has 256 KiB at most (SCTP's message size), three
times as much where each character is escaped, and a session is made of several."""
MAX_TOKENS = 10**9
"""Of one response: a model's context has 128,000."""
MAX_SECONDS = 7200
"""Of one piece of sound: a call lasts an hour."""
MAX_CALLS = 64
"""Functions that one response waits for; models call a handful at once."""
MAX_NAME_CHARS = 256
"""Of what is remembered as it is, ids of calls and names of models: theirs have some 30."""
OUT_OF_CREDIT = "insufficient_quota"
EXPIRED = "session_expired"
_BEGAN, _ENDED = "response.created", "response.done"
_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
OF_USAGE = frozenset({None, _BEGAN, _ENDED, _TRANSCRIBED})
"""Events that tell of usage; None: one of which nobody knows what it was."""
_MICROSECOND = Decimal("0.000001")

# The members before "type" are skipped without being read, as long as they are plain: `event_id`
# in practice. Possessive (`++`), so that no frame makes it try twice.
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_KIND = re.compile(
    rf'\s*+\{{\s*+(?:(?!"type"){_STRING}\s*+:\s*+(?:{_STRING}|[-+.\w]++)\s*+,\s*+){{0,8}}+'
    r'"type"\s*+:\s*+"([^"\\]{1,100})"',
    re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTold:
    """`session.created`, `session.updated`: the session as it is now."""

    session: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseBegan:
    """`response.created`"""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseEnded:
    """`response.done`, however it ended."""

    id: str
    answers: bool
    """It was completed, and there is something in it."""
    calls: tuple[str, ...]
    """The functions that it waits for, by the ids of their calls."""
    spent: Spent | None
    """None: it does not say, or nothing that can be understood."""
    out_of_credit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UserWrote:
    """A text of the user's has become part of the conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionAnswered:
    """So has what a function gave back."""

    call: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcribed:
    """`conversation.item.input_audio_transcription.completed`"""

    item: str
    part: int
    spent: Transcription | None
    """None: as above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoCredit:
    """An `error` that says that the project's money is used up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionOver:
    """An `error` that says that the provider ends the session: its hour is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    """A frame that cannot be read although it may matter; `kind` None: not even what it is."""

    kind: str | None


Event = (
    SessionTold
    | ResponseBegan
    | ResponseEnded
    | UserWrote
    | FunctionAnswered
    | Transcribed
    | NoCredit
    | SessionOver
    | Odd
)


def kind_of(frame: str) -> str | None:
    """The event's `type`, which a glance at the beginning tells, as a rule; None: it has none.

    A frame that says it later is parsed, unless it is longer than MAX_FRAME_CHARS.
    """
    glance = _KIND.match(frame)
    if glance is not None:
        return glance[1]
    try:
        kind = _object(frame).get("type")
    except ValueError:
        return None
    return kind if isinstance(kind, str) else None


def read(frame: str) -> Event | None:
    """What a frame says; None: nothing that matters. Most frames are never parsed, sound above all.

    Speech that starts and sound that is committed (`input_audio_buffer.*`) do not matter either:
    an open microphone in a noisy room does both, with nobody there.
    """
    kind = kind_of(frame)
    if kind is None:
        return Odd(kind=None)
    reader = _READERS.get(kind)
    if reader is None:
        return None
    try:
        return reader(_object(frame))
    except ValueError:
        return Odd(kind=kind)


def system_message(text: str) -> str:
    """The frame that adds a message to a conversation, as from its operator."""
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "system", "content": content}
    return write_json({"type": "conversation.item.create", "item": item}).decode()


def _object(frame: str) -> dict[str, object]:
    if len(frame) > MAX_FRAME_CHARS:
        raise ValueError("the frame is too long")
    return parse_object(frame.encode())


def _session(event: Mapping[str, object]) -> Event:
    session = event.get("session")
    if not isinstance(session, dict):
        raise ValueError("no session")
    return SessionTold(session=session)


def _response_began(event: Mapping[str, object]) -> Event:
    return ResponseBegan(id=_text(_member(event, "response"), "id"))


def _response_ended(event: Mapping[str, object]) -> Event:
    response = _member(event, "response")
    items = response.get("output")
    output = items if isinstance(items, list) else []
    error = _member(_member(response, "status_details"), "error")
    return ResponseEnded(
        id=_text(response, "id"),
        answers=response.get("status") == "completed" and bool(output),
        calls=_calls(output),
        spent=_spent(response.get("usage")),
        out_of_credit=OUT_OF_CREDIT in (error.get("code"), error.get("type")),
    )


def _calls(output: list[object]) -> tuple[str, ...]:
    """The functions that were called; one whose arguments were cut off is none."""
    calls = (
        item.get("call_id")
        for item in output
        if isinstance(item, dict)
        and item.get("type") == "function_call"
        and item.get("status") in (None, "completed")
    )
    return tuple(call for call in calls if _is_name(call))[:MAX_CALLS]


def _item(event: Mapping[str, object]) -> Event | None:
    item = _member(event, "item")
    if item.get("type") == "function_call_output":
        return FunctionAnswered(call=_text(item, "call_id"))
    content = item.get("content")
    if item.get("role") != "user" or not isinstance(content, list):
        return None
    texts = (part.get("text") for part in content if isinstance(part, dict))
    wrote = any(isinstance(text, str) and text.strip() for text in texts)
    return UserWrote() if wrote else None


def _transcribed(event: Mapping[str, object]) -> Event:
    return Transcribed(
        item=_text(event, "item_id"),
        part=_count(event, "content_index"),
        spent=_transcription(event.get("usage")),
    )


def _error(event: Mapping[str, object]) -> Event | None:
    error = _member(event, "error")
    if error.get("code") == EXPIRED:
        return SessionOver()
    return NoCredit() if OUT_OF_CREDIT in (error.get("code"), error.get("type")) else None


_READERS: Mapping[str, Callable[[Mapping[str, object]], Event | None]] = {
    "session.created": _session,
    "session.updated": _session,
    _BEGAN: _response_began,
    _ENDED: _response_ended,
    "conversation.item.added": _item,
    "conversation.item.created": _item,  # the older name for the same
    _TRANSCRIBED: _transcribed,
    "error": _error,
}


def _spent(usage: object) -> Spent | None:
    if not isinstance(usage, dict):
        return None
    told, out = usage.get("input_token_details"), usage.get("output_token_details")
    if not (isinstance(told, dict) and isinstance(out, dict)) and not (
        usage.keys() >= {"input_tokens", "output_tokens"}
    ):
        return None  # nothing to go by
    try:
        input_details, output_details = _input_tokens(usage), _output_tokens(usage)
        named = input_details.text_tokens + input_details.audio_tokens + input_details.image_tokens
        said = output_details.text_tokens + output_details.audio_tokens
        return Spent(
            input_tokens=max(_count(usage, "input_tokens"), named),
            output_tokens=max(_count(usage, "output_tokens"), said),
            input_token_details=input_details,
            output_token_details=output_details,
        )
    except ValueError:
        return None


def _input_tokens(usage: Mapping[str, object]) -> InputTokens:
    told = _member(usage, "input_token_details")
    cached = _member(told, "cached_tokens_details")
    details = Tokens(
        text_tokens=_count(cached, "text_tokens"),
        audio_tokens=_count(cached, "audio_tokens"),
        image_tokens=_count(cached, "image_tokens"),
    )
    return InputTokens(
        text_tokens=_count(told, "text_tokens"),
        audio_tokens=_count(told, "audio_tokens"),
        image_tokens=_count(told, "image_tokens"),
        cached_tokens=max(_count(told, "cached_tokens"), details.total),
        cached_tokens_details=details,
    )


def _output_tokens(usage: Mapping[str, object]) -> OutputTokens:
    told = _member(usage, "output_token_details")
    return OutputTokens(
        text_tokens=_count(told, "text_tokens"), audio_tokens=_count(told, "audio_tokens")
    )


def _transcription(usage: object) -> Transcription | None:
    """Both of its shapes: `tokens` and `duration`."""
    if not isinstance(usage, dict):
        return None
    try:
        if usage.get("type") == "duration":
            return Transcription(seconds=_seconds(usage.get("seconds")))
        if usage.get("type") == "tokens" and usage.keys() >= {"input_tokens", "output_tokens"}:
            return _transcription_tokens(usage)
    except ValueError:
        return None
    return None


def _transcription_tokens(usage: Mapping[str, object]) -> Transcription:
    told, output = _member(usage, "input_token_details"), _count(usage, "output_tokens")
    text, audio = _count(told, "text_tokens"), _count(told, "audio_tokens")
    return Transcription(
        tokens=max(_count(usage, "input_tokens"), text + audio) + output,
        input_text_tokens=text,
        input_audio_tokens=audio,
        output_tokens=output,
    )


def _member(parent: Mapping[str, object], name: str) -> Mapping[str, object]:
    """An object within an object; whatever else is there is as good as nothing."""
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME_CHARS


def _text(parent: Mapping[str, object], name: str) -> str:
    value = parent.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"no {name}")
    return value


def _count(parent: Mapping[str, object], name: str) -> int:
    """A number of tokens; 0 where it is missing. ValueError for what is none."""
    value = parent.get(name)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_TOKENS:
        raise ValueError(f"{name} is no number of tokens")
    return value


def _seconds(value: object) -> Decimal:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError("no seconds")
    if not 0 <= value <= MAX_SECONDS:
        raise ValueError("seconds out of range")
    return Decimal(str(value)).quantize(_MICROSECOND)
