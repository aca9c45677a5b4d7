"""When there is a response, and what it says: one at a time."""

import json
from collections.abc import Callable, Iterator

from signaller.loopback import tones, tools
from signaller.loopback.effects import Effect, Hush, Send, Speak
from signaller.loopback.faults import Refusal
from signaller.loopback.items import Items, Returned, Spoke, Wrote, text_tokens
from signaller.loopback.outputs import FunctionCall, Output, Words
from signaller.loopback.reply import Cause, Heard, Reply
from signaller.loopback.session import Json, NewId, at
from signaller.loopback.voice import seconds


class Replies:
    """Answers the newest thing said: sound comes back as it was, words with a melody.

    Or it calls a function (`tools`); what that gives back is quoted.
    """

    def __init__(self, items: Items, new_id: NewId, heard_ms: Callable[[str], int]) -> None:
        """`heard_ms`: for how long a reply has been playing, by its id."""
        self._items = items
        self._heard_ms = heard_ms
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
        self._items.keep(reply.item_id, *reply.output.kept)
        for event in reply.opening():
            yield Send(event)
        if reply.spoken:
            yield Speak(reply_id=reply.id, pcm=reply.output.pcm)
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
            heard_ms = self._heard_ms(reply.id)
            yield Hush()
            for event in reply.closing("cancelled", cause):
                yield Send(event)
            # The provider's own doing where it hears somebody; clients that cut it off by hand
            # truncate by hand.
            if reply.spoken and cause == "turn_detected":
                yield Send(reply.truncated(heard_ms))

    def _compose(self, session: Json, wanted: Json) -> Reply:
        modalities = wanted.get("output_modalities") or session.get("output_modalities")
        instructions = str(wanted.get("instructions") or session.get("instructions") or "")
        return Reply(
            id=self._new_id("resp"),
            item_id=self._new_id("item"),
            previous_item_id=self._items.last_id,
            output=self._call(session, wanted) or self._words(silent=modalities == ["text"]),
            modalities=modalities,
            voice=at(session, "audio", "output", "voice"),
            metadata=wanted.get("metadata"),
            heard=Heard(
                text_tokens=text_tokens(instructions) + self._items.text_tokens,
                audio_seconds=self._items.audio_seconds,
            ),
        )

    def _call(self, session: Json, wanted: Json) -> Output | None:
        newest = self._items.newest
        choice = wanted.get("tool_choice")
        if choice is None and not isinstance(newest, Returned):
            # What a function gave back is answered: a session that requires a call would never
            # come to an end.
            choice = session.get("tool_choice")
        function = tools.choose(
            wanted.get("tools") or session.get("tools"),
            choice,
            newest.text if isinstance(newest, Wrote) else "",
        )
        if function is None:
            return None
        arguments = tools.sample(function.get("parameters"))
        return FunctionCall(
            name=str(function["name"]),
            call_id=self._new_id("call"),
            arguments=json.dumps(arguments if isinstance(arguments, dict) else {}),
        )

    def _words(self, *, silent: bool) -> Words:
        match self._items.newest:
            case Spoke(pcm):
                return Words(
                    text=f"You spoke for {seconds(pcm):.1f} seconds.", pcm=b"" if silent else pcm
                )
            case Returned(output):
                text = f"The function says: {output}"
            case Wrote(wrote):
                text = f"You wrote: {wrote}"
            case None:
                text = "Hello from this machine."
        return Words(text=text, pcm=b"" if silent else tones.melody(text))
