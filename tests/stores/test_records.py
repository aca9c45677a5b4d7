"""Grants and calls survive the way to JSON and back; nothing else becomes one."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from signaller.errors import StoreUnavailable
from signaller.model import Call, Grant, Rate, Terms
from signaller.stores.records import (
    call_from_json,
    call_to_json,
    grant_from_json,
    grant_to_json,
    trail_from_lines,
    uses_from_count,
)
from tests.stores.making import SetClock, make_grant

GRANTS = st.builds(
    Grant,
    id=st.text(),
    sealed_secret=st.text(),
    deployment_id=st.text(),
    caller=st.text(),
    terms=st.builds(
        Terms,
        model=st.text(),
        uses=st.integers(),
        start_by=st.integers(),
        origins=st.lists(st.text()).map(tuple),
    ),
    call_rates=st.lists(
        st.builds(Rate, bucket=st.text(), per_minute=st.integers()), max_size=3
    ).map(tuple),
    models=st.lists(st.lists(st.text()).map(tuple)).map(tuple),
    safety_identifier=st.none() | st.text(),
    warm_secret=st.none() | st.text(),
)
CALLS = st.from_type(Call)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(GRANTS)
def test_a_grant_comes_back_equal(grant: Grant) -> None:
    """Whatever its text holds."""
    assert grant_from_json(grant_to_json(grant)) == grant


@given(GRANTS, CALLS)
def test_every_field_is_a_member_of_its_name(grant: Grant, call: Call) -> None:
    """Replicas of other versions read it: nothing is missing, renamed or of another type."""
    assert json.loads(grant_to_json(grant)) == _members(grant)
    assert json.loads(call_to_json(call)) == _members(call)


def _members(value: object) -> object:
    """Field by field, what JSON can say of it."""
    if isinstance(value, Struct):
        return {name: _members(getattr(value, name)) for name in value.__struct_fields__}
    return [_members(each) for each in value] if isinstance(value, tuple) else value


@given(CALLS)
def test_a_call_comes_back_equal(call: Call) -> None:
    """Whatever its text holds."""
    assert call_from_json(call_to_json(call)) == call


@given(
    GRANTS,
    st.sampled_from(
        ["id", "sealed_secret", "terms", "caller", "call_rates", "models", "safety_identifier"]
    ),
    JSON,
)
def test_a_damaged_grant_is_a_grant_or_a_store_failure(
    grant: Grant, member: str, value: object
) -> None:
    """A member of any other value raises StoreUnavailable and nothing else."""
    damaged = json.loads(grant_to_json(grant)) | {member: value}
    with contextlib.suppress(StoreUnavailable):
        assert isinstance(grant_from_json(json.dumps(damaged)), Grant)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bytes_are_a_store_failure(raw: bytes) -> None:
    """What never was a record raises StoreUnavailable and nothing else."""
    for parse in (grant_from_json, call_from_json):
        try:
            parse(raw)
        except StoreUnavailable:
            continue
        raise AssertionError(raw)


@given(CALLS)
def test_members_of_a_newer_version_are_ignored(call: Call) -> None:
    """While replicas are upgraded, old ones read what new ones write."""
    newer = json.loads(call_to_json(call)) | {"spent_usd": 1.5}
    assert call_from_json(json.dumps(newer)) == call


@given(GRANTS, st.sampled_from([["x"], [{}], [{"bucket": "b"}], [{"bucket": 1, "per_minute": 1}]]))
def test_a_grant_with_unusable_rates_is_a_store_failure(grant: Grant, rates: object) -> None:
    """A rate that cannot be read never becomes no rate."""
    damaged = json.loads(grant_to_json(grant)) | {"call_rates": rates}
    with pytest.raises(StoreUnavailable, match="grant"):
        grant_from_json(json.dumps(damaged))


@pytest.mark.parametrize("origins", [None, "https://app.example", [1], [["https://app.example"]]])
def test_terms_without_usable_origins_are_a_store_failure(clock: SetClock, origins: object) -> None:
    """An origin that cannot be read never becomes any origin."""
    damaged = json.loads(grant_to_json(make_grant(clock)))
    damaged["terms"]["origins"] = origins
    with pytest.raises(StoreUnavailable, match="origins"):
        grant_from_json(json.dumps(damaged))


def test_a_count_is_read_from_the_start_of_a_record() -> None:
    """As many bytes as there are; no record counts nothing."""
    assert [uses_from_count(start) for start in (b"0:", b'12:{"id":"a"', b"")] == [0, 12, 0]


@pytest.mark.parametrize("start", [b"1", b"x:{}", b":", b"-1:", b"\xff:"])
def test_a_record_without_a_count_is_a_store_failure(start: bytes) -> None:
    """What is not a number of uses never becomes one."""
    with pytest.raises(StoreUnavailable, match="count of uses"):
        uses_from_count(start)


def test_a_trail_names_its_calls() -> None:
    """Each line is one, but for the mark of a replay."""
    assert trail_from_lines(b"\nrtc_1\nrtc_2\n!") == ("rtc_1", "rtc_2")
    assert trail_from_lines(b"") == ()


def test_a_trail_that_is_not_text_is_a_store_failure() -> None:
    """Broken UTF-8 never crashes a handler."""
    with pytest.raises(StoreUnavailable, match="UTF-8"):
        trail_from_lines(b"\n\xff")
