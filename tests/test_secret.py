"""A Secret never shows itself."""

import pickle

import pytest

from signaller.secret import Secret

CANARY = "sk-canary-0123456789"


def test_no_way_of_printing_shows_it() -> None:
    """repr, str, f-strings and containers all mask it."""
    secret = Secret(CANARY)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>40}", f"{[secret]}", f"{secret!r}"]
    assert not [text for text in shown if CANARY in text]


def test_it_cannot_be_pickled() -> None:
    """What cannot be pickled cannot end in a cache or another process by accident."""
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Secret(CANARY))


def test_equality_and_truth_follow_the_value() -> None:
    """Two of the same value are one; an empty one is false."""
    assert {Secret("a"), Secret("a")} == {Secret("a")}
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert not Secret("")
