"""What tells credentials apart, and keeps them to itself."""

from dataclasses import replace
from typing import Any

import pytest

from signaller.fingerprints import credential_fingerprint
from signaller.model import EntraCredential
from signaller.secret import Secret
from tests.support.service import deployment

ONE = deployment("https://provider.example")
PRINCIPAL = EntraCredential(tenant_id="t", client_id="c", client_secret=Secret("before"))


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
