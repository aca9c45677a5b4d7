"""One form of JWS: signed and verified, understood by others, and nothing else accepted."""

import base64
import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaller.jws import JwsRejected, sign, verify

KEY = b"k" * 32
CLAIMS: dict[str, object] = {"jti": "g1", "exp": 1_800_000_000, "org": ["https://app.example"]}
PAYLOAD = json.dumps(CLAIMS, separators=(",", ":")).encode()
SIGNED = sign(PAYLOAD, KEY)


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@given(st.binary())
def test_what_is_signed_is_verified(payload: bytes) -> None:
    """Any payload comes back."""
    assert verify(sign(payload, KEY), KEY) == payload


@given(st.binary())
def test_pyjwt_reads_ours(payload: bytes) -> None:
    """An independent implementation accepts the signature and finds the same payload."""
    assert jwt.api_jws.decode(sign(payload, KEY), KEY, algorithms=["HS256"]) == payload


def test_pyjwts_is_ours_byte_for_byte() -> None:
    """Replicas of a version that used PyJWT are understood, and understand."""
    assert jwt.encode(CLAIMS, KEY, algorithm="HS256") == SIGNED


@given(st.integers(0, len(SIGNED) - 1), st.characters(codec="utf-8"))
def test_a_changed_character_anywhere_is_refused(place: int, other: str) -> None:
    """The header is compared, the payload signed, the signature spelt in one way."""
    changed = SIGNED[:place] + other + SIGNED[place + 1 :]
    if changed != SIGNED:
        with pytest.raises(JwsRejected):
            verify(changed, KEY)


@pytest.mark.parametrize("algorithm", ["none", "HS384", "HS512"])
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_another_algorithm_is_refused(algorithm: str) -> None:
    """One algorithm, not an option."""
    key = KEY if algorithm != "none" else ""
    with pytest.raises(JwsRejected, match="header"):
        verify(jwt.encode(CLAIMS, key, algorithm=algorithm), KEY)


@pytest.mark.parametrize("payload", ["!", "AB", "AA=="])
def test_a_signed_payload_has_one_spelling(payload: str) -> None:
    """A right signature over what is no base64url is not enough."""
    header = SIGNED.split(".")[0]
    signature = jwt.get_algorithm_by_name("HS256").sign(f"{header}.{payload}".encode(), KEY)
    with pytest.raises(JwsRejected, match="base64url"):
        verify(f"{header}.{payload}.{_b64(signature)}", KEY)


@given(st.text() | st.text(min_size=44, max_size=44).map(lambda text: f".{text[1:]}"))
def test_any_text_is_refused_and_nothing_else_happens(text: str) -> None:
    """Hostile input has one outcome, behind our own header too."""
    for compact in (text, f"{SIGNED.split('.')[0]}.{text}"):
        with pytest.raises(JwsRejected):
            verify(compact, KEY)


def test_another_key_verifies_nothing() -> None:
    """The signature is over the key too."""
    with pytest.raises(JwsRejected, match="signature"):
        verify(SIGNED, b"K" * 32)
