"""When there is a response, and what it says: one at a time."""

from collections.abc import Iterator

from signaller.loopback import tones
from signaller.loopback.effects import Effect, Hush, Send, Speak
from signaller.loopback.faults import Refusal
from signaller.loopback.items import Items, text_tokens
from signaller.loopback.reply import Cause, Heard, Reply
from signaller.loopback.session import Json, NewId, at
from signaller.loopback.voice import seconds


class Replies:
    """Answers the newest thing said: sound comes back as it was, words with a melody."""

    def __init__(self, items: Items, new_id: NewId) -> None:
        self._items = items
        self._new_id = new_id
        self._reply: Reply | None = None

    @property
    def active(self) -> bool:
        """Whether a response is in progress."""
        return self._reply is not None

    def ask(self, session: Json, event: Json) -> Iterator[Effect]:
        """response.create"""
        if session["type"] != "realtime":
            raise Refusal(400, "invalid_request", "A transcription session does not answer.")
        if self._reply is not None:
            raise Refusal(
                400,
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self._reply.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        wanted = event.get("response")
        yield from self.begin(session, wanted if isinstance(wanted, dict) else {})

    def begin(self, session: Json, wanted: Json) -> Iterator[Effect]:
        """Say something."""
        reply = self._reply = self._compose(session, wanted)
        content = [{"type": "output_text", "text": reply.text}]
        self._items.keep(reply.item_id, "message", {"role": "assistant", "content": content})
        for event in reply.opening():
            yield Send(event)
        if reply.spoken:
            yield Speak(reply_id=reply.id, pcm=reply.pcm)
        else:
            yield from self.spoken(reply.id)

    def spoken(self, reply_id: str) -> Iterator[Effect]:
        """A reply has been played to its end."""
        if self._reply is not None and self._reply.id == reply_id:
            reply, self._reply = self._reply, None
            for event in reply.closing("completed"):
                yield Send(event)

    def cancel(self, event: Json) -> Iterator[Effect]:
        """response.cancel"""
        if self._reply is None or event.get("response_id") not in (None, self._reply.id):
            raise Refusal(
                400,
                "response_cancel_not_active",
                "Cancellation failed: no active response found",
            )
        yield from self.end("client_cancelled")

    def end(self, cause: Cause) -> Iterator[Effect]:
        """Break off, if anything is being said."""
        if self._reply is not None:
            reply, self._reply = self._reply, None
            yield Hush()
            for event in reply.closing("cancelled", cause):
                yield Send(event)

    def _compose(self, session: Json, wanted: Json) -> Reply:
        said = self._items.last_said
        if isinstance(said, bytes):
            text, pcm = f"You spoke for {seconds(said):.1f} seconds.", said
        else:
            text = f"You wrote: {said}" if said else "Hello from this machine."
            pcm = tones.melody()
        modalities = wanted.get("output_modalities") or session.get("output_modalities")
        instructions = str(wanted.get("instructions") or session.get("instructions") or "")
        return Reply(
            id=self._new_id("resp"),
            item_id=self._new_id("item"),
            previous_item_id=self._items.last_id,
            text=text,
            pcm=b"" if modalities == ["text"] else pcm,
            voice=at(session, "audio", "output", "voice"),
            metadata=wanted.get("metadata"),
            heard=Heard(
                text_tokens=text_tokens(instructions) + self._items.text_tokens,
                audio_seconds=self._items.audio_seconds,
            ),
        )
