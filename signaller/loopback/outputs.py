"""The two things that a response can be: words, spoken or written, and a function call."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from signaller.loopback.items import text_tokens
from signaller.loopback.session import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What is said; `pcm` is empty for a text response."""

    text: str
    pcm: bytes

    @property
    def kept(self) -> tuple[str, Json]:
        """The item's type and fields, as the conversation remembers it."""
        content = [{"type": "output_text", "text": self.text}]
        return "message", {"role": "assistant", "content": content}

    @property
    def text_tokens(self) -> int:
        """Of the words."""
        return text_tokens(self.text)

    def item(self, *, done: bool) -> Json:
        """The item as events show it."""
        kind, field = self._part_type()
        part = {"type": f"output_{kind}", field: self.text}
        return {"type": "message", "role": "assistant", "content": [part] if done else []}

    def begins(self, place: Json) -> Iterator[Json]:
        """From the part that is added to its last delta; `place` is where in the response."""
        kind, field = self._part_type()
        place = {**place, "content_index": 0}
        yield {"type": "response.content_part.added", **place, "part": {"type": kind, field: ""}}
        for word in re.findall(r"\S+\s*", self.text):
            yield {"type": f"response.{self._stream()}.delta", **place, "delta": word}

    def ends(self, place: Json) -> Iterator[Json]:
        """What follows the last delta, whether all of it was heard or not."""
        kind, field = self._part_type()
        place = {**place, "content_index": 0}
        if self.pcm:
            yield {"type": "response.output_audio.done", **place}
        yield {"type": f"response.{self._stream()}.done", **place, field: self.text}
        part = {"type": kind, field: self.text}
        yield {"type": "response.content_part.done", **place, "part": part}

    def _stream(self) -> str:
        return "output_audio_transcript" if self.pcm else "output_text"

    def _part_type(self) -> tuple[str, str]:
        return ("audio", "transcript") if self.pcm else ("text", "text")


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCall:
    """A function that the client is asked to run; `arguments` is JSON."""

    name: str
    call_id: str
    arguments: str
    pcm: bytes = b""
    """Nothing is said."""

    @property
    def kept(self) -> tuple[str, Json]:
        """The item's type and fields, as the conversation remembers it."""
        return "function_call", self.item(done=True)

    @property
    def text_tokens(self) -> int:
        """Of the name and the arguments."""
        return text_tokens(self.name + self.arguments)

    def item(self, *, done: bool) -> Json:
        """The item as events show it."""
        return {
            "type": "function_call",
            "name": self.name,
            "call_id": self.call_id,
            "arguments": self.arguments if done else "",
        }

    def begins(self, place: Json) -> Iterator[Json]:
        """The deltas of its arguments; `place` is where in the response."""
        for piece in re.findall(r"(?s).{1,16}", self.arguments):
            yield {
                "type": "response.function_call_arguments.delta",
                **place,
                "call_id": self.call_id,
                "delta": piece,
            }

    def ends(self, place: Json) -> Iterator[Json]:
        """All of its arguments."""
        yield {
            "type": "response.function_call_arguments.done",
            **place,
            "call_id": self.call_id,
            "name": self.name,
            "arguments": self.arguments,
        }


Output = Words | FunctionCall
