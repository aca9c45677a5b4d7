"""What a call has used is a sum that neither order nor repetition changes."""

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from signaller.strict_json import reader, write_json
from signaller.supervision import usage as module
from signaller.supervision.usage import (
    InputTokens,
    Ledger,
    OutputTokens,
    Spent,
    Transcription,
    Usage,
)

COUNTS = st.integers(0, 1000)
MICROSECONDS = st.integers(0, 10**9).map(lambda count: Decimal(count) / 10**6)


def spent(text: int = 1, audio: int = 2) -> Spent:
    """As much went in as came out."""
    return Spent(
        input_tokens=text + audio,
        output_tokens=text + audio,
        input_token_details=InputTokens(text_tokens=text, audio_tokens=audio),
        output_token_details=OutputTokens(text_tokens=text, audio_tokens=audio),
    )


def watching() -> Ledger:
    """A ledger of a call that is watched from its start."""
    ledger = Ledger()
    ledger.watch()
    return ledger


@given(
    responses=st.dictionaries(st.text(), st.builds(spent, COUNTS, COUNTS), max_size=8),
    parts=st.dictionaries(st.text(), MICROSECONDS, max_size=8),
    data=st.data(),
)
def test_order_and_repetition_change_nothing(
    responses: dict[str, Spent], parts: dict[str, Decimal], data: st.DataObject
) -> None:
    """Each response and each transcription counts once."""
    events: list[tuple[str, str]] = [("response", name) for name in responses]
    events += [("part", name) for name in parts]
    again = data.draw(st.lists(st.sampled_from(events), max_size=8)) if events else []
    ledger = watching()
    for kind, name in data.draw(st.permutations(events + again)):
        if kind == "response":
            ledger.started(name)
            ledger.finished(name, responses[name])
        else:
            ledger.transcribed(name, 0, Transcription(seconds=parts[name]))
    total = ledger.usage(over=True)
    assert total.label == "complete"
    assert total.responses == len(responses)
    assert total.input_tokens == sum(each.input_tokens for each in responses.values())
    assert total.output_token_details.audio_tokens == sum(
        each.output_token_details.audio_tokens for each in responses.values()
    )
    assert total.transcription.seconds == sum(parts.values())


def test_nobody_watched_is_unknown_and_never_zero() -> None:
    """Its numbers are null."""
    shown = Ledger().usage().as_json()
    assert shown["label"] == "unknown"
    assert shown["responses"] is shown["input_tokens"] is shown["output_tokens"] is None
    assert shown["transcription"] == {"tokens": None, "seconds": None}


def test_a_call_that_was_watched_and_silent_has_used_nothing() -> None:
    """That is a zero that somebody knows of."""
    shown = watching().usage(over=True).as_json()
    assert (shown["label"], shown["responses"], shown["input_tokens"]) == ("complete", 0, 0)


def test_what_was_heard_without_a_watch_is_partial() -> None:
    """Nobody said since when."""
    ledger = Ledger()
    ledger.started("r")
    ledger.finished("r", spent())
    assert ledger.usage().label == "partial"


def test_a_response_that_began_unheard_makes_it_partial() -> None:
    """Others may have ended then."""
    ledger = watching()
    assert ledger.finished("r", spent())
    assert (ledger.usage().label, ledger.usage().input_tokens) == ("partial", 3)


def test_a_response_that_says_nothing_makes_it_partial() -> None:
    """It is counted, with what it used unknown."""
    ledger = watching()
    ledger.started("r")
    ledger.finished("r", None)
    assert (ledger.usage().label, ledger.usage().responses) == ("partial", 1)
    other = watching()
    other.transcribed("item", 0, None)
    assert other.usage().label == "partial"


def test_a_response_that_never_ended_makes_it_partial_in_the_end() -> None:
    """While the call goes on it may still end."""
    ledger = watching()
    ledger.started("r")
    assert ledger.usage().label == "complete"
    assert ledger.usage(over=True).label == "partial"


def test_a_response_that_is_over_does_not_begin_again() -> None:
    """Its beginning may be told late, or twice."""
    ledger = watching()
    assert ledger.started("r")
    assert not ledger.started("r")
    ledger.finished("r", spent())
    assert not ledger.started("r")
    assert ledger.usage(over=True).label == "complete"


def test_what_is_remembered_is_bounded() -> None:
    """Beyond the bound all is still counted, and labelled for what it is."""
    ledger = watching()
    for number in range(module.MAX_COUNTED + 10):
        ledger.started(f"r{number}")
        ledger.finished(f"r{number}", spent())
    assert len(ledger.counted) == module.MAX_COUNTED
    assert ledger.usage().responses == module.MAX_COUNTED + 10
    assert ledger.usage().label == "partial"
    for number in range(module.MAX_UNFINISHED + 10):
        ledger.started(f"open{number}")
    assert len(ledger.unfinished) == module.MAX_UNFINISHED


@given(names=st.lists(st.text(), max_size=8), cut=st.integers(0, 8))
def test_another_ledger_goes_on_without_counting_twice(names: Sequence[str], cut: int) -> None:
    """From what the first one left, through JSON, with all events once more."""
    first, whole = watching(), watching()
    for name in names:
        whole.started(name)
        whole.finished(name, spent())
    for name in names[:cut]:
        first.started(name)
        first.finished(name, spent())
    kept = reader(Usage)(write_json(first.usage()))
    heir = Ledger(kept, counted=first.counted, unfinished=first.unfinished)
    for name in names:
        heir.started(name)
        heir.finished(name, spent())
    assert heir.usage(over=True) == whole.usage(over=True)


def test_each_token_is_of_one_kind() -> None:
    """Cached ones are not counted among the others, and those without a kind have one."""
    seen = Usage(
        label="complete",
        input_tokens=20,
        output_tokens=9,
        input_token_details=InputTokens(
            text_tokens=5,
            audio_tokens=10,
            cached_tokens=4,
            cached_tokens_details=module.Tokens(audio_tokens=4),
        ),
        output_token_details=OutputTokens(text_tokens=9),
    )
    kinds = seen.by_kind()
    assert sum(kinds.values()) == 29
    assert (kinds["input_audio"], kinds["cached_audio"], kinds["input_other"]) == (6, 4, 5)


def test_it_is_shown_by_the_names_of_the_wire() -> None:
    """So that whoever knows a response's usage knows a call's."""
    shown = Usage(label="complete", transcription=Transcription(tokens=3)).as_json()
    assert list(shown) == [
        *("label", "responses", "input_tokens", "output_tokens"),
        *("input_token_details", "output_token_details", "transcription"),
    ]
    assert shown["input_token_details"] == {
        "text_tokens": 0,
        "audio_tokens": 0,
        "image_tokens": 0,
        "cached_tokens": 0,
        "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
    }
    assert shown["transcription"] == {"tokens": 3, "seconds": 0.0}
