"""What is told by a provider's frames, and how little of them is read."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaller.realtime.session_prints import transcription_model
from signaller.supervision import frames
from signaller.supervision.frames import (
    FunctionAnswered,
    NoCredit,
    Odd,
    ResponseBegan,
    ResponseEnded,
    SessionTold,
    Transcribed,
    UserWrote,
    kind_of,
    read,
    system_message,
)
from signaller.supervision.usage import InputTokens, OutputTokens, Spent, Tokens, Transcription
from tests.supervision.told import (
    MESSAGE,
    began,
    done,
    function_answered,
    function_call,
    session,
    spoke,
    told,
    transcribed,
    usage,
    wrote,
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)
KINDS = ("response.done", "session.updated", "error", "response.created", "conversation.item.added")


@given(
    before=st.dictionaries(st.text(), VALUES),
    after=st.dictionaries(st.text(), VALUES),
    kind=st.text(min_size=1, max_size=100),
    indent=st.sampled_from([None, 1]),
)
def test_an_event_says_what_it_is_wherever_it_says_so(
    before: dict[str, object], after: dict[str, object], kind: str, indent: int | None
) -> None:
    """At the beginning, after other members, in any spelling of JSON."""
    event = {name: value for name, value in before.items() if name != "type"}
    event |= {"type": kind}
    event |= {name: value for name, value in after.items() if name not in event}
    for ascii_only in (True, False):
        text = json.dumps(event, indent=indent, ensure_ascii=ascii_only)
        assert kind_of(text) == kind


@given(st.text() | VALUES.map(json.dumps))
def test_no_frame_is_an_exception(text: str) -> None:
    """What is no event, and no JSON, is odd or means nothing."""
    if kind_of(text) is None:
        assert read(text) == Odd(kind=None)


@given(st.sampled_from(KINDS), st.dictionaries(st.text(), VALUES))
def test_no_event_is_an_exception(kind: str, members: dict[str, object]) -> None:
    """Members may be missing, or be anything."""
    read(json.dumps({**members, "type": kind}))
    for name in ("response", "session", "item", "error", "usage"):
        read(json.dumps({"type": kind, name: members}))


@given(VALUES)
def test_no_response_is_an_exception(value: object) -> None:
    """Nor anything within one; an odd usage is one that nobody knows."""
    for name in ("usage", "output", "status", "status_details"):
        event = read(json.dumps({"type": "response.done", "response": {"id": "r", name: value}}))
        assert isinstance(event, ResponseEnded)
        assert event.spent is None


def test_sound_is_never_parsed() -> None:
    """A frame of sound says what it is at once: what follows need not even be JSON."""
    broken = '{"event_id": "event_1", "type": "response.output_audio.delta", "delta": "AAAA'
    assert kind_of(broken) == "response.output_audio.delta"
    assert read(broken) is None
    assert read('{"type":"session.input_audio.delta","delta":"AAAA') is None


def test_a_frame_that_is_too_long_is_not_parsed() -> None:
    """It is odd where it might matter, and nothing where it does not."""
    long = "x" * frames.MAX_FRAME_CHARS
    assert read(wrote(long)) == Odd(kind="conversation.item.added")
    assert read(told("response.output_audio.delta", delta=long)) is None
    assert read(json.dumps({"item": {"text": long}, "type": "x"})) == Odd(kind=None)


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "[]", "{}", '"type"', '{"type": 7}', "{" * 100_000),
        '{"type": "response.done"} and more',
        '{"type": "response.done", "response": {"id": "r", "x": "\\ud800"}}',
        '{"type": "session.updated", "session": ' + "[" * 70 + "]" * 70 + "}",
    ],
)
def test_what_cannot_be_read_is_odd(text: str) -> None:
    """Whatever is wrong with it."""
    assert isinstance(read(text), Odd)


def test_the_few_events_that_matter_are_read() -> None:
    """Each as one small value."""
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]}
    assert read(began("r")) == ResponseBegan(id="r")
    assert read(wrote("Hello?")) == UserWrote()
    assert read(told("conversation.item.created", item=item)) == UserWrote()
    assert read(function_answered("call_1")) == FunctionAnswered(call="call_1")
    assert read(session(instructions="x")) == SessionTold(
        session={"type": "realtime", "instructions": "x"}
    )
    assert read(told("error", error={"code": "insufficient_quota"})) == NoCredit()


def test_what_nobody_said_is_no_text_of_the_users() -> None:
    """Sound, spaces, and the words of others; our own warning among them."""
    assert [read(frame) for frame in spoke()] == [None] * 5
    assert [read(wrote(" ")), read(wrote(role="assistant")), read(wrote(role="system"))] == [
        None
    ] * 3
    message = json.loads(system_message("Say goodbye."))
    assert message["type"] == "conversation.item.create"
    assert read(told("conversation.item.added", item=message["item"])) is None


def test_other_errors_and_limits_mean_nothing_here() -> None:
    """They are the client's."""
    assert read(told("error", error={"code": "invalid_value"})) is None
    assert read(told("rate_limits.updated", rate_limits=[])) is None


def test_a_response_says_what_it_used() -> None:
    """Text, sound and images, and what of them was cached."""
    spent = usage(text_in=5, audio_in=7, image_in=3, cached_audio=2, text_out=1, audio_out=9)
    event = read(done("r", spent=spent))
    assert event == ResponseEnded(
        id="r",
        answers=True,
        calls=(),
        spent=Spent(
            input_tokens=15,
            output_tokens=10,
            input_token_details=InputTokens(
                text_tokens=5,
                audio_tokens=7,
                image_tokens=3,
                cached_tokens=2,
                cached_tokens_details=Tokens(audio_tokens=2),
            ),
            output_token_details=OutputTokens(text_tokens=1, audio_tokens=9),
        ),
        out_of_credit=False,
    )


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"input_tokens": 5},
        {**usage(), "output_tokens": -1},
        {**usage(), "input_tokens": 10**400},
    ],
)
def test_an_odd_usage_is_none(odd: dict[str, object]) -> None:
    """It would be a number that nobody can vouch for."""
    event = read(done("r", spent=odd))
    assert isinstance(event, ResponseEnded)
    assert event.spent is None


@pytest.mark.parametrize(
    ("status", "output", "answers"),
    [
        ("completed", (MESSAGE,), True),
        ("completed", (), False),
        ("cancelled", (MESSAGE,), False),
        ("failed", (), False),
    ],
)
def test_an_answer_is_complete_and_has_something_in_it(
    status: str, output: tuple[dict[str, object], ...], answers: bool
) -> None:
    """A response that noise has begun and more noise has cancelled is none."""
    event = read(done("r", status=status, output=output))
    assert isinstance(event, ResponseEnded)
    assert event.answers is answers


def test_functions_that_were_called_are_known_by_their_calls() -> None:
    """One whose arguments were cut off is none, and there is an end to their number."""
    output = (function_call("a"), function_call("b", "incomplete"), function_call("x" * 300))
    event = read(done("r", output=output))
    assert isinstance(event, ResponseEnded)
    assert event.calls == ("a",)
    many = read(done("r", output=[function_call(str(n)) for n in range(1000)]))
    assert isinstance(many, ResponseEnded)
    assert len(many.calls) == frames.MAX_CALLS


def test_a_project_without_credit_is_noticed() -> None:
    """The provider says so in the details of a response that failed."""
    details = {"type": "failed", "error": {"type": "insufficient_quota", "code": None}}
    event = read(done("r", status="failed", output=(), details=details))
    assert isinstance(event, ResponseEnded)
    assert event.out_of_credit


TOKENS = {
    "type": "tokens",
    "input_tokens": 14,
    "output_tokens": 45,
    "total_tokens": 59,
    "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
}


@pytest.mark.parametrize(
    ("said", "spent"),
    [
        (
            TOKENS,
            Transcription(tokens=59, input_text_tokens=4, input_audio_tokens=10, output_tokens=45),
        ),
        ({"type": "duration", "seconds": 1.1}, Transcription(seconds=Decimal("1.1"))),
        ({"type": "duration", "seconds": 3}, Transcription(seconds=Decimal(3))),
        ({"type": "duration", "seconds": -1}, None),
        ({"type": "duration", "seconds": True}, None),
        ({"type": "duration"}, None),
        ({"type": "tokens"}, None),
        ({"type": "words", "words": 3}, None),
        (None, None),
    ],
)
def test_transcription_says_what_it_used_in_either_shape(
    said: object, spent: Transcription | None
) -> None:
    """By tokens or by time; anything else is not known."""
    assert read(transcribed("item_1", said)) == Transcribed(item="item_1", part=0, spent=spent)


@pytest.mark.parametrize(
    ("members", "model"),
    [
        ({"audio": {"input": {"transcription": {"model": "whisper-1"}}}}, "whisper-1"),
        ({"input_audio_transcription": {"model": "whisper-1"}}, "whisper-1"),
        ({"audio": {"input": {"transcription": None}}}, None),
        ({"audio": {"input": {"transcription": {"model": 7}}}}, None),
        ({"audio": []}, None),
    ],
)
def test_the_transcriber_is_found_in_both_places(
    members: dict[str, object], model: str | None
) -> None:
    """Where OpenAI has it now, and where it was, which Azure takes."""
    assert transcription_model(members) == model
