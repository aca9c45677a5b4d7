"""One response of the model: its events from `response.created` to `response.done`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from signaller.loopback.outputs import Output
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
    """A response with its one output."""

    id: str
    item_id: str
    previous_item_id: str | None
    output: Output
    modalities: object
    voice: object
    metadata: object
    heard: Heard

    @property
    def spoken(self) -> bool:
        """Whether there is audio."""
        return bool(self.output.pcm)

    def opening(self) -> Iterator[Json]:
        """Everything up to the last delta."""
        item = self._item("in_progress")
        yield {"type": "response.created", "response": self._response("in_progress")}
        yield {"type": "response.output_item.added", **self._place(), "item": item}
        yield {
            "type": "conversation.item.added",
            "previous_item_id": self.previous_item_id,
            "item": item,
        }
        yield from self.output.begins(self._item_place())
        if self.spoken:
            yield {"type": "output_audio_buffer.started", "response_id": self.id}

    def closing(self, status: Status, cause: Cause | None = None) -> Iterator[Json]:
        """Everything after the last delta."""
        yield from self.output.ends(self._item_place())
        item = self._item("completed" if status == "completed" else "incomplete")
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

    def truncated(self, heard_ms: int) -> Json:
        """That only so much of what was said has been heard."""
        return {
            "type": "conversation.item.truncated",
            "item_id": self.item_id,
            "content_index": 0,
            "audio_end_ms": heard_ms,
        }

    def _place(self) -> Json:
        return {"response_id": self.id, "output_index": 0}

    def _item_place(self) -> Json:
        return {**self._place(), "item_id": self.item_id}

    def _item(self, status: str) -> Json:
        return {
            "id": self.item_id,
            "object": "realtime.item",
            "status": status,
            **self.output.item(done=status != "in_progress"),
        }

    def _response(self, status: str) -> Json:
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": None,
            "output": [],
            "output_modalities": self.modalities,
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
        audio_out = round(seconds(self.output.pcm) * 20)
        text_in, text_out = self.heard.text_tokens, self.output.text_tokens
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
