"""Grants and calls survive the way to JSON and back; nothing else becomes one."""

import contextlib
import json

from hypothesis import given
from hypothesis import strategies as st

from signaller.errors import StoreUnavailable
from signaller.model import Call, Grant, Terms
from signaller.stores.records import call_from_json, call_to_json, grant_from_json, grant_to_json

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
        origin=st.none() | st.text(),
    ),
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


@given(CALLS)
def test_a_call_comes_back_equal(call: Call) -> None:
    """Whatever its text holds."""
    assert call_from_json(call_to_json(call)) == call


@given(GRANTS, st.sampled_from(["id", "sealed_secret", "terms", "caller"]), JSON)
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
