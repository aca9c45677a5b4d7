"""The items of a conversation, as many as fit."""

from signaller.loopback.faults import Refusal
from signaller.loopback.reply import text_tokens
from signaller.loopback.session import Json

_MAX_ITEMS = 200  # the oldest leaves, as with the provider's own truncation


class Items:
    """What has been said and written so far, oldest first."""

    def __init__(self) -> None:
        self._items: dict[str, Json] = {}
        self.text_tokens = 0

    @property
    def last_id(self) -> str | None:
        """The newest item's id."""
        return next(reversed(self._items), None)

    def keep(self, item: Json) -> None:
        """Add one at the end."""
        self._items[str(item["id"])] = item
        self.text_tokens += text_tokens(self.text(item))
        if len(self._items) > _MAX_ITEMS:
            self.drop(next(iter(self._items.values())))

    def find(self, item_id: object) -> Json:
        """The item, or a Refusal."""
        item = self._items.get(item_id) if isinstance(item_id, str) else None
        if item is None:
            raise Refusal(
                400,
                "item_not_found",
                "No item with that 'item_id' is in this conversation.",
                param="item_id",
            )
        return item

    def drop(self, item: Json) -> None:
        """Forget one."""
        del self._items[str(item["id"])]
        self.text_tokens -= text_tokens(self.text(item))

    @staticmethod
    def text(item: Json) -> str:
        """The words in an item."""
        content = item.get("content")
        if not isinstance(content, list):
            return ""
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return " ".join(part for part in parts if isinstance(part, str))


def new_item(item_id: str, type: str, fields: Json) -> Json:
    """An item as the server shows it."""
    return {
        **fields,
        "id": item_id,
        "object": "realtime.item",
        "type": type,
        "status": "completed",
    }


def transcription(item_id: str, transcript: str, duration_seconds: float) -> Json:
    """What was heard, as words; billed apart from the response, hence with a usage of its own."""
    return {
        "type": "conversation.item.input_audio_transcription.completed",
        "item_id": item_id,
        "content_index": 0,
        "transcript": transcript,
        "usage": {"type": "duration", "seconds": round(duration_seconds, 2)},
    }
