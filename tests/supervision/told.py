"""A provider's events as it sends them, for tests."""

import json
from collections.abc import Mapping, Sequence


def told(kind: str, **members: object) -> str:
    """Any event, as a frame."""
    return json.dumps({"type": kind, "event_id": "event_1", **members})


def began(response_id: str) -> str:
    """response.created"""
    return told("response.created", response={"id": response_id, "status": "in_progress"})


def usage(
    *,
    text_in: int = 0,
    audio_in: int = 0,
    image_in: int = 0,
    cached_text: int = 0,
    cached_audio: int = 0,
    cached_image: int = 0,
    text_out: int = 0,
    audio_out: int = 0,
) -> dict[str, object]:
    """What a response has used; the cached tokens are among those that went in."""
    return {
        "total_tokens": text_in + audio_in + image_in + text_out + audio_out,
        "input_tokens": text_in + audio_in + image_in,
        "output_tokens": text_out + audio_out,
        "input_token_details": {
            "text_tokens": text_in,
            "audio_tokens": audio_in,
            "image_tokens": image_in,
            "cached_tokens": cached_text + cached_audio + cached_image,
            "cached_tokens_details": {
                "text_tokens": cached_text,
                "audio_tokens": cached_audio,
                "image_tokens": cached_image,
            },
        },
        "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out},
    }


MESSAGE = {"type": "message", "role": "assistant", "status": "completed", "content": []}


def function_call(call_id: str, status: str = "completed") -> dict[str, object]:
    """An item of a response that calls a function."""
    return {"type": "function_call", "call_id": call_id, "status": status, "arguments": "{}"}


def done(
    response_id: str,
    *,
    spent: Mapping[str, object] | None = None,
    status: str = "completed",
    output: Sequence[Mapping[str, object]] = (MESSAGE,),
    details: object = None,
) -> str:
    """response.done"""
    return told(
        "response.done",
        response={
            "id": response_id,
            "status": status,
            "status_details": details,
            "output": list(output),
            "usage": usage(text_in=10, audio_out=20) if spent is None else spent,
        },
    )


def wrote(text: str = "Hello?", role: str = "user") -> str:
    """A message that somebody has added."""
    content = [{"type": "input_text", "text": text}]
    return told(
        "conversation.item.added", item={"type": "message", "role": role, "content": content}
    )


def spoke() -> tuple[str, ...]:
    """All that a microphone does on its own."""
    item = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_audio", "transcript": None}],
    }
    return (
        told("input_audio_buffer.speech_started", audio_start_ms=1, item_id="item_1"),
        told("input_audio_buffer.speech_stopped", audio_end_ms=2, item_id="item_1"),
        told("input_audio_buffer.committed", item_id="item_1"),
        told("conversation.item.added", item=item),
        told("conversation.item.done", item=item),
    )


def function_answered(call_id: str) -> str:
    """The output of a function."""
    item = {"type": "function_call_output", "call_id": call_id, "output": "{}"}
    return told("conversation.item.added", item=item)


def transcribed(item_id: str, spent: object, part: int = 0) -> str:
    """A user's words were written down."""
    kind = "conversation.item.input_audio_transcription.completed"
    return told(kind, item_id=item_id, content_index=part, transcript="...", usage=spent)


def session(kind: str = "session.updated", /, **members: object) -> str:
    """A session as it is now."""
    return told(kind, session={"type": "realtime", **members})
