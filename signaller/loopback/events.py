"""The event protocol of one call: client events and sound in, effects out; no I/O, no clock."""

from collections.abc import Callable, Iterable, Iterator

from signaller.loopback import clientevent
from signaller.loopback.effects import Effect, Send
from signaller.loopback.faults import Refusal
from signaller.loopback.items import Items
from signaller.loopback.replies import Replies
from signaller.loopback.session import Json, NewId, at, merge_session
from signaller.loopback.voice import Listener, SpeechStarted, SpeechStopped, TurnDetection


class Conversation:
    """What the provider knows of a call. Every method returns what there is to do about it."""

    def __init__(
        self, session: Json, *, new_id: NewId, heard_ms: Callable[[str], int] = lambda _reply: 0
    ) -> None:
        """`heard_ms`: for how long a reply has been playing, by the id that Speak gave it."""
        self._session = session
        self._new_id = new_id
        self._listener = Listener(_turns(session))
        self._items = Items(new_id)
        self._replies = Replies(self._items, new_id, heard_ms)
        self._speech_item = ""
        self._takes: dict[str, Callable[[Json], Iterable[Effect]]] = {
            "session.update": self._update,
            "conversation.item.create": self._items.create,
            "conversation.item.retrieve": self._items.retrieve,
            "conversation.item.truncate": self._items.truncate,
            "conversation.item.delete": self._items.delete,
            "response.create": lambda event: self._replies.ask(self._session, event),
            "response.cancel": self._replies.cancel,
            "output_audio_buffer.clear": lambda _: self._replies.end("client_cancelled"),
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear_input,
        }

    def opened(self) -> list[Effect]:
        """The data channel opened."""
        return self._stamped([Send({"type": "session.created", "session": self._session})])

    def receive(self, text: str) -> list[Effect]:
        """A client event, as it came; whatever is wrong with it becomes an `error` event."""
        event: Json = {}
        try:
            event = clientevent.parse(text)
            return self._stamped(self._taker(str(event["type"]))(event))
        except Refusal as refusal:
            return self._stamped([clientevent.error(refusal, event)])

    def hear(self, pcm: bytes) -> list[Effect]:
        """The next few milliseconds of what the client says."""
        change = self._listener.hear(pcm)
        if isinstance(change, SpeechStarted):
            return self._stamped(self._speech_started(change))
        if isinstance(change, SpeechStopped):
            return self._stamped(self._speech_stopped(change))
        return []

    def spoken(self, reply_id: str) -> list[Effect]:
        """A reply has been played to its end."""
        return self._stamped(self._replies.spoken(reply_id))

    def _taker(self, type: str) -> Callable[[Json], Iterable[Effect]]:
        take = self._takes.get(type)
        if take is None:
            supported = ", ".join(repr(name) for name in self._takes)
            raise Refusal(
                400,
                "invalid_value",
                f"Invalid value: {type[:60]!r}. Supported values are: {supported}.",
                param="type",
            )
        return take

    def _speech_started(self, started: SpeechStarted) -> Iterator[Effect]:
        self._speech_item = self._new_id("item")
        yield Send(
            {
                "type": "input_audio_buffer.speech_started",
                "audio_start_ms": started.at_ms,
                "item_id": self._speech_item,
            }
        )
        if self._listener.turns.interrupt_response:
            yield from self._replies.end("turn_detected")

    def _speech_stopped(self, stopped: SpeechStopped) -> Iterator[Effect]:
        yield Send(
            {
                "type": "input_audio_buffer.speech_stopped",
                "audio_end_ms": stopped.at_ms,
                "item_id": self._speech_item,
            }
        )
        yield from self._speech(self._speech_item, stopped.pcm)
        answers = self._session["type"] == "realtime" and self._listener.turns.create_response
        if answers and not self._replies.active:
            yield from self._replies.begin(self._session, {})

    def _update(self, event: Json) -> Iterator[Effect]:
        changes = event.get("session")
        if not isinstance(changes, dict):
            raise clientevent.missing("session")
        for fixed in ("type", "model"):
            if fixed in changes and changes[fixed] != self._session.get(fixed):
                raise Refusal(
                    400,
                    f"cannot_update_{fixed}",
                    f"Cannot update a session's {fixed}.",
                    param=f"session.{fixed}",
                )
        self._session = merge_session(self._session, changes)
        self._listener.turns = _turns(self._session)
        yield Send({"type": "session.updated", "session": self._session})

    def _commit(self, _event: Json) -> Iterator[Effect]:
        pcm = self._listener.take()
        if not pcm:
            raise Refusal(
                400,
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small.",
            )
        yield from self._speech(self._new_id("item"), pcm)

    def _speech(self, item_id: str, pcm: bytes) -> Iterator[Effect]:
        asked = at(self._session, "audio", "input", "transcription")
        return self._items.speech(item_id, pcm, transcribes=asked is not None)

    def _clear_input(self, _event: Json) -> Iterator[Effect]:
        self._listener.clear()
        yield Send({"type": "input_audio_buffer.cleared"})

    def _stamped(self, effects: Iterable[Effect]) -> list[Effect]:
        return [
            Send({"event_id": self._new_id("event"), **effect.event})
            if isinstance(effect, Send)
            else effect
            for effect in effects
        ]


def _turns(session: Json) -> TurnDetection:
    return TurnDetection.read(at(session, "audio", "input", "turn_detection"))
