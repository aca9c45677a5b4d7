"""The event protocol of one call: client events and sound in, effects out; no I/O, no clock."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from signaller.loopback import tones
from signaller.loopback.faults import Refusal
from signaller.loopback.items import Items, new_item, transcription
from signaller.loopback.reply import Cause, Heard, Reply, text_tokens
from signaller.loopback.session import Json, NewId, at, merge_session
from signaller.loopback.voice import (
    Listener,
    SpeechStarted,
    SpeechStopped,
    TurnDetection,
    seconds,
)

MAX_EVENT_CHARACTERS = 256 * 1024
"""What SCTP offers as max-message-size, so what a browser can send at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
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


class Conversation:
    """What the provider knows of a call. Every method returns what there is to do about it."""

    def __init__(self, session: Json, *, new_id: NewId) -> None:
        self.session = session
        self._new_id = new_id
        self._listener = Listener(self._turns())
        self._speech_item = ""
        self._items = Items()
        self._last_said: str | bytes = ""
        self._audio_seconds = 0.0
        self._reply: Reply | None = None
        self._takes: dict[str, Callable[[Json], Iterable[Effect]]] = {
            "session.update": self._update,
            "conversation.item.create": self._create_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.truncate": self._truncate_item,
            "conversation.item.delete": self._delete_item,
            "response.create": self._respond_when_asked,
            "response.cancel": self._cancel,
            "output_audio_buffer.clear": self._clear_output,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear_input,
        }

    def opened(self) -> list[Effect]:
        """The data channel opened."""
        return [self._send({"type": "session.created", "session": self.session})]

    def receive(self, text: str) -> list[Effect]:
        """A client event, as it came; whatever is wrong with it becomes an `error` event."""
        event: object = None
        try:
            event = _parse(text)
            take = self._takes.get(str(event["type"]))
            if take is None:
                raise Refusal(
                    400,
                    "invalid_value",
                    f"Invalid value: {str(event['type'])[:60]!r}. Supported values are: "
                    f"{', '.join(repr(name) for name in self._takes)}.",
                    param="type",
                )
            return list(take(event))
        except Refusal as refusal:
            return [self._send(_error(refusal, event))]

    def hear(self, pcm: bytes) -> list[Effect]:
        """The next few milliseconds of what the client says."""
        change = self._listener.hear(pcm)
        if isinstance(change, SpeechStarted):
            return list(self._speech_started(change))
        if isinstance(change, SpeechStopped):
            return list(self._speech_stopped(change))
        return []

    def spoken(self, reply_id: str) -> list[Effect]:
        """A reply has been played to its end."""
        if self._reply is None or self._reply.id != reply_id:
            return []
        reply, self._reply = self._reply, None
        return [self._send(event) for event in reply.closing("completed")]

    def _speech_started(self, started: SpeechStarted) -> Iterator[Effect]:
        self._speech_item = self._new_id("item")
        yield self._send(
            {
                "type": "input_audio_buffer.speech_started",
                "audio_start_ms": started.at_ms,
                "item_id": self._speech_item,
            }
        )
        if self._listener.turns.interrupt_response:
            yield from self._end_reply("turn_detected")

    def _speech_stopped(self, stopped: SpeechStopped) -> Iterator[Effect]:
        yield self._send(
            {
                "type": "input_audio_buffer.speech_stopped",
                "audio_end_ms": stopped.at_ms,
                "item_id": self._speech_item,
            }
        )
        yield from self._take_turn(self._speech_item, stopped.pcm)
        if self._listener.turns.create_response and self._reply is None and self._answers():
            yield from self._respond({})

    def _take_turn(self, item_id: str, pcm: bytes) -> Iterator[Effect]:
        previous = self._items.last_id
        committed = {"item_id": item_id, "previous_item_id": previous}
        yield self._send({"type": "input_audio_buffer.committed", **committed})
        words = f"({seconds(pcm):.1f} seconds of sound)"
        content: Json = {"type": "input_audio", "transcript": None}
        item = new_item(item_id, "message", {"role": "user", "content": [content]})
        self._last_said = pcm
        self._audio_seconds += seconds(pcm)
        yield from self._keep(item)
        yield self._send(transcription(item_id, words, seconds(pcm)))

    def _keep(self, item: Json) -> Iterator[Effect]:
        previous = self._items.last_id
        self._items.keep(item)
        for step in ("added", "done"):
            yield self._send(
                {
                    "type": f"conversation.item.{step}",
                    "previous_item_id": previous,
                    "item": item,
                }
            )

    def _respond_when_asked(self, event: Json) -> Iterator[Effect]:
        if not self._answers():
            raise Refusal(400, "invalid_request", "A transcription session does not answer.")
        if self._reply is not None:
            raise Refusal(
                400,
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self._reply.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        wanted = event.get("response")
        yield from self._respond(wanted if isinstance(wanted, dict) else {})

    def _respond(self, wanted: Json) -> Iterator[Effect]:
        said = self._last_said
        if isinstance(said, bytes):
            text, pcm = f"You spoke for {seconds(said):.1f} seconds.", said
        else:
            text = f"You wrote: {said}" if said else "Hello from this machine."
            pcm = tones.melody()
        modalities = wanted.get("output_modalities") or self.session.get("output_modalities")
        instructions = str(wanted.get("instructions") or self.session.get("instructions") or "")
        reply = Reply(
            id=self._new_id("resp"),
            item_id=self._new_id("item"),
            previous_item_id=self._items.last_id,
            text=text,
            pcm=b"" if modalities == ["text"] else pcm,
            voice=at(self.session, "audio", "output", "voice"),
            metadata=wanted.get("metadata"),
            heard=Heard(
                text_tokens=text_tokens(instructions) + self._items.text_tokens,
                audio_seconds=self._audio_seconds,
            ),
        )
        self._reply = reply
        self._items.keep(
            new_item(
                reply.item_id,
                "message",
                {"role": "assistant", "content": [{"type": "output_text", "text": text}]},
            )
        )
        for event in reply.opening():
            yield self._send(event)
        if reply.spoken:
            yield Speak(reply_id=reply.id, pcm=reply.pcm)
        else:
            yield from self.spoken(reply.id)

    def _cancel(self, event: Json) -> Iterator[Effect]:
        wanted = event.get("response_id")
        if self._reply is None or wanted not in (None, self._reply.id):
            raise Refusal(
                400,
                "response_cancel_not_active",
                "Cancellation failed: no active response found",
            )
        yield from self._end_reply("client_cancelled")

    def _clear_output(self, _event: Json) -> Iterator[Effect]:
        yield from self._end_reply("client_cancelled")

    def _end_reply(self, cause: Cause) -> Iterator[Effect]:
        if self._reply is None:
            return
        reply, self._reply = self._reply, None
        yield Hush()
        for event in reply.closing("cancelled", cause):
            yield self._send(event)

    def _update(self, event: Json) -> Iterator[Effect]:
        changes = event.get("session")
        if not isinstance(changes, dict):
            raise Refusal(
                400,
                "missing_required_parameter",
                "Missing required parameter: 'session'.",
                param="session",
            )
        for fixed in ("type", "model"):
            if fixed in changes and changes[fixed] != self.session.get(fixed):
                raise Refusal(
                    400,
                    f"cannot_update_{fixed}",
                    f"Cannot update a session's {fixed}.",
                    param=f"session.{fixed}",
                )
        self.session = merge_session(self.session, changes)
        self._listener.turns = self._turns()
        yield self._send({"type": "session.updated", "session": self.session})

    def _commit(self, _event: Json) -> Iterator[Effect]:
        pcm = self._listener.take()
        if not pcm:
            raise Refusal(
                400,
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small.",
            )
        yield from self._take_turn(self._new_id("item"), pcm)

    def _clear_input(self, _event: Json) -> Iterator[Effect]:
        self._listener.clear()
        yield self._send({"type": "input_audio_buffer.cleared"})

    def _create_item(self, event: Json) -> Iterator[Effect]:
        wanted = event.get("item")
        if not isinstance(wanted, dict) or not isinstance(wanted.get("type"), str):
            raise Refusal(
                400,
                "missing_required_parameter",
                "Missing required parameter: 'item.type'.",
                param="item.type",
            )
        given = wanted.get("id")
        item = new_item(
            given if isinstance(given, str) else self._new_id("item"), wanted["type"], wanted
        )
        words = Items.text(item)
        if words and item.get("role") == "user":
            self._last_said = words[:200]
        yield from self._keep(item)

    def _retrieve_item(self, event: Json) -> Iterator[Effect]:
        item = self._items.find(event.get("item_id"))
        yield self._send({"type": "conversation.item.retrieved", "item": item})

    def _truncate_item(self, event: Json) -> Iterator[Effect]:
        self._items.find(event.get("item_id"))
        fields = {n: event.get(n) for n in ("item_id", "content_index", "audio_end_ms")}
        yield self._send({"type": "conversation.item.truncated", **fields})

    def _delete_item(self, event: Json) -> Iterator[Effect]:
        item = self._items.find(event.get("item_id"))
        self._items.drop(item)
        yield self._send({"type": "conversation.item.deleted", "item_id": item["id"]})

    def _answers(self) -> bool:
        return self.session["type"] == "realtime"

    def _turns(self) -> TurnDetection:
        return TurnDetection.read(at(self.session, "audio", "input", "turn_detection"))

    def _send(self, event: Json) -> Send:
        return Send(event={**event, "event_id": self._new_id("event")})


def _parse(text: str) -> Json:
    if len(text) > MAX_EVENT_CHARACTERS:
        raise Refusal(400, "string_above_max_length", "The event is too long.")
    try:
        event = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "invalid_json", "The event is not valid JSON.") from error
    if not isinstance(event, dict):
        raise Refusal(400, "invalid_json", "The event must be a JSON object.")
    if not isinstance(event.get("type"), str):
        raise Refusal(
            400,
            "missing_required_parameter",
            "Missing required parameter: 'type'.",
            param="type",
        )
    return event


def _error(refusal: Refusal, event: object) -> Json:
    return {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "code": refusal.code,
            "message": refusal.message,
            "param": refusal.param,
            "event_id": event.get("event_id") if isinstance(event, dict) else None,
        },
    }
