"""Base64url: one text for some bytes, and nothing else accepted."""

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaller.tokens.jwe import base64url_decode, base64url_encode

ALPHABET = string.ascii_letters + string.digits + "-_"


@given(st.binary())
def test_it_is_the_standard_librarys_without_padding(raw: bytes) -> None:
    """Another implementation reads what is written, and writes what is read."""
    text = base64url_encode(raw)
    assert text == base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    assert base64url_decode(text) == raw


@given(st.text())
def test_no_text_but_the_canonical_one_is_accepted(text: str) -> None:
    """Whatever is decoded would be written so again."""
    try:
        raw = base64url_decode(text)
    except ValueError:
        return
    assert base64url_encode(raw) == text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("A", id="one character too many"),
        pytest.param("AAAA=", id="padding"),
        pytest.param("AA==", id="padding that fits"),
        pytest.param("AB", id="unused bits"),
        pytest.param("+/+/", id="the other alphabet"),
        pytest.param("AA AA", id="a space"),
        pytest.param("AAAA\n", id="a line end"),
        pytest.param("é", id="no ASCII"),
        pytest.param("\ud800", id="half a surrogate pair"),
    ],
)
def test_every_other_spelling_is_refused(text: str) -> None:
    """`binascii` alone would pass over most of these."""
    with pytest.raises(ValueError, match="base64url"):
        base64url_decode(text)


def test_every_character_of_the_alphabet_is_used() -> None:
    """All 64 of them, and no other."""
    assert set(base64url_encode(bytes(range(256)) * 3)) <= set(ALPHABET)
    assert base64url_decode(ALPHABET) == base64.urlsafe_b64decode(ALPHABET)
