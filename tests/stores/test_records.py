"""Grants survive the way to JSON and back; nothing else becomes one."""

import contextlib
import dataclasses
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaller.errors import StoreUnavailable
from signaller.model import (
    Grant,
    Terms,
    Watching,
)
from signaller.policy import Places, Rate
from signaller.stores.records import (
    grant_from_json,
    trail_from_lines,
    uses_from_count,
)
from signaller.strict_json import write_json
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
    places=st.from_type(Places),
    max_call_seconds=st.none() | st.integers(),
    watching=st.builds(Watching, session=st.dictionaries(st.text(), st.text())),
    safety_identifier=st.none() | st.text(),
    warm_secret=st.none() | st.text(),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(GRANTS)
def test_a_grant_comes_back_equal(grant: Grant) -> None:
    """Whatever its text holds."""
    assert grant_from_json(write_json(grant)) == grant


@given(GRANTS)
def test_every_field_is_a_member_of_its_name(grant: Grant) -> None:
    """Replicas of other versions read it: nothing is missing, renamed or of another type."""
    assert json.loads(write_json(grant)) == _members(grant)


def _members(value: object) -> object:
    """Field by field, what JSON can say of it."""
    if dataclasses.is_dataclass(value):
        return {
            each.name: _members(getattr(value, each.name)) for each in dataclasses.fields(value)
        }
    return [_members(each) for each in value] if isinstance(value, tuple) else value


@given(
    GRANTS,
    st.sampled_from(
        ["id", "sealed_secret", "terms", "caller", "call_rates", "models", "places", "watching"]
    ),
    JSON,
)
def test_a_damaged_grant_is_a_grant_or_a_store_failure(
    grant: Grant, member: str, value: object
) -> None:
    """A member of any other value raises StoreUnavailable and nothing else."""
    damaged = json.loads(write_json(grant)) | {member: value}
    with contextlib.suppress(StoreUnavailable):
        assert isinstance(grant_from_json(json.dumps(damaged)), Grant)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bytes_are_a_store_failure(raw: bytes) -> None:
    """What never was a record raises StoreUnavailable and nothing else."""
    with pytest.raises(StoreUnavailable):
        grant_from_json(raw)


@given(GRANTS)
def test_members_of_a_newer_version_are_ignored(grant: Grant) -> None:
    """While replicas are upgraded, old ones read what new ones write."""
    newer = json.loads(write_json(grant)) | {"spent_usd": 1.5}
    assert grant_from_json(json.dumps(newer)) == grant


@given(GRANTS, st.sampled_from([["x"], [{}], [{"bucket": "b"}], [{"bucket": 1, "per_minute": 1}]]))
def test_a_grant_with_unusable_rates_is_a_store_failure(grant: Grant, rates: object) -> None:
    """A rate that cannot be read never becomes no rate."""
    damaged = json.loads(write_json(grant)) | {"call_rates": rates}
    with pytest.raises(StoreUnavailable, match="grant"):
        grant_from_json(json.dumps(damaged))


@pytest.mark.parametrize("origins", [None, "https://app.example", [1], [["https://app.example"]]])
def test_terms_without_usable_origins_are_a_store_failure(clock: SetClock, origins: object) -> None:
    """An origin that cannot be read never becomes any origin."""
    damaged = json.loads(write_json(make_grant(clock)))
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


def test_a_record_that_somebody_filled_is_a_short_failure_at_once() -> None:
    """Its first fault is enough: nobody can stop a process, or fill its log, by one key."""
    record = json.loads(write_json(make_grant(SetClock())))
    record["terms"]["origins"] = [1] * 500_000
    text = json.dumps(record)
    began = time.process_time()
    with pytest.raises(StoreUnavailable) as failure:
        grant_from_json(text)
    assert time.process_time() - began < 0.5
    assert len(str(failure.value)) < 300


def test_nothing_that_was_read_is_kept() -> None:
    """The texts of a record are the record's own: no cache holds a key longer than its request."""
    record = write_json(make_grant(SetClock()))
    assert grant_from_json(record).id is not grant_from_json(record).id
