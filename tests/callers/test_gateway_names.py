"""Whom a gateway may name."""

from dataclasses import replace

import pytest

from signaller.callers.front_desk import GatewayNames
from signaller.policy import Policy
from signaller.settings import Gateway, NamedCaller
from tests.support.service import named, settings

DEFAULT, LISTED = Policy(mints_per_minute=9), Policy(mints_per_minute=1)
CALLERS = (
    NamedCaller(name="mobile", key_digests=(), policy=LISTED),
    named("web", "sk-web-0123456789"),
)


def names(*, only_listed: bool) -> GatewayNames:
    """Of a configuration with one caller for the gateway and one with a key."""
    made = settings(policy=DEFAULT, callers=CALLERS)
    return GatewayNames(replace(made, gateway=Gateway(only_listed=only_listed)))


@pytest.mark.parametrize("only_listed", [True, False])
def test_a_listed_caller_has_its_own_policy(only_listed: bool) -> None:
    """Whatever holds for the others."""
    assert names(only_listed=only_listed).policy_of("mobile") == LISTED


def test_anybody_else_has_the_default_unless_only_listed_ones_may_be_named() -> None:
    """With the switch, removing an entry revokes it."""
    assert names(only_listed=False).policy_of("ada") == DEFAULT
    assert names(only_listed=True).policy_of("ada") is None


@pytest.mark.parametrize("only_listed", [True, False])
@pytest.mark.parametrize("name", ["master", "web"])
def test_who_must_bring_a_key_is_never_named(only_listed: bool, name: str) -> None:
    """The operator, and callers with keys."""
    assert names(only_listed=only_listed).policy_of(name) is None
