"""What is decided about a watched call: its end, its warnings, its gaps, who goes on with it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaller.model import Watching
from signaller.realtime.session_prints import told_of
from signaller.supervision import machine
from signaller.supervision.frames import Odd
from signaller.supervision.machine import (
    Changed,
    CreditLow,
    Effect,
    HangUp,
    Machine,
    Missed,
    Note,
    Rules,
    Warn,
)
from signaller.supervision.prices import our_prices
from signaller.supervision.seen import Gap, Seen, from_record
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
    wrote,
)

LIST = our_prices()
START = 1_000_000.0
HOUR = START + 3600


def rules(**given: Any) -> Rules:
    """Rules without a limit, but for those given."""
    return Rules(**{"ends_by": HOUR, "limited": False, **given})


def begin(
    rules: Rules,
    *,
    attach: bool = True,
    session: Mapping[str, object] | None = None,
    forced: Mapping[str, object] | None = None,
    **given: Any,
) -> Machine:
    """A call that is answered at START, and attached then.

    `session`: as it was minted, some fields of it `forced` by a policy.
    """
    terms = told_of(Watching(session_drift="note"), session or {}, forced or {})
    rules = replace(rules, fields=tuple(terms.session))
    call = Machine.begin(
        rules,
        now=START,
        prints=terms.session,
        transcriber=terms.transcriber,
        prices=LIST.of("gpt-realtime-2"),
        price_list=LIST,
        **given,
    )
    if attach:
        call.attached(START)
    return call


def resume(rules: Rules, seen: Seen, heir: str = "b") -> Machine:
    """The same call at another replica, out of its record."""
    return Machine.resume(
        rules,
        from_record(seen.to_record()),
        heir=heir,
        prices=LIST.of("gpt-realtime-2"),
        price_list=LIST,
    )


def answer(call: Machine, now: float, name: str = "r") -> None:
    """A response with something in it."""
    call.frame(began(name), now)
    call.frame(done(name), now)


def run(call: Machine, until: float, *, since: float = START) -> list[tuple[float, Effect]]:
    """Tick each half second; what came of it, and when after the start."""
    effects = []
    for step in range(int((until - since) * 2) + 1):
        now = since + step / 2
        effects += [(now - START, effect) for effect in call.tick(now)]
    return effects


def hung_up(call: Machine, until: float = HOUR) -> float | None:
    """When it is hung up, in seconds after the start."""
    ends = [at for at, effect in run(call, until) if isinstance(effect, HangUp)]
    assert len(ends) <= 1
    return ends[0] if ends else None


def test_a_call_ends_at_its_longest() -> None:
    """Once, whether anybody listens or not."""
    for attach in (True, False):
        call = begin(rules(limited=True, ends_by=START + 20), attach=attach)
        assert run(call, START + 30) == [(20, HangUp(by="length"))]


def test_the_providers_own_hour_is_the_providers() -> None:
    """No policy asks for that end."""
    assert hung_up(begin(rules()), HOUR + 10) is None


def test_silence_ends_a_call() -> None:
    """So long after it is attached, and so long after whatever mattered last."""
    assert hung_up(begin(rules(max_idle_seconds=30))) == 30
    for something in (
        lambda call: answer(call, START + 20),
        lambda call: call.frame(wrote(), START + 20),
    ):
        call = begin(rules(max_idle_seconds=30))
        something(call)
        assert hung_up(call) == 50


def test_a_noisy_microphone_is_silence() -> None:
    """Speech that starts, sound that is committed and answers that are cancelled do not matter."""
    call = begin(rules(max_idle_seconds=30))
    for second in range(30):
        for frame in spoke():
            call.frame(frame, START + second)
        call.frame(began(f"r{second}"), START + second)
        call.frame(done(f"r{second}", status="cancelled"), START + second)
        call.frame(began(f"e{second}"), START + second)
        call.frame(done(f"e{second}", output=()), START + second)
    assert hung_up(call) == 30


def test_an_answer_that_is_told_again_does_not_matter_again() -> None:
    """It was one answer."""
    call = begin(rules(max_idle_seconds=30))
    answer(call, START + 5)
    answer(call, START + 25)
    assert hung_up(call) == 35


def function(call: Machine, now: float, *ids: str) -> None:
    """A response that calls functions."""
    call.frame(began("f"), now)
    call.frame(done("f", output=[MESSAGE, *map(function_call, ids)]), now)


def test_silence_pauses_while_a_function_runs() -> None:
    """Until all of them have answered; their time does not count."""
    call = begin(rules(max_idle_seconds=30))
    function(call, START + 10, "a", "b")
    call.frame(function_answered("a"), START + 100)
    assert run(call, START + 200, since=START + 100) == []
    call.frame(function_answered("b"), START + 200)
    assert hung_up(call) == 230


def test_the_next_response_ends_a_pause() -> None:
    """Whether or not the function has answered."""
    call = begin(rules(max_idle_seconds=30))
    function(call, START + 10, "a")
    call.frame(began("next"), START + 100)
    assert hung_up(call) == 130


def test_a_pause_has_an_end() -> None:
    """A function that has not answered by then will not."""
    call = begin(rules(max_idle_seconds=30))
    function(call, START + 10, "a")
    assert hung_up(call) == 10 + 600 + 30


def test_what_matters_during_a_pause_does_not_end_it() -> None:
    """The user writes something, and the function goes on."""
    call = begin(rules(max_idle_seconds=30))
    function(call, START + 10, "a")
    call.frame(wrote(), START + 100)
    call.frame(function_answered("a"), START + 200)
    assert hung_up(call) == 230


def test_nobody_is_hung_up_for_silence_that_nobody_heard() -> None:
    """Without a sideband; and after a gap silence counts anew."""
    call = begin(rules(max_idle_seconds=30), attach=False)
    assert hung_up(call) is None
    call.attached(START + 100)
    call.lost(START + 110)
    assert run(call, START + 500, since=START + 110) == []
    call.attached(START + 500)
    assert hung_up(call) == 530


def test_each_end_is_announced_once() -> None:
    """Before the longest and before silence, with words for the model."""
    call = begin(
        rules(
            limited=True,
            ends_by=START + 100,
            max_idle_seconds=60,
            warn_seconds=10,
            warn_with="Say goodbye.",
        )
    )
    effects = run(call, START + 45)
    answer(call, START + 45)
    effects += run(call, START + 110, since=START + 45)
    assert [
        (at, type(each), getattr(each, "reason", getattr(each, "by", None)))
        for at, each in effects
        if not isinstance(each, Changed)
    ] == [
        (90, Warn, "length"),
        (95, Warn, "idle"),
        (100, HangUp, "length"),
    ]
    warn = effects[0][1]
    assert isinstance(warn, Warn)
    item = json.loads(warn.text or "")["item"]
    assert (item["role"], item["content"][0]["text"]) == ("system", "Say goodbye.")
    assert call.seen(START + 110).as_json()["warnings"] == [
        {"at": START + 90, "reason": "length"},
        {"at": START + 95, "reason": "idle"},
    ]


def test_a_warning_of_silence_comes_again_after_something_mattered() -> None:
    """And not before."""
    call = begin(rules(max_idle_seconds=60, warn_seconds=10))
    first = run(call, START + 55)
    answer(call, START + 55)
    again = run(call, START + 120, since=START + 55)
    assert [at for at, each in first + again if isinstance(each, Warn)] == [50, 105]
    assert all(each.text is None for _, each in first if isinstance(each, Warn))


def test_a_warning_of_silence_comes_again_after_a_time_in_which_nobody_listened() -> None:
    """Whether that was silent nobody knows; a warning of the call's length does not."""
    call = begin(rules(limited=True, ends_by=START + 100, max_idle_seconds=80, warn_seconds=60))
    before = run(call, START + 45)
    call.lost(START + 45)
    call.attached(START + 50)
    after = run(call, START + 99, since=START + 50)
    warned = [(at, each.reason) for at, each in before + after if isinstance(each, Warn)]
    assert warned == [(20, "idle"), (40, "length"), (70, "idle")]


def test_a_warning_that_is_longer_than_the_silence_comes_half_way() -> None:
    """Or else every answer would be followed by one at once."""
    call = begin(rules(max_idle_seconds=20, warn_seconds=60))
    assert [at for at, each in run(call, START + 20) if isinstance(each, Warn)] == [10]


@given(
    moves=st.lists(
        st.tuples(st.sampled_from("awftlrxdb"), st.floats(0, 50, allow_nan=False)), max_size=20
    )
)
def test_nothing_is_due_before_it_is_said_to_be(moves: list[tuple[str, float]]) -> None:
    """`due_at` is all that a watch has to wait for, whatever has happened; a call ends once."""
    call = begin(
        rules(
            limited=True,
            ends_by=START + 400,
            max_idle_seconds=30,
            warn_seconds=10,
            session_drift="hangup",
        )
    )
    now, ends = START, 0
    for number, (move, seconds) in enumerate(moves):
        due = call.due_at
        if due is not None and due > now:
            early = call.tick(min(now + seconds, due - 0.001))
            assert early == ()
        now += seconds
        effects: list[Effect] = list(call.tick(now))
        if due is not None and now >= due:
            assert effects
        if move == "a":
            answer(call, now, f"r{number}")
        elif move == "f":
            function(call, now, f"f{number}")
        elif move == "t":
            call.frame(function_answered(f"f{number - 1}"), now)
        elif move == "l":
            call.lost(now)
        elif move == "r":
            call.attached(now)
        elif move == "w":
            call.frame(wrote(), now)
        elif move == "d":
            effects += call.frame(session(instructions=str(number % 2)), now)
        elif move == "b":
            effects += call.frame(began(f"r{number}"), now)
        else:
            effects += call.frame("garbage", now)
        ends += sum(isinstance(each, HangUp) for each in effects)
    assert ends <= 1
    assert from_record(call.seen(now).to_record()) == call.seen(now)


def test_a_session_that_stays_does_not_drift() -> None:
    """In any order of members, without what is empty, and with fields that are the client's."""
    call = begin(rules(session_drift="hangup"))
    assert call.frame(session(instructions="a", tools=[]), START) == ()
    for same in (
        {"tools": None, "instructions": "a"},
        {"instructions": "a", "audio": {"output": {"voice": "marin"}}},
    ):
        assert call.frame(session(**same), START) == ()


@pytest.mark.parametrize(
    ("members", "fields"),
    [
        ({"instructions": "b", "tools": [{"name": "t"}]}, ("instructions",)),
        ({"instructions": "a", "tools": []}, ("tools",)),
        ({"instructions": "a", "tools": [{"name": "t", "strict": True}]}, ("tools",)),
        ({"tools": [{"name": "t"}]}, ("instructions",)),
        ({"instructions": "b"}, ("instructions", "tools")),
    ],
)
def test_a_changed_session_is_noted(members: dict[str, object], fields: tuple[str, ...]) -> None:
    """Against the first one, which the provider minted or told; once for each change."""
    first = {"instructions": "a", "tools": [{"name": "t"}]}
    for call in (
        begin(rules(session_drift="note"), session=first),
        begin(rules(session_drift="note")),
    ):
        call.frame(session("session.created", **first), START)
        assert call.frame(session(**members), START + 7.5) == (
            Note(at=int(START) + 7, fields=fields),
            Changed(),
        )
        assert call.frame(session(**members), START + 8) == ()
        assert call.seen(START + 9).as_json()["drift"] == [
            {"at": START + 7, "fields": list(fields)}
        ]


def test_a_change_is_seen_at_once_if_the_minted_session_is_known() -> None:
    """On the data channel a client may be first."""
    call = begin(rules(session_drift="hangup"), session={"instructions": "a"})
    effects = call.frame(session(instructions="b"), START)
    assert HangUp(by="drift") in effects
    assert HangUp(by="drift") not in call.frame(session(instructions="c"), START)


def test_fields_that_a_policy_forces_are_watched() -> None:
    """Each by its path, and nothing beside it."""
    forced = {"audio": {"output": {"voice": "marin"}}, "speed": 1}
    call = begin(rules(session_drift="note"), session=forced, forced=forced)
    call.frame(session(audio={"output": {"voice": "marin", "x": 1}}, speed=1.0), START)
    assert call.frame(session(audio={"output": {"voice": "marin", "x": 2}}, speed=1), START) == ()
    effects = call.frame(session(audio={"output": {"voice": "ash"}}, speed=1), START)
    assert effects[0] == Note(at=int(START), fields=("audio.output.voice",))


def test_a_session_that_cannot_be_read_may_have_changed() -> None:
    """Else a long one would be a way around."""
    broken = '{"type": "session.updated", "session": 7}'
    assert HangUp(by="drift") in begin(rules(session_drift="hangup")).frame(broken, START)
    assert begin(rules()).frame(broken, START) == (Odd(kind="session.updated"),)


def test_a_record_of_changes_is_bounded() -> None:
    """A client may change its session all day."""
    call = begin(rules(session_drift="note"))
    for number in range(100):
        call.frame(session(instructions=str(number)), START)
    seen = call.seen(START)
    assert len(seen.drift) == machine.MAX_DRIFTS
    assert "instructions" not in json.loads(seen.to_record())["memory"]["first_session"]["tools"]


def test_instructions_never_reach_the_record() -> None:
    """Their fingerprint is enough."""
    call = begin(rules(session_drift="note"), session={"instructions": "canary"})
    call.frame(session(instructions="canary too"), START)
    assert "canary" not in call.seen(START).to_record()


def test_a_watch_from_the_start_is_complete() -> None:
    """Attached within two seconds of the answer."""
    call = begin(rules(), attach=False)
    assert (call.supervision, call.usage.label) == ("clock", "unknown")
    call.attached(START + 2)
    answer(call, START + 3)
    call.ended(START + 9)
    assert (call.usage.label, call.seen(START + 9).gaps) == ("complete", ())


def test_a_late_watch_is_a_gap() -> None:
    """From the answer on."""
    call = begin(rules(), attach=False)
    call.attached(START + 2.1)
    assert call.usage.label == "partial"
    assert call.seen(START + 9).as_json()["gaps"] == [{"from": START, "to": START + 3}]


def test_a_watch_before_the_answer_is_never_late() -> None:
    """Where it is required, the client has no answer until then."""
    call = begin(rules(), attach=False, released=False)
    call.attached(START + 11)
    assert (call.usage.label, call.seen(START + 12).gaps) == ("complete", ())


def test_between_two_sockets_is_a_gap() -> None:
    """However short, rounded outwards; and it is lost meanwhile."""
    call = begin(rules())
    call.lost(START + 10.2)
    assert call.supervision == "lost"
    call.attached(START + 10.4)
    assert call.seen(START + 11).gaps == (Gap(began_at=int(START) + 10, ended_at=int(START) + 11),)
    assert (call.supervision, call.usage.label) == ("watched", "partial")


def test_each_gap_is_said_once_to_be_counted() -> None:
    """Whether somebody listens again or the call is over; a look ahead at its end says nothing."""
    call, late = begin(rules()), begin(rules(), attach=False)
    assert late.attached(START + 9) == (Missed(), Changed())
    call.lost(START + 10)
    assert call.attached(START + 11) == (Missed(), Changed())
    assert call.attached(START + 12) == ()
    call.lost(START + 20)
    call.seen_if_over(START + 21)
    assert call.ended(START + 22) == (Missed(), Changed())
    assert call.ended(START + 23) == ()


def test_what_is_no_gap_is_not_said() -> None:
    """A watch from the start, and a clean close that was the end."""
    call = begin(rules(), attach=False)
    assert call.attached(START + 1) == (Changed(),)
    call.lost(START + 10, clean=True)
    assert call.ended(START + 16) == (Changed(),)


def test_a_flapping_socket_leaves_a_bounded_record() -> None:
    """The last gap grows."""
    call = begin(rules())
    for number in range(machine.MAX_GAPS + 20):
        call.lost(START + number)
        call.attached(START + number + 0.5)
    gaps = call.seen(START + 500).gaps
    assert len(gaps) == machine.MAX_GAPS
    assert gaps[-1].ended_at == START + machine.MAX_GAPS + 20


@pytest.mark.parametrize(
    ("clean", "seconds", "label"),
    [(True, 6, "complete"), (True, 11, "partial"), (False, 6, "partial")],
)
def test_a_clean_close_is_the_end_if_the_end_is_known_soon(
    clean: bool, seconds: float, label: str
) -> None:
    """The provider takes its time to say 404; a broken socket proves nothing."""
    call = begin(rules())
    call.lost(START + 10, clean=clean)
    call.ended(START + 10 + seconds)
    assert call.usage.label == label
    assert call.supervision == ("watched" if label == "complete" else "lost")


def test_a_call_that_is_over_tells_whether_it_was_watched_to_its_end() -> None:
    """Its own socket, closed by then, is not what is meant; and it says so ever after."""
    heard, never = begin(rules()), begin(rules(), attach=False)
    for call in (heard, never):
        call.ended(START + 9)
        call.lost(START + 9.1)
        call.attached(START + 9.2)
    assert (heard.supervision, never.supervision) == ("watched", "clock")
    assert heard.seen(START + 20).as_json()["supervision"] == "watched"


def test_after_the_end_nothing_happens() -> None:
    """To whomever it is told."""
    call = begin(rules(limited=True, ends_by=START + 5))
    call.ended(START + 1)
    assert call.frame(done("r"), START + 2) == call.lost(START + 3) == call.tick(HOUR) == ()
    assert call.due_at is None


def test_a_frame_that_cannot_be_read_makes_the_usage_partial() -> None:
    """It may have told of anything; and it is counted."""
    call = begin(rules())
    assert call.frame("garbage", START) == (Odd(kind=None), Changed())
    assert call.usage.label == "partial"


def test_an_account_without_credit_is_said() -> None:
    """Once for each response."""
    call = begin(rules())
    details = {"type": "failed", "error": {"code": "insufficient_quota"}}
    poor = done("r", status="failed", output=(), details=details)
    assert call.frame(poor, START) == (CreditLow(), Changed())
    assert call.frame(poor, START) == ()
    assert call.frame(told("error", error={"code": "insufficient_quota"}), START) == (CreditLow(),)


def test_a_call_is_priced_with_its_transcriber() -> None:
    """As the sessions name it; where there were two, nobody knows which wrote what."""
    call = begin(rules(), session={"audio": {"input": {"transcription": {"model": "whisper-1"}}}})
    call.frame(transcribed("i", {"type": "duration", "seconds": 60}), START)
    assert call.cost.as_json() == {"usd": "0.006", "label": "complete"}
    answer(call, START)
    call.frame(session(audio={"input": {"transcription": {"model": "gpt-transcribe"}}}), START)
    assert call.cost.label == "partial"


FRAMES = st.lists(
    st.sampled_from(
        [
            *(began("a"), done("a"), began("b"), done("b", status="cancelled"), wrote()),
            done("c", output=[function_call("x")]),
            *(began("c"), function_answered("x"), session(instructions="a")),
            *(session(instructions="b"), transcribed("i", {"type": "duration", "seconds": 0.1})),
        ]
    ),
    max_size=20,
)


@given(frames=FRAMES, cut=st.integers(0, 20), overlap=st.integers(0, 20))
def test_an_heir_goes_on_as_if_it_had_watched_from_the_start(
    frames: Sequence[str], cut: int, overlap: int
) -> None:
    """A planned end: both were attached for a while, and what both heard counts once."""
    asked = rules(max_idle_seconds=30, warn_seconds=5, session_drift="note", limited=True)
    whole, old = begin(asked), begin(asked)
    for number, frame in enumerate(frames):
        whole.frame(frame, START + number)
        if number < cut:
            old.frame(frame, START + number)
    seen = old.handed_over(START + cut, to="b")
    assert old.frame(began("z"), START + cut) == ()
    heir = resume(asked, seen)
    heir.attached(START + cut)
    for number, frame in enumerate(frames):
        if number >= cut - overlap:
            heir.frame(frame, START + number)
    end = START + 100
    assert heir.usage == whole.usage
    assert (heir.seen(end).gaps, heir.cost) == ((), whole.cost)
    if overlap == 0 or cut == 0:
        assert heir.seen(end) == whole.seen(end)


def test_an_heir_after_a_crash_has_a_gap() -> None:
    """From when the other one wrote last, also where it named another heir."""
    call = begin(rules())
    answer(call, START + 10)
    for seen in (call.seen(START + 20), call.handed_over(START + 20, to="b")):
        heir_call = resume(rules(), seen, heir="c")
        assert heir_call.supervision == "lost"
        heir_call.attached(START + 40)
        assert heir_call.seen(START + 41).gaps == (
            Gap(began_at=int(START) + 20, ended_at=int(START) + 40),
        )
        assert (heir_call.usage.label, heir_call.usage.responses) == ("partial", 1)


def test_an_heir_of_nothing_has_the_whole_gap() -> None:
    """The one before it was never attached."""
    seen = begin(rules(), attach=False).seen(START + 1)
    heir = resume(rules(), seen)
    heir.attached(START + 9)
    assert heir.seen(START + 9).gaps == (Gap(began_at=int(START), ended_at=int(START) + 9),)


def test_an_heir_warns_of_nothing_twice() -> None:
    """Neither of the end nor of silence."""
    asked = rules(limited=True, ends_by=START + 60, max_idle_seconds=60, warn_seconds=20)
    call = begin(asked)
    assert len([each for _, each in run(call, START + 45) if isinstance(each, Warn)]) == 2
    heir = resume(asked, call.handed_over(START + 45, to="b"))
    heir.attached(START + 45)
    assert run(heir, START + 59, since=START + 45) == []


def test_an_heir_knows_that_the_provider_has_said_why_it_ends_the_call() -> None:
    """That is written down at once: nobody is told it twice."""
    call = begin(rules())
    assert call.frame(told("error", error={"code": "session_expired"}), START + 9) == (Changed(),)
    assert resume(rules(), call.seen(START + 9)).told_over
    assert not resume(rules(), begin(rules()).seen(START + 9)).told_over


@pytest.mark.parametrize("text", ["", "{}", "null", "[" * 10_000, '{"at": "x"}'])
def test_a_record_that_is_none_is_refused(text: str) -> None:
    """It was not written here."""
    with pytest.raises(ValueError, match=r"."):
        from_record(text)


def test_a_call_is_shown_with_all_that_was_seen() -> None:
    """By the names of the API."""
    call = begin(rules())
    answer(call, START + 1)
    shown = call.seen(START + 2).as_json()
    assert list(shown) == ["supervision", "usage", "cost", "gaps", "warnings", "drift"]
    assert shown["supervision"] == "watched"
    assert shown["cost"] == {"usd": "0.00132", "label": "complete"}


@pytest.mark.parametrize("ahead", [-3600, 0, 3600])
def test_an_heir_goes_by_its_own_clock(ahead: int) -> None:
    """A gap is as long as nobody listened, and silence and a pause go on where they were."""
    here, there = rules(max_idle_seconds=60), rules(max_idle_seconds=60, ends_by=HOUR + ahead)
    owner = begin(here)
    answer(owner, START + 10)
    function(owner, START + 20, "x")
    crashed = resume(there, owner.seen(START + 30))
    crashed.attached(START + 45 + ahead)
    (gap,) = crashed.seen(START + 46 + ahead).gaps
    assert (gap.began_at, gap.ended_at) == (START + 30 + ahead, START + 45 + ahead)
    due_at = owner.due_at
    heir = resume(there, owner.handed_over(START + 30, to="b"))
    heir.attached(START + 29 + ahead)
    assert due_at is not None
    assert heir.due_at == due_at + ahead
    heir.frame(function_answered("x"), START + 32 + ahead)
    assert heir.due_at == START + 20 + 60 + 12 + ahead
    assert heir.seen(START + 33 + ahead).gaps == ()


@pytest.mark.parametrize("ahead", [-3600, 3600])
def test_a_record_of_the_version_before_makes_no_gap_that_ends_before_it_began(ahead: int) -> None:
    """It does not say by which clock it was written."""
    seen = begin(rules()).seen(START + 30)
    old = replace(seen, memory=replace(seen.memory, ends_by=None))
    text = old.to_record().replace(',"ends_by":null', "")
    assert "ends_by" not in text
    heir = resume(rules(ends_by=HOUR + ahead), from_record(text))
    heir.attached(START + 45 + ahead)
    (gap,) = heir.seen(START + 46 + ahead).gaps
    assert gap.began_at == START + 30
    assert gap.ended_at >= gap.began_at


def test_who_stood_still_does_not_know_whether_it_was_silent() -> None:
    """What was told meanwhile is read next: the silence is measured from then on."""
    call = begin(rules(max_idle_seconds=30))
    call.stood_still(START + 29)
    assert call.tick(START + 58) == ()
    assert call.tick(START + 59) == (HangUp(by="idle"),)
