"""Function calls, without a network: when one is made, with what, and what becomes of it."""

import itertools
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # no stubs
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from signaller.loopback.effects import Send, Speak
from signaller.loopback.events import Conversation
from signaller.loopback.session import open_session
from signaller.loopback.tones import note
from signaller.loopback.tools import sample
from signaller.loopback.voice import BYTES_PER_MS

ids = itertools.count()
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "unit": {"enum": ["celsius", "fahrenheit"]},
            "days": {"type": "integer"},
        },
        "required": ["city", "unit"],
    },
}
CLOCK = {"type": "function", "name": "clockTime", "parameters": {"type": "object"}}
on_the_wire: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


def new_id(prefix: str) -> str:
    """Ids in order."""
    return f"{prefix}_{next(ids)}"


class Talk:
    """A conversation; all that is said in it is as OpenAI's own library reads it."""

    def __init__(self, **session: object) -> None:
        opened = open_session(
            {"type": "realtime", "tools": [CLOCK, WEATHER], **session}, new_id=new_id
        )
        self._talk = Conversation(opened, new_id=new_id)

    def tell(self, type: str, **event: object) -> list[dict[str, Any]]:
        """The events that answer a client event."""
        return self._events(self._talk.receive(json.dumps({"type": type, **event})))

    def writes(self, text: str) -> None:
        """The user."""
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        self.tell("conversation.item.create", item=item)

    def asks(self, **response: object) -> list[dict[str, Any]]:
        """The events of a response."""
        return self.tell("response.create", response=response)

    def speaks(self) -> list[dict[str, Any]]:
        """The user, for a second; everything that follows from it."""
        sound = note(440, 1.0) + bytes(600 * BYTES_PER_MS)
        size = 20 * BYTES_PER_MS
        chunks = (sound[start : start + size] for start in range(0, len(sound), size))
        return [event for chunk in chunks for event in self._events(self._talk.hear(chunk))]

    def _events(self, effects: list[Any]) -> list[dict[str, Any]]:
        found = [effect.event for effect in effects if isinstance(effect, Send)]
        for event in found:
            on_the_wire.validate_python(event)
        # What is spoken is heard at once.
        for effect in effects:
            if isinstance(effect, Speak):
                found += self._events(self._talk.spoken(effect.reply_id))
        return found


def called(events: list[dict[str, Any]]) -> str | None:
    """The function that a response calls."""
    (done,) = [event for event in events if event["type"] == "response.done"]
    (item,) = done["response"]["output"]
    name: str | None = item.get("name")
    return name


def test_a_function_call_is_told_as_the_provider_tells_it() -> None:
    """Its events in order, its arguments piece by piece, usage, and an item that stays."""
    talk = Talk()
    events = talk.asks(tool_choice={"type": "function", "name": "get_weather"})
    kinds = [event["type"] for event in events]
    deltas = kinds.count("response.function_call_arguments.delta")
    assert deltas > 1
    assert kinds == [
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        *["response.function_call_arguments.delta"] * deltas,
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    added, finished, response = events[1]["item"], events[-2]["item"], events[-1]["response"]
    assert (added["status"], added["arguments"]) == ("in_progress", "")
    assert (finished["status"], finished["name"]) == ("completed", "get_weather")
    assert added["call_id"] == finished["call_id"] == events[-4]["call_id"]
    streamed = "".join(event.get("delta", "") for event in events)
    assert streamed == events[-4]["arguments"] == finished["arguments"]
    assert json.loads(streamed) == {"city": "example", "unit": "celsius"}
    assert response["output"] == [finished]
    assert response["usage"]["output_token_details"] == {
        "text_tokens": response["usage"]["output_tokens"],
        "audio_tokens": 0,
    }
    (kept,) = talk.tell("conversation.item.retrieve", item_id=finished["id"])
    assert kept["item"]["arguments"] == streamed


@pytest.mark.parametrize(
    ("choice", "wrote", "expected"),
    [
        pytest.param("required", "", "clockTime", id="required: the first"),
        pytest.param("required", "And the weather?", "get_weather", id="required: the one meant"),
        pytest.param({"type": "function", "name": "get_weather"}, "", "get_weather", id="named"),
        pytest.param({"type": "function", "name": "nothing"}, "", None, id="named, not there"),
        pytest.param("auto", "What WEATHER is it?", "get_weather", id="auto: a word"),
        pytest.param("auto", "Call get_weather", "get_weather", id="auto: the name"),
        pytest.param("auto", "What time is it?", "clockTime", id="auto: a word in camel case"),
        pytest.param("auto", "Did you get that?", None, id="auto: too short a word"),
        pytest.param("auto", "Sometimes", None, id="auto: a word within a word"),
        pytest.param("none", "Call get_weather", None, id="none"),
    ],
)
def test_who_is_called(choice: object, wrote: str, expected: str | None) -> None:
    """As the session says, or the response, which rules over it."""
    for of_session, of_response in ((choice, {}), ("auto", {"tool_choice": choice})):
        talk = Talk(tool_choice=of_session)
        talk.writes(wrote)
        assert called(talk.asks(**of_response)) == expected


def test_a_response_may_bring_functions_of_its_own() -> None:
    """In the place of the session's."""
    other = {"type": "function", "name": "other"}
    assert called(Talk().asks(tools=[other], tool_choice="required")) == "other"


def test_speech_calls_a_function_that_is_required() -> None:
    """What was said is not understood, so nothing is called by its name."""
    assert called(Talk(tool_choice="required").speaks()) == "clockTime"
    assert called(Talk().speaks()) is None


def test_what_a_function_gave_back_is_quoted() -> None:
    """And not called for again, even where the session requires a call."""
    talk = Talk(tool_choice="required")
    (call,) = [e for e in talk.asks() if e["type"] == "response.function_call_arguments.done"]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "18 degrees"}
    added, _ = talk.tell("conversation.item.create", item=output)
    assert added["item"]["call_id"] == call["call_id"]
    events = talk.asks()
    assert called(events) is None
    (said,) = [e for e in events if e["type"] == "response.output_audio_transcript.done"]
    assert "18 degrees" in said["transcript"]
    assert called(talk.asks(tool_choice="required")) == "clockTime", "unless the response asks so"


@pytest.mark.parametrize("lost", ["call_id", "output"])
def test_an_output_says_whose_and_what(lost: str) -> None:
    """An `error` event names what is missing."""
    item = {"type": "function_call_output", "call_id": "call_1", "output": "x"}
    del item[lost]
    (error,) = Talk().tell("conversation.item.create", item=item)
    assert error["error"]["param"] == f"item.{lost}"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"type": "string"}}},
        {"properties": {"a": {"type": "boolean"}}, "required": ["a"]},
        {"type": "array", "items": {"type": "number"}, "minItems": 1},
        {"type": ["string", "null"], "minLength": 20},
        {"type": "string", "maxLength": 3},
        {"type": "integer", "minimum": 5},
        {"type": "integer", "exclusiveMinimum": 5},
        {"type": "integer", "maximum": -2},
        {"type": "number", "exclusiveMaximum": 0},
        {"type": "integer", "minimum": 0, "maximum": 10},
        {"type": "null"},
        {"const": "x"},
        {"enum": [3, 4]},
        {"type": "string", "default": "y"},
        {"type": "integer", "examples": [7]},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {
            "type": "object",
            "properties": {
                "when": {
                    "type": "object",
                    "properties": {"hours": {"type": "array", "items": {"type": "integer"}}},
                    "required": ["hours"],
                }
            },
            "required": ["when"],
        },
    ],
    ids=json.dumps,
)
def test_sample_arguments_fit_their_schema(schema: dict[str, object]) -> None:
    """As JSON Schema's own library judges."""
    Draft202012Validator(schema).validate(sample(schema))


@pytest.mark.parametrize("schema", [None, [], {"type": 5}, {"type": []}, {"required": [1]}])
def test_a_schema_that_is_none_gives_nothing(schema: object) -> None:
    """And no exception."""
    assert sample(schema) in (None, {})


def test_a_deep_schema_is_not_followed_to_its_end() -> None:
    """Nor does a long one make a long text."""
    deep: dict[str, object] = {"type": "string"}
    for _ in range(500):
        deep = {"type": "array", "items": deep, "minItems": 1000}
    assert len(json.dumps(sample(deep))) < 100
    assert len(str(sample({"type": "string", "minLength": 10**9}))) < 100
