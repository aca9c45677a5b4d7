"""Who an end user is towards a provider."""

import re

import pytest

from signaller.errors import InvalidRequest
from signaller.model import Caller
from signaller.policy import Policy
from signaller.safety import SafetyIdentifiers
from tests.support.service import token_key

RING = (token_key(), token_key())


def caller(name: str = "web", *, end_user: str | None = None, may_name: bool = False) -> Caller:
    """A caller, perhaps with somebody behind it."""
    policy = Policy(safety_identifier=may_name)
    return Caller(name=name, credential_id="jwt", policy=policy, end_user=end_user)


def test_it_is_always_the_same_and_shows_nothing() -> None:
    """64 characters at most, as OpenAI wants them, and the raw id is not in them."""
    first, second = (
        SafetyIdentifiers(RING).of(caller(end_user="ada@example.com"), None) for _ in range(2)
    )
    assert first == second
    assert first is not None
    assert re.fullmatch(r"[0-9a-f]{64}", first)


def test_others_are_others() -> None:
    """Another user, another caller, another key; and no way to shift a name into another."""
    known = SafetyIdentifiers(RING)
    made = [
        known.of(caller(end_user="1"), None),
        known.of(caller(end_user="2"), None),
        known.of(caller("app", end_user="1"), None),
        known.of(caller("web:1", end_user=""), None),
        known.of(caller("web", end_user="1:"), None),
        SafetyIdentifiers(RING[1:]).of(caller(end_user="1"), None),
    ]
    assert len(set(made)) == len(made)


def test_nobody_named_is_nobody_said() -> None:
    """Without an end user there is no identifier."""
    assert SafetyIdentifiers(RING).of(caller(), None) is None


def test_a_caller_names_its_user_only_where_the_policy_lets_it() -> None:
    """With a clear refusal otherwise."""
    known = SafetyIdentifiers(RING)
    assert known.of(caller(may_name=True), "ada") is not None
    with pytest.raises(InvalidRequest) as caught:
        known.of(caller(), "ada")
    assert caught.value.param == "safety_identifier"


def test_what_the_gateway_says_rules() -> None:
    """A client cannot pass for another than its JWT says."""
    known = SafetyIdentifiers(RING)
    vouched = known.of(caller(end_user="ada"), None)
    assert known.of(caller(end_user="ada", may_name=True), "bob") == vouched


def test_any_text_has_an_identifier() -> None:
    """JSON may hold half a surrogate pair."""
    assert SafetyIdentifiers(RING).of(caller(may_name=True), "\ud800") is not None
