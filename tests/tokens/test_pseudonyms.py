"""What stands for an end user towards a provider and in rates, and for a credential."""

import re
from dataclasses import replace
from typing import Any

import pytest

from signaller.errors import InvalidRequest
from signaller.model import Caller, EntraCredential
from signaller.policy import Policy
from signaller.secret import Secret
from signaller.tokens.pseudonyms import Pseudonyms, credential_fingerprint
from tests.support.service import deployment, token_key

RING = (token_key(), token_key())
ONE = deployment("https://provider.example")
PRINCIPAL = EntraCredential(tenant_id="t", client_id="c", client_secret=Secret("before"))


def caller(name: str = "web", *, end_user: str | None = None, may_name: bool = False) -> Caller:
    """A caller, perhaps with somebody behind it."""
    policy = Policy(safety_identifier=may_name)
    return Caller(name=name, credential_id="jwt", policy=policy, end_user=end_user)


def test_it_is_always_the_same_and_shows_nothing() -> None:
    """64 characters at most, as OpenAI wants them, and the raw id is not in them."""
    first, second = (
        Pseudonyms(RING).for_provider(caller(end_user="ada@example.com"), None) for _ in range(2)
    )
    assert first == second
    assert first is not None
    assert re.fullmatch(r"[0-9a-f]{64}", first)


def test_others_are_others() -> None:
    """Another user, another caller, another key; and no way to shift a name into another."""
    known = Pseudonyms(RING)
    made = [
        known.for_provider(caller(end_user="1"), None),
        known.for_provider(caller(end_user="2"), None),
        known.for_provider(caller("app", end_user="1"), None),
        known.for_provider(caller("web:1", end_user=""), None),
        known.for_provider(caller("web", end_user="1:"), None),
        Pseudonyms(RING[1:]).for_provider(caller(end_user="1"), None),
    ]
    assert len(set(made)) == len(made)


def test_nobody_named_is_nobody_said() -> None:
    """Without an end user there is no identifier."""
    assert Pseudonyms(RING).for_provider(caller(), None) is None


def test_a_caller_names_its_user_only_where_the_policy_lets_it() -> None:
    """With a clear refusal otherwise."""
    known = Pseudonyms(RING)
    assert known.for_provider(caller(may_name=True), "ada") is not None
    with pytest.raises(InvalidRequest) as caught:
        known.for_provider(caller(), "ada")
    assert caught.value.param == "safety_identifier"


def test_what_the_gateway_says_rules() -> None:
    """A client cannot pass for another than its JWT says."""
    known = Pseudonyms(RING)
    vouched = known.for_provider(caller(end_user="ada"), None)
    assert known.for_provider(caller(end_user="ada", may_name=True), "bob") == vouched


def test_any_text_has_an_identifier() -> None:
    """JSON may hold half a surrogate pair."""
    assert Pseudonyms(RING).for_provider(caller(may_name=True), "\ud800") is not None


def test_a_person_in_rates_is_always_the_same_and_shows_nothing() -> None:
    """32 characters that Redis and logs may hold, and not those that a provider sees."""
    first, second = (Pseudonyms(RING).for_rates("web", "ada@example.com") for _ in range(2))
    assert first == second
    assert re.fullmatch(r"[0-9a-f]{32}", first)
    towards_provider = Pseudonyms(RING).for_provider(caller(end_user="ada@example.com"), None)
    assert not str(towards_provider).startswith(first)


def test_a_person_keeps_their_pseudonyms() -> None:
    """Replicas of several versions share buckets of rates, and a provider knows people by them."""
    known = Pseudonyms([Secret("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")])
    assert known.for_rates("web", "ada") == "53fc66dad51c889e210f842fab2a5ff5"
    assert known.for_rates("web", None) == "5fbfad463d9113b741e99adacfc22081"
    assert known.for_provider(caller(end_user="ada"), None) == (
        "5be04ab7d3d6d0ac186f49079320d3a347ccf5c7e8d21b3753da327ec68e827d"
    )


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"api_key": Secret("sk-another")}, id="key"),
        pytest.param({"api_key": None, "entra_token": Secret("eyJ")}, id="token"),
        pytest.param({"api_key": None, "entra": PRINCIPAL}, id="principal"),
        pytest.param({"organization": "org-1"}, id="organization"),
        pytest.param({"project": "org-1"}, id="project"),
        pytest.param({"base_url": "https://other.example"}, id="address"),
    ],
)
def test_another_credential_or_account_has_another_fingerprint(changes: dict[str, Any]) -> None:
    """Sixteen characters that a header, a log line and a key of Redis can hold."""
    fingerprint = credential_fingerprint(ONE)
    assert len(fingerprint) == 16
    assert credential_fingerprint(replace(ONE, **changes)) != fingerprint


def test_nothing_else_has_a_part_in_it() -> None:
    """It is of the credential, not of the entry that holds it."""
    other = replace(ONE, id="d2", model_name="other", upstream_model="m", weight=7)
    assert credential_fingerprint(other) == credential_fingerprint(ONE)


def test_a_service_principal_keeps_it_when_its_secret_changes() -> None:
    """The secret of a client is rotated often, and the client is the same."""
    before = replace(ONE, api_key=None, entra=PRINCIPAL)
    after = replace(before, entra=replace(PRINCIPAL, client_secret=Secret("after")))
    other = replace(before, entra=replace(PRINCIPAL, client_id="another"))
    assert credential_fingerprint(before) == credential_fingerprint(after)
    assert credential_fingerprint(before) != credential_fingerprint(other)


def test_it_is_the_same_everywhere_and_for_ever() -> None:
    """Replicas of different versions compare it, so it must not change by the way."""
    assert credential_fingerprint(ONE) == "vQQUZHx9UKPl26X8"
