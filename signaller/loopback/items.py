"""The items of a conversation, as many as fit, and the events about them."""

from collections.abc import Iterator
from dataclasses import dataclass

from signaller.loopback.clientevent import missing
from signaller.loopback.effects import Effect, Send
from signaller.loopback.faults import Refusal
from signaller.loopback.session import Json, NewId
from signaller.loopback.voice import seconds

MAX_ITEMS = 200
"""The oldest leaves, as with the provider's own truncation."""
_QUOTED = 200  # characters of what was written that a reply repeats


@dataclass(frozen=True, slots=True)
class Wrote:
    """The user wrote this."""

    text: str


@dataclass(frozen=True, slots=True)
class Spoke:
    """The user said this."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class Returned:
    """A function that was called gave this back."""

    output: str


class Items:
    """What has been said and written so far, oldest first."""

    def __init__(self, new_id: NewId) -> None:
        self._new_id = new_id
        self._items: dict[str, Json] = {}
        self.text_tokens = 0
        self.audio_seconds = 0.0
        self.newest: Wrote | Spoke | Returned | None = None
        """What there is to answer."""

    @property
    def last_id(self) -> str | None:
        """The newest item's id."""
        return next(reversed(self._items), None)

    def keep(self, item_id: str, type: str, fields: Json) -> Json:
        """Add one at the end; it is returned as the server shows it."""
        shown = {"object": "realtime.item", "type": type, "status": "completed"}
        item = {**fields, "id": item_id, **shown}
        self._forget(item_id)
        self._items[item_id] = item
        self.text_tokens += text_tokens(_text(item))
        if len(self._items) > MAX_ITEMS:
            self._forget(next(iter(self._items)))
        return item

    def speech(self, item_id: str, pcm: bytes, *, transcribes: bool) -> Iterator[Effect]:
        """A turn of the user's has been committed; `transcribes`: that is paid for."""
        previous = self.last_id
        self.newest = Spoke(pcm)
        self.audio_seconds += seconds(pcm)
        billed = round(seconds(pcm), 2) if transcribes else 0
        content: Json = {"type": "input_audio", "transcript": None}
        item = self.keep(item_id, "message", {"role": "user", "content": [content]})
        yield Send(
            {
                "type": "input_audio_buffer.committed",
                "item_id": item_id,
                "previous_item_id": previous,
            }
        )
        yield from _added(item, previous)
        # The provider does so only if asked to transcribe; here it shows that sound arrived, and
        # costs nothing then.
        yield Send(
            {
                "type": "conversation.item.input_audio_transcription.completed",
                "item_id": item_id,
                "content_index": 0,
                "transcript": f"({seconds(pcm):.1f} seconds of sound)",
                "usage": {"type": "duration", "seconds": billed},
            }
        )

    def create(self, event: Json) -> Iterator[Effect]:
        """conversation.item.create"""
        wanted = event.get("item")
        kind = wanted.get("type") if isinstance(wanted, dict) else None
        if not isinstance(wanted, dict) or not isinstance(kind, str):
            raise missing("item.type")
        if kind == "function_call_output":
            for name in ("call_id", "output"):
                if not isinstance(wanted.get(name), str):
                    raise missing(f"item.{name}")
        given = wanted.get("id")
        previous = self.last_id
        item = self.keep(given if isinstance(given, str) else self._new_id("item"), kind, wanted)
        if kind == "function_call_output":
            self.newest = Returned(str(item["output"])[:_QUOTED])
        elif item.get("role") == "user" and (words := _text(item)):
            self.newest = Wrote(words[:_QUOTED])
        yield from _added(item, previous)

    def retrieve(self, event: Json) -> Iterator[Effect]:
        """conversation.item.retrieve"""
        yield Send({"type": "conversation.item.retrieved", "item": self._find(event)})

    def truncate(self, event: Json) -> Iterator[Effect]:
        """conversation.item.truncate"""
        self._find(event)
        fields = {name: event.get(name) for name in ("item_id", "content_index", "audio_end_ms")}
        yield Send({"type": "conversation.item.truncated", **fields})

    def delete(self, event: Json) -> Iterator[Effect]:
        """conversation.item.delete"""
        item_id = str(self._find(event)["id"])
        self._forget(item_id)
        yield Send({"type": "conversation.item.deleted", "item_id": item_id})

    def _find(self, event: Json) -> Json:
        item_id = event.get("item_id")
        item = self._items.get(item_id) if isinstance(item_id, str) else None
        if item is None:
            raise Refusal(
                400,
                "item_not_found",
                "No item with that 'item_id' is in this conversation.",
                param="item_id",
            )
        return item

    def _forget(self, item_id: str) -> None:
        item = self._items.pop(item_id, None)
        if item is not None:
            self.text_tokens -= text_tokens(_text(item))


def text_tokens(text: str) -> int:
    """About four characters to a token."""
    return -(-len(text) // 4)


def _added(item: Json, previous_item_id: str | None) -> Iterator[Effect]:
    for step in ("added", "done"):
        yield Send(
            {
                "type": f"conversation.item.{step}",
                "previous_item_id": previous_item_id,
                "item": item,
            }
        )


def _text(item: Json) -> str:
    """All that is written in it."""
    content = item.get("content")
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    texts += [item.get("name"), item.get("arguments"), item.get("output")]
    return " ".join(text for text in texts if isinstance(text, str))
