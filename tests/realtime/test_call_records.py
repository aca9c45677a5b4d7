"""Records of calls: sealed for the store, and the object that the API shows."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaller.errors import StoreUnavailable
from signaller.model import (
    CallEntry,
    CallFacts,
    CallState,
    Ending,
    EventKind,
    Kept,
    Told,
    Watching,
)
from signaller.realtime.call_records import CallRecord, CallRecords
from signaller.tokens.jwe import base64url_encode
from tests.support.service import token_key

BEGAN = 1_790_000_000
CALL_ID = "rtc_AbCdEfGhIjKlMnOpQrStUvWx"
OTHER_ID = "rtc_ZbCdEfGhIjKlMnOpQrStUvWx"
SEEN: dict[str, Any] = {
    "supervision": "watched",
    "usage": {"label": "complete", "responses": 2, "input_tokens": 9, "output_tokens": 4},
    "cost": {"usd": "0.0123", "label": "complete"},
    "gaps": [],
    "final": True,
    "heard_until": BEGAN + 6.5,
}
KINDS: tuple[EventKind, ...] = ("call.started", "call.updated", "call.ended")


def facts(**changes: Any) -> CallFacts:
    """Of a call that the provider answered."""
    values: dict[str, Any] = {
        "id": CALL_ID,
        "caller": "web",
        "model": "voice",
        "deployment_id": "d1",
        "upstream_model": "gpt-realtime-2",
        "credential_fingerprint": "c" * 16,
        "grant_id": "g1",
        "metadata": {"customer": "Zoë:7"},
        "started_at": BEGAN,
        "ends_by": BEGAN + 600,
        "limited": True,
        "answered": True,
        "provider_call_id": "rtc_theirs",
        "watching": Watching(mode="required", max_idle_seconds=30),
    }
    return CallFacts(**(values | changes))


LIVE = CallState(ending=None, ended_at=None, ended_by=None)
ASKED = CallState(ending=Ending(by="caller", since=BEGAN + 5), ended_at=None, ended_by=None)
ENDED = CallState(
    ending=Ending(by="caller", since=BEGAN + 5), ended_at=BEGAN + 7, ended_by="caller"
)


def kept(records: CallRecords, record: CallRecord) -> Kept:
    """As the store holds it."""
    its = record.facts
    return Kept(
        entry=CallEntry(
            id=its.id,
            caller=its.caller,
            model=its.model,
            began_at=its.started_at,
            ends_by=its.ends_by,
        ),
        facts=records.seal_facts(its),
        state=records.seal_state(its.id, record.state),
        seen=records.seal_seen(its.id, record.seen),
        live=record.state.ended_at is None,
    )


def told(records: CallRecords, record: CallRecord, kind: EventKind = "call.updated") -> Told:
    """As the feed holds it."""
    return Told(
        id="1-0",
        kind=kind,
        caller=record.facts.caller,
        call_id=record.facts.id,
        body=records.seal_event(kind, record),
    )


@pytest.fixture
def records() -> CallRecords:
    """Of a ring of one key."""
    return CallRecords([token_key()])


def test_a_record_comes_back_whole(records: CallRecords) -> None:
    """All three parts, whatever alphabet metadata is in."""
    record = CallRecord(facts=facts(), state=ASKED, seen=SEEN)
    assert records.open(kept(records, record)) == record


def test_what_nobody_wrote_yet_is_empty(records: CallRecords) -> None:
    """A call that only just began has facts, and no more."""
    bare = replace(
        kept(records, CallRecord(facts=facts(), state=LIVE, seen={})), state=None, seen=None
    )
    assert records.open(bare) == CallRecord(facts=facts(), state=LIVE, seen={})


def test_nothing_of_a_record_can_be_read_in_the_store(records: CallRecords) -> None:
    """Neither the provider's id nor metadata, in the clear or in base64."""
    record = CallRecord(facts=facts(metadata={"customer": "canary-77"}), state=ASKED, seen=SEEN)
    held = kept(records, record)
    event = told(records, record)
    assert held.state
    assert held.seen
    for text in (held.facts, held.state, held.seen, event.body):
        assert not any(
            word in text or base64url_encode(word.encode())[1:-2] in text
            for word in ("canary-77", "rtc_theirs", "0.0123")
        )


def test_keys_rotate_without_losing_a_call() -> None:
    """All keys of the ring open, and only the first seals."""
    old, new = token_key(), token_key()
    record = CallRecord(facts=facts(), state=ENDED, seen=SEEN)
    before, during, after = CallRecords([old]), CallRecords([new, old]), CallRecords([new])
    assert during.open(kept(before, record)) == record
    assert after.open(kept(during, record)) == record
    assert during.open_event(told(before, record)) == record.as_json()
    with pytest.raises(StoreUnavailable):
        after.open(kept(before, record))


def test_every_changed_character_opens_nothing(records: CallRecords) -> None:
    """Each place of each part and of an event, changed, cut off there or doubled."""
    record = CallRecord(facts=facts(), state=ASKED, seen=SEEN)
    held, event = kept(records, record), told(records, record)
    opened: list[tuple[str, Callable[[str], object]]] = [
        (held.facts, lambda text: records.open(replace(held, facts=text))),
        (held.state or "", lambda text: records.open(replace(held, state=text))),
        (held.seen or "", lambda text: records.open(replace(held, seen=text))),
        (event.body, lambda text: records.open_event(replace(event, body=text))),
    ]
    for text, open_ in opened:
        for place in range(len(text)):
            head, tail = text[:place], text[place + 1 :]
            other = "A" if text[place] != "A" else "B"
            for changed in (head + other + tail, head, head + text[place] + text[place:]):
                with pytest.raises(StoreUnavailable):
                    open_(changed)


@given(text=st.text(max_size=60))
def test_whatever_else_lies_there_opens_nothing(text: str) -> None:
    """Any text at all is an error of the store, and none that nobody expected."""
    records = CallRecords([token_key()])
    held = kept(records, CallRecord(facts=facts(), state=LIVE, seen={}))
    for changed in (
        replace(held, facts=text),
        replace(held, state=text),
        replace(held, seen=text),
    ):
        with pytest.raises(StoreUnavailable):
            records.open(changed)


def test_no_part_can_be_moved(records: CallRecords) -> None:
    """Neither to another call nor to another place of the same one."""
    mine = kept(records, CallRecord(facts=facts(), state=LIVE, seen={}))
    other = kept(records, CallRecord(facts=facts(id=OTHER_ID), state=ENDED, seen=SEEN))
    moved = [
        replace(mine, facts=other.facts),
        replace(mine, state=other.state),
        replace(mine, seen=other.seen),
        replace(mine, entry=other.entry),
        replace(mine, state=mine.seen),
        replace(mine, seen=mine.state),
        replace(mine, seen=mine.facts),
    ]
    for changed in moved:
        with pytest.raises(StoreUnavailable):
            records.open(changed)


@pytest.mark.parametrize("change", [{"caller": "two"}, {"model": "dear"}])
def test_an_entry_cannot_say_otherwise(records: CallRecords, change: dict[str, Any]) -> None:
    """What the store finds and counts by is what the sealed facts say."""
    held = kept(records, CallRecord(facts=facts(), state=LIVE, seen={}))
    with pytest.raises(StoreUnavailable):
        records.open(replace(held, entry=replace(held.entry, **change)))


@pytest.mark.parametrize("change", [{"caller": "two"}, {"call_id": OTHER_ID}, {"kind": "call.x"}])
def test_an_event_cannot_be_told_to_others(records: CallRecords, change: dict[str, Any]) -> None:
    """Readers are chosen by the caller that stands beside an event."""
    event = told(records, CallRecord(facts=facts(), state=LIVE, seen={}))
    with pytest.raises(StoreUnavailable):
        records.open_event(replace(event, **change))


def test_what_is_too_long_is_kept_for_nobody(records: CallRecords) -> None:
    """An error of the store, as for a full one."""
    with pytest.raises(StoreUnavailable):
        records.seal_seen(CALL_ID, {"drift": "x" * 300_000})


def test_the_longest_metadata_fits(records: CallRecords) -> None:
    """16 pairs of 64 and 512 characters, each of which JSON escapes."""
    longest = {chr(1) * 62 + f"{number:02}": chr(1) * 512 for number in range(16)}
    record = CallRecord(facts=facts(metadata=longest), state=LIVE, seen=SEEN)
    assert records.open(kept(records, record)) == record
    assert records.open_event(told(records, record))["metadata"] == longest


UNWATCHED = {
    "supervision": "clock",
    "usage": {
        "label": "unknown",
        "responses": None,
        "input_tokens": None,
        "output_tokens": None,
        "input_token_details": None,
        "output_token_details": None,
        "transcription": None,
    },
    "cost": {"usd": None, "label": "unknown"},
    "gaps": [],
}
SETTLED = {
    "id": CALL_ID,
    "object": "realtime.call",
    "caller": "web",
    "model": "voice",
    "deployment": "d1",
    "metadata": {"customer": "Zoë:7"},
    "started_at": BEGAN,
    "ends_by": BEGAN + 600,
}


def test_a_live_call_as_the_api_shows_it() -> None:
    """Without a watch nothing is known of its usage, and nothing is said to be zero."""
    assert CallRecord(facts=facts(), state=LIVE, seen={}).as_json() == {
        **SETTLED,
        "status": "live",
        "ended_at": None,
        "ended_by": None,
        **UNWATCHED,
    }


def test_a_call_whose_end_is_not_confirmed_is_live() -> None:
    """It says who asked for its end, and since when."""
    assert CallRecord(facts=facts(), state=ASKED, seen={}).as_json() == {
        **SETTLED,
        "status": "live",
        "ended_at": None,
        "ended_by": None,
        "ending": {"by": "caller", "since": BEGAN + 5},
        **UNWATCHED,
    }


def test_an_ended_call_as_the_api_shows_it() -> None:
    """With what the watch has seen, and nothing that it keeps for itself."""
    seen = SEEN | {
        "gaps": [{"from": BEGAN + 1, "to": BEGAN + 2}],
        "warnings": [{"at": BEGAN + 3, "reason": "length"}],
        "drift": [{"at": BEGAN + 4, "fields": ["instructions"]}],
    }
    assert CallRecord(facts=facts(), state=ENDED, seen=seen).as_json() == {
        **SETTLED,
        "status": "ended",
        "ended_at": BEGAN + 7,
        "ended_by": "caller",
        **{name: value for name, value in seen.items() if name not in {"final", "heard_until"}},
    }


def test_what_was_seen_before_the_end_is_not_all_of_it() -> None:
    """Until the watch has written its last: partial, with a gap from when it was last heard of."""
    seen = SEEN | {"final": False, "gaps": [{"from": BEGAN + 1, "to": BEGAN + 2}]}
    live = CallRecord(facts=facts(), state=LIVE, seen=seen)
    assert live.as_json()["usage"] == SEEN["usage"]
    shown = replace(live, state=ENDED).as_json()
    assert shown["usage"] == SEEN["usage"] | {"label": "partial"}
    assert shown["cost"] == {"usd": "0.0123", "label": "partial"}
    assert shown["gaps"] == [*seen["gaps"], {"from": BEGAN + 6, "to": BEGAN + 7}]


def test_what_nobody_ever_heard_stays_unknown_at_the_end() -> None:
    """Not partial, which would be more than nothing, and there is no gap in nothing."""
    seen = UNWATCHED | {"final": False, "heard_until": BEGAN + 1.5}
    shown = CallRecord(facts=facts(), state=ENDED, seen=seen).as_json()
    assert {name: shown[name] for name in UNWATCHED} == UNWATCHED


def test_what_is_billed_beyond_what_was_told_is_counted_once() -> None:
    """By kind, and in dollars; and nothing of a call that nobody watched, or that says no kinds."""
    told = SEEN | {"tokens": {"input_text": 3, "output_text": 0}}
    cost = {"usd": "0.02", "label": "complete"}
    known = SEEN | {"cost": cost, "tokens": {"input_text": 5, "output_text": 4}}
    before, after = (CallRecord(facts=facts(), seen=seen).billed for seen in (told, known))
    assert before.as_json() == {"tokens": {"input_text": 3}, "usd": "0.0123"}
    assert after.beyond(before).as_json() == {
        "tokens": {"input_text": 2, "output_text": 4},
        "usd": "0.0077",
    }
    nothing = {"tokens": {}, "usd": "0"}
    unpriced = told | {"cost": UNWATCHED["cost"], "tokens": {}}
    for seen in ({}, SEEN, unpriced):
        assert CallRecord(facts=facts(), seen=seen).billed.as_json() == nothing


def test_an_intent_that_nobody_answered_is_unknown() -> None:
    """Until somebody ends it."""
    intent = facts(answered=False, provider_call_id=None)
    assert CallRecord(facts=intent, state=LIVE, seen={}).as_json()["status"] == "unknown"
    assert CallRecord(facts=intent, state=ENDED, seen={}).as_json()["status"] == "ended"


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_tells_the_same_object(records: CallRecords, kind: EventKind) -> None:
    """The object of the API, for each kind."""
    record = CallRecord(facts=facts(), state=ENDED, seen=SEEN)
    assert records.open_event(told(records, record, kind)) == record.as_json()
