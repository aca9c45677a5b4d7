"""What a policy allows, and that narrowing it adds nothing."""

import fnmatch
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaller.policy import Narrowing, Places, Policy, SupervisionMode, matches, narrow

NAMES = st.text("ab-*", min_size=1, max_size=5)
MODELS = st.lists(NAMES, max_size=3).map(tuple)
ORIGINS = st.lists(st.sampled_from(["https://a", "https://b", "https://c"]), max_size=3).map(tuple)
LIMITS = st.none() | st.integers(1, 5)
POLICIES = st.builds(
    Policy,
    models=st.lists(MODELS, max_size=2).map(tuple),
    origins=st.none() | ORIGINS,
    token_ttl_seconds=LIMITS,
    token_uses=LIMITS,
    mints_per_minute=LIMITS,
    calls_per_minute=LIMITS,
    calls_at_once=LIMITS,
    max_call_seconds=LIMITS,
    max_idle_seconds=LIMITS,
    session=st.dictionaries(st.just("voice"), st.text(max_size=3)),
    on_replay=st.sampled_from(["refuse", "hangup"]),
    safety_identifier=st.booleans(),
)
NARROWINGS = st.builds(
    Narrowing,
    models=st.none() | MODELS,
    origins=st.none() | ORIGINS,
    token_ttl_seconds=LIMITS,
    token_uses=LIMITS,
    mints_per_minute=LIMITS,
    calls_per_minute=LIMITS,
    calls_at_once=LIMITS,
    max_call_seconds=LIMITS,
    max_idle_seconds=LIMITS,
)
LIMIT_NAMES = (
    *("token_ttl_seconds", "token_uses", "mints_per_minute", "calls_per_minute"),
    *("calls_at_once", "max_call_seconds", "max_idle_seconds"),
)


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("voice", "voice", True),
        ("voice", "voices", False),
        ("gpt-*", "gpt-realtime", True),
        ("gpt-*", "gpt-", True),
        ("gpt-*", "my-gpt-realtime", False),
        ("*", "", True),
        ("*-mini", "gpt-realtime-mini", True),
        ("gpt-*-mini", "gpt-mini", False),
        ("a.c", "abc", False),
        ("a[bc]", "ab", False),
        ("a*", "a\nb", True),
    ],
)
def test_only_a_star_is_special(pattern: str, name: str, fits: bool) -> None:
    """It stands for any characters, none included."""
    assert matches(pattern, name) is fits


def test_many_stars_cost_no_more_than_one() -> None:
    """A pattern cannot be made that takes for ever to fail."""
    assert not matches("*" * 200 + "x", "a" * 256)
    assert not matches("*a" * 6 + "x", "a" * 256)


@given(NAMES, st.text("ab-", max_size=8))
def test_patterns_are_those_of_the_shell(pattern: str, name: str) -> None:
    """As far as the star goes."""
    assert matches(pattern, name) is fnmatch.fnmatchcase(name, pattern)


def test_nothing_named_is_everything_allowed_and_an_empty_set_nothing() -> None:
    """For models and for origins."""
    assert Policy().allows_model("any")
    assert Policy().allows_origin(None)
    assert not Policy(models=((),)).allows_model("any")
    assert not Policy(origins=()).allows_origin("https://a")


def test_a_request_without_an_origin_is_from_no_listed_one() -> None:
    """A policy that names pages does not let anything else in."""
    assert not Policy(origins=("https://a",)).allows_origin(None)


@given(POLICIES, NARROWINGS, NAMES)
def test_narrowing_adds_no_model(policy: Policy, by: Narrowing, model: str) -> None:
    """A model is allowed afterwards exactly if both allow it."""
    listed = by.models is None or any(matches(pattern, model) for pattern in by.models)
    both = policy.allows_model(model) and listed
    assert narrow(policy, by).allows_model(model) is both


@given(POLICIES, NARROWINGS, st.none() | st.sampled_from(["https://a", "https://b", "https://z"]))
def test_narrowing_adds_no_origin(policy: Policy, by: Narrowing, origin: str | None) -> None:
    """An origin is allowed afterwards exactly if both allow it."""
    listed = by.origins is None or origin in by.origins
    both = policy.allows_origin(origin) and listed
    assert narrow(policy, by).allows_origin(origin) is both


@given(POLICIES, NARROWINGS, st.sampled_from(LIMIT_NAMES))
def test_narrowing_raises_no_limit(policy: Policy, by: Narrowing, name: str) -> None:
    """The smaller of both rules, and what is limited stays so."""
    limits = [limit for limit in (getattr(policy, name), getattr(by, name)) if limit is not None]
    assert getattr(narrow(policy, by), name) == min(limits, default=None)


@given(POLICIES, NARROWINGS)
def test_narrowing_touches_nothing_else(policy: Policy, by: Narrowing) -> None:
    """What the operator forces, a JWT cannot change."""
    narrowed = narrow(policy, by)
    rest = {field.name for field in fields(Policy)} - {*LIMIT_NAMES, "models", "origins"}
    assert {name: getattr(narrowed, name) for name in rest} == {
        name: getattr(policy, name) for name in rest
    }


@given(POLICIES, NARROWINGS, NARROWINGS, NAMES)
def test_narrowing_twice_is_narrower_still(
    policy: Policy, first: Narrowing, second: Narrowing, model: str
) -> None:
    """And the order does not matter to what is allowed."""
    one, other = narrow(narrow(policy, first), second), narrow(narrow(policy, second), first)
    assert one.allows_model(model) is other.allows_model(model)
    assert not one.allows_model(model) or narrow(policy, first).allows_model(model)
    assert {name: getattr(one, name) for name in LIMIT_NAMES} == {
        name: getattr(other, name) for name in LIMIT_NAMES
    }


@given(POLICIES)
def test_a_jwt_that_says_nothing_narrows_nothing(policy: Policy) -> None:
    """Absent claims leave the policy as it is."""
    assert narrow(policy, Narrowing()) == policy


@pytest.mark.parametrize(
    ("policy", "default", "mode"),
    [
        ({}, None, "off"),
        ({}, "required", "required"),
        ({"supervision": "off"}, "required", "off"),
        ({"supervision": "best_effort"}, "off", "best_effort"),
        ({"max_idle_seconds": 60}, None, "best_effort"),
        ({"warn_with": "Soon over."}, None, "best_effort"),
        ({"session_drift": "note"}, None, "best_effort"),
        ({"session_drift": "hangup"}, "required", "required"),
        ({"max_idle_seconds": 60, "supervision": "off"}, None, "best_effort"),
        ({"max_call_seconds": 60}, None, "off"),
    ],
)
def test_what_only_the_watch_knows_is_never_asked_for_in_vain(
    policy: dict[str, Any], default: SupervisionMode | None, mode: SupervisionMode
) -> None:
    """A policy rules over what holds for all; a length needs no watch."""
    assert Policy(**policy).watch_mode(default) == mode


@given(LIMITS, LIMITS, LIMITS)
def test_places_are_never_more(of_all: int | None, of_one: int | None, now: int | None) -> None:
    """Of a policy as it was and as it is now, the lower number holds; a person's stays."""
    held = Places(of_all=of_all, of_one=of_one, person="p").within(now)
    given_limits = [each for each in (of_all, now) if each is not None]
    assert held == Places(of_all=min(given_limits, default=None), of_one=of_one, person="p")
