"""One response of the model: its events from `response.created` to `response.done`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from signaller.loopback.items import text_tokens
from signaller.loopback.session import Json
from signaller.loopback.voice import seconds

Status = Literal["completed", "cancelled"]
Cause = Literal["client_cancelled", "turn_detected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What the model has taken in: the basis of `usage.input_tokens`."""

    text_tokens: int
    audio_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is being said; `pcm` is empty for a text response."""

    id: str
    item_id: str
    previous_item_id: str | None
    text: str
    pcm: bytes
    voice: object
    metadata: object
    heard: Heard

    @property
    def spoken(self) -> bool:
        """Whether there is audio."""
        return bool(self.pcm)

    def opening(self) -> Iterator[Json]:
        """Everything up to the last delta."""
        item = self._item("in_progress", said=False)
        yield {"type": "response.created", "response": self._response("in_progress")}
        yield {"type": "response.output_item.added", **self._place(), "item": item}
        yield {
            "type": "conversation.item.added",
            "previous_item_id": self.previous_item_id,
            "item": item,
        }
        yield {
            "type": "response.content_part.added",
            **self._content(),
            "part": {"type": self._part_type()[0], self._part_type()[1]: ""},
        }
        for word in re.findall(r"\S+\s*", self.text):
            yield {"type": f"response.{self._stream()}.delta", **self._content(), "delta": word}
        if self.spoken:
            yield {"type": "output_audio_buffer.started", "response_id": self.id}

    def closing(self, status: Status, cause: Cause | None = None) -> Iterator[Json]:
        """Everything after the last delta."""
        kind, field = self._part_type()
        if self.spoken:
            yield {"type": "response.output_audio.done", **self._content()}
        yield {"type": f"response.{self._stream()}.done", **self._content(), field: self.text}
        yield {
            "type": "response.content_part.done",
            **self._content(),
            "part": {"type": kind, field: self.text},
        }
        item = self._item("completed" if status == "completed" else "incomplete", said=True)
        yield {
            "type": "conversation.item.done",
            "previous_item_id": self.previous_item_id,
            "item": item,
        }
        yield {"type": "response.output_item.done", **self._place(), "item": item}
        details = {"type": status, "reason": cause} if cause else None
        yield {
            "type": "response.done",
            "response": {
                **self._response(status),
                "status_details": details,
                "output": [item],
                "usage": self._usage(),
            },
        }
        if self.spoken:
            ended = "stopped" if status == "completed" else "cleared"
            yield {"type": f"output_audio_buffer.{ended}", "response_id": self.id}

    def _stream(self) -> str:
        return "output_audio_transcript" if self.spoken else "output_text"

    def _part_type(self) -> tuple[str, str]:
        return ("audio", "transcript") if self.spoken else ("text", "text")

    def _place(self) -> Json:
        return {"response_id": self.id, "output_index": 0}

    def _content(self) -> Json:
        return {**self._place(), "item_id": self.item_id, "content_index": 0}

    def _item(self, status: str, *, said: bool) -> Json:
        kind, field = self._part_type()
        part = {"type": f"output_{kind}", field: self.text}
        return {
            "id": self.item_id,
            "object": "realtime.item",
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": [part] if said else [],
        }

    def _response(self, status: str) -> Json:
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": None,
            "output": [],
            "output_modalities": ["audio" if self.spoken else "text"],
            "audio": {
                "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": self.voice}
            },
            "max_output_tokens": "inf",
            "metadata": self.metadata,
            "usage": None,
        }

    def _usage(self) -> Json:
        # The provider's rates: a token is 100 ms heard, 50 ms spoken.
        audio_in = round(self.heard.audio_seconds * 10)
        audio_out = round(seconds(self.pcm) * 20)
        text_in, text_out = self.heard.text_tokens, text_tokens(self.text)
        return {
            "total_tokens": text_in + audio_in + text_out + audio_out,
            "input_tokens": text_in + audio_in,
            "output_tokens": text_out + audio_out,
            "input_token_details": {
                "text_tokens": text_in,
                "audio_tokens": audio_in,
                "image_tokens": 0,
                "cached_tokens": 0,
                "cached_tokens_details": {
                    "text_tokens": 0,
                    "audio_tokens": 0,
                    "image_tokens": 0,
                },
            },
            "output_token_details": {"text_tokens": text_out, "audio_tokens": audio_out},
        }
