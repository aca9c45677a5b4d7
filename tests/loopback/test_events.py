"""The event protocol, without a network."""

import itertools
import json

import pytest

from signaller.loopback.clientevent import MAX_CHARACTERS
from signaller.loopback.effects import Effect, Hush, Send, Speak
from signaller.loopback.events import Conversation
from signaller.loopback.items import MAX_ITEMS
from signaller.loopback.session import Json, at, open_session
from signaller.loopback.tones import note
from signaller.loopback.voice import BYTES_PER_MS

ids = itertools.count()
SAY_HI = {
    "type": "conversation.item.create",
    "item": {
        "id": "item_hi",
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "hi"}],
    },
}


def new_id(prefix: str) -> str:
    """Ids in order."""
    return f"{prefix}_{next(ids)}"


def conversation(*, heard_ms: int = 0, **session: object) -> Conversation:
    """A fresh one; of each reply so much has been heard at any time."""
    opened = open_session({"type": "realtime", **session}, new_id=new_id)
    return Conversation(opened, new_id=new_id, heard_ms=lambda _reply: heard_ms)


def events(effects: list[Effect]) -> list[Json]:
    """The events among the effects."""
    return [effect.event for effect in effects if isinstance(effect, Send)]


def tell(talk: Conversation, **event: object) -> list[Json]:
    """The events that answer a client event."""
    return events(talk.receive(json.dumps(event)))


def types(found: list[Json]) -> list[object]:
    """Their types."""
    return [event["type"] for event in found]


def speak(talk: Conversation, tone_seconds: float = 1.0) -> list[Effect]:
    """Everything that follows from a tone and the silence after it."""
    sound = note(440, tone_seconds) + bytes(600 * BYTES_PER_MS)
    size = 20 * BYTES_PER_MS
    return [e for i in range(0, len(sound), size) for e in talk.hear(sound[i : i + size])]


def test_every_event_has_an_id_of_its_own() -> None:
    """Clients tell events apart by it."""
    talk = conversation()
    found = events(talk.opened() + talk.receive(json.dumps(SAY_HI)) + speak(talk))
    assert len({event["event_id"] for event in found}) == len(found) > 10


def test_a_session_update_is_merged() -> None:
    """Members that are not named stay."""
    talk = conversation(model="m")
    [updated] = tell(talk, type="session.update", session={"audio": {"output": {"voice": "cedar"}}})
    assert updated["type"] == "session.updated"
    assert at(updated, "session", "audio", "output", "voice") == "cedar"
    assert at(updated, "session", "audio", "output", "speed") == 1.0
    assert at(updated, "session", "model") == "m"


def test_the_reply_to_text_is_spoken_and_accounted_for() -> None:
    """All events of a response in the provider's order, with usage that adds up."""
    talk = conversation()
    assert types(tell(talk, **SAY_HI)) == ["conversation.item.added", "conversation.item.done"]
    effects = talk.receive('{"type": "response.create"}')
    speech = effects[-1]
    assert isinstance(speech, Speak)
    opening = events(effects)
    assert types(opening) == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        *["response.output_audio_transcript.delta"] * 3,
        "output_audio_buffer.started",
    ]
    closing = events(talk.spoken(speech.reply_id))
    assert types(closing) == [
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "output_audio_buffer.stopped",
    ]
    deltas = "".join(str(event["delta"]) for event in opening if "delta" in event)
    assert deltas == closing[1]["transcript"] == "You wrote: hi"
    usage = at(closing[5], "response", "usage")
    assert isinstance(usage, dict)
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert at(usage, "output_token_details", "audio_tokens") == 20
    assert at(usage, "input_token_details", "cached_tokens_details", "audio_tokens") == 0
    assert talk.spoken(speech.reply_id) == []


def test_a_text_response_is_done_at_once() -> None:
    """`output_modalities: ["text"]` makes no sound."""
    effects = conversation().receive(
        '{"type": "response.create", "response": {"output_modalities": ["text"]}}'
    )
    assert not any(isinstance(effect, Speak) for effect in effects)
    found = types(events(effects))
    assert "response.output_text.delta" in found
    assert found[-1] == "response.done"


def test_speech_becomes_a_turn_and_an_echo() -> None:
    """Voice activity commits, transcribes and answers by itself."""
    effects = speak(conversation())
    assert types(events(effects))[:7] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
    ]
    echo = effects[-1]
    assert isinstance(echo, Speak)
    assert note(440, 1.0) in echo.pcm
    [transcript] = [
        e["part"] for e in events(effects) if e["type"] == "response.content_part.added"
    ]
    assert transcript == {"type": "audio", "transcript": ""}


@pytest.mark.parametrize(
    ("transcription", "billed"),
    [pytest.param(None, False, id="not asked for"), pytest.param({"model": "m"}, True, id="asked")],
)
def test_only_transcriptions_that_were_asked_for_cost_something(
    transcription: object, billed: bool
) -> None:
    """The event comes in any case, so that the page has something to show."""
    talk = conversation(audio={"input": {"transcription": transcription}})
    (usage,) = [
        event["usage"]
        for event in events(speak(talk))
        if event["type"] == "conversation.item.input_audio_transcription.completed"
    ]
    assert isinstance(usage, dict)
    assert (usage["seconds"] > 1) is billed
    assert usage["seconds"] >= 0


def test_speech_interrupts_a_reply() -> None:
    """Barge-in: the reply ends as cancelled, and all know how much of it was heard."""
    talk = conversation(heard_ms=420)
    speak(talk)
    effects = talk.hear(note(440, 0.1))
    assert Hush() in effects
    found = events(effects)
    assert types(found) == [
        "input_audio_buffer.speech_started",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
    ]
    done, cut = found[6], found[8]
    assert at(done, "response", "status") == "cancelled"
    details = {"type": "cancelled", "reason": "turn_detected"}
    assert at(done, "response", "status_details") == details
    assert cut["audio_end_ms"] == 420
    assert cut["item_id"] == at(found[4], "item", "id")
    assert "response.created" in types(events(speak(talk))), "it answers what it was told instead"


def test_speech_lets_a_reply_finish_where_it_is_told_to() -> None:
    """`interrupt_response: false`: the turn begins, and nothing else happens."""
    talk = conversation(audio={"input": {"turn_detection": {"interrupt_response": False}}})
    speak(talk)
    effects = talk.hear(note(440, 0.1))
    assert Hush() not in effects
    assert types(events(effects)) == ["input_audio_buffer.speech_started"]


def test_turns_by_hand() -> None:
    """Without turn detection nothing happens until the client commits and asks."""
    talk = conversation(audio={"input": {"turn_detection": None}})
    assert speak(talk) == []
    assert types(tell(talk, type="input_audio_buffer.commit"))[0] == "input_audio_buffer.committed"
    assert types(tell(talk, type="response.create"))[0] == "response.created"
    talk.hear(note(440, 0.1))
    assert types(tell(talk, type="input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
    [error] = tell(talk, type="input_audio_buffer.commit")
    assert at(error, "error", "code") == "input_audio_buffer_commit_empty"


def test_a_transcription_session_listens_but_does_not_answer() -> None:
    """Turns are transcribed; a response is refused."""
    session = open_session({"type": "transcription"}, new_id=new_id)
    talk = Conversation(session, new_id=new_id)
    assert types(events(speak(talk)))[-1] == "conversation.item.input_audio_transcription.completed"
    assert types(tell(talk, type="response.create")) == ["error"]


def test_a_reply_can_be_cancelled() -> None:
    """By its id or without one; and its output can be cleared."""
    talk = conversation()
    for way in ({"type": "response.cancel"}, {"type": "output_audio_buffer.clear"}):
        talk.receive('{"type": "response.create"}')
        effects = talk.receive(json.dumps(way))
        assert effects[0] == Hush(), "at once"
        done = next(e for e in events(effects) if e["type"] == "response.done")
        assert at(done, "response", "status") == "cancelled"
        assert types(events(effects))[-1] == "output_audio_buffer.cleared"


def test_items_are_retrieved_truncated_and_deleted() -> None:
    """The conversation can be edited."""
    talk = conversation()
    tell(talk, **SAY_HI)
    [retrieved] = tell(talk, type="conversation.item.retrieve", item_id="item_hi")
    assert at(retrieved, "item", "role") == "user"
    [cut] = tell(talk, type="conversation.item.truncate", item_id="item_hi", audio_end_ms=5)
    assert (cut["type"], cut["audio_end_ms"]) == ("conversation.item.truncated", 5)
    [gone] = tell(talk, type="conversation.item.delete", item_id="item_hi")
    assert gone["item_id"] == "item_hi"
    [error] = tell(talk, type="conversation.item.delete", item_id="item_hi")
    assert at(error, "error", "code") == "item_not_found"


def test_a_conversation_is_bounded() -> None:
    """The oldest items leave."""
    talk = conversation()
    tell(talk, **SAY_HI)
    for _ in range(MAX_ITEMS):
        tell(talk, type="conversation.item.create", item={"type": "message"})
    assert types(tell(talk, type="conversation.item.retrieve", item_id="item_hi")) == ["error"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("{", "invalid_json", id="not JSON"),
        pytest.param("[" * 100_000, "invalid_json", id="too deep"),
        pytest.param("[]", "invalid_json", id="no object"),
        pytest.param("{}", "missing_required_parameter", id="no type"),
        pytest.param('{"type": "x"}', "invalid_value", id="unknown type"),
        pytest.param(" " * (MAX_CHARACTERS + 1), "string_above_max_length", id="too long"),
        pytest.param('{"type": "session.update"}', "missing_required_parameter", id="no session"),
        pytest.param(
            '{"type": "session.update", "session": {"model": "x"}}',
            "cannot_update_model",
            id="model",
        ),
        pytest.param(
            '{"type": "session.update", "session": {"x": 1}}', "unknown_parameter", id="unknown"
        ),
        pytest.param(
            '{"type": "conversation.item.create"}', "missing_required_parameter", id="no item"
        ),
        pytest.param(
            '{"type": "response.cancel"}', "response_cancel_not_active", id="nothing to cancel"
        ),
    ],
)
def test_a_bad_event_is_answered_with_an_error(text: str, code: str) -> None:
    """It never ends the call."""
    [error] = events(conversation().receive(text))
    assert error["type"] == "error"
    assert at(error, "error", "code") == code


def test_an_error_names_the_event_and_only_one_response_runs() -> None:
    """The client's own event_id comes back."""
    talk = conversation()
    tell(talk, type="response.create")
    [error] = tell(talk, type="response.create", event_id="mine")
    assert at(error, "error", "event_id") == "mine"
    assert at(error, "error", "code") == "conversation_already_has_active_response"
