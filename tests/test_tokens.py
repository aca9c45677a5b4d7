"""Tokens: what they carry, and everything that is refused."""

import base64
import os

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaller.errors import TokenRejected
from signaller.jwe import ContentKey, derive, encrypt
from signaller.secret import Secret
from signaller.tokens import Claims, Tokens

NOW = 1_800_000_000


def key() -> Secret:
    """A master key as `signaller keygen` prints it."""
    return Secret(base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode())


OLD, NEW = key(), key()
CLAIMS = Claims(
    grant_id="g1",
    caller="web",
    credential_id="key:1",
    deployment_id="d1",
    credential="c" * 16,
    nested_models=("whisper-1",),
    session_type="realtime",
    uses=1,
    model="gpt-realtime",
    origins=("https://app.example",),
    issued_at=NOW,
    expires_at=NOW + 60,
    seal_key=b"k" * 32,
)


def tokens(*ring: Secret, now: float = NOW) -> Tokens:
    """Tokens under a ring at a fixed time."""
    return Tokens(ring or (NEW,), lambda: now)


def forged(payload: dict[str, object], master: Secret = NEW, algorithm: str = "HS256") -> Secret:
    """A JWT of anybody's choice, sealed as ours are."""
    raw = base64.urlsafe_b64decode(master.reveal() + "=")
    kid = base64.urlsafe_b64encode(derive(raw, "key id")[:6]).decode()
    signature = derive(raw, "token signature") if algorithm != "none" else ""
    signed = jwt.encode(payload, signature, algorithm=algorithm)
    sealed = encrypt(signed.encode(), ContentKey(derive(raw, "token encryption"), kid))
    return Secret(f"ek_{sealed}")


def test_a_token_carries_its_claims() -> None:
    """What was minted is what is read."""
    assert tokens().read(tokens().mint(CLAIMS)) == CLAIMS


def test_a_token_starts_with_ek_and_shows_nothing() -> None:
    """Browsers' SDKs want the prefix; nobody without the key learns a claim."""
    text = tokens().mint(CLAIMS).reveal()
    assert text.startswith("ek_")
    assert "gpt-realtime" not in text


@pytest.mark.parametrize(("late", "refused"), [(59.9, False), (60, True), (61, True)])
def test_expiry_at_the_boundary(late: float, refused: bool) -> None:
    """In its last instant a token is good, at `exp` it is not."""
    token = tokens().mint(CLAIMS)
    if refused:
        with pytest.raises(TokenRejected, match="expired"):
            tokens(now=NOW + late).read(token)
    else:
        assert tokens(now=NOW + late).read(token) == CLAIMS


def test_an_expired_token_still_names_its_call() -> None:
    """Ending a call outlives the time to start one."""
    token = tokens().mint(CLAIMS)
    assert tokens(now=NOW + 3000).read(token, even_if_expired=True) == CLAIMS


def test_keys_rotate() -> None:
    """The first key seals, all open, a removed one opens no more."""
    before, during, after = tokens(OLD), tokens(NEW, OLD), tokens(NEW)
    assert during.read(before.mint(CLAIMS)) == CLAIMS
    assert after.read(during.mint(CLAIMS)) == CLAIMS
    with pytest.raises(TokenRejected):
        after.read(before.mint(CLAIMS))


GOOD: dict[str, object] = {
    "iss": "signaller",
    "aud": "realtime/calls",
    "iat": NOW,
    "exp": NOW + 60,
    "jti": "g1",
    "sub": "web",
    "crd": "key:1",
    "dep": "d1",
    "cre": "c1",
    "mdl": "gpt-realtime",
    "nst": [],
    "ses": "realtime",
    "use": 1,
    "org": [],
    "key": "a2tra2s",
}


def test_the_forgery_of_these_tests_is_a_good_one() -> None:
    """With our own keys and claims it is accepted: what follows is refused for its own reason."""
    assert tokens().read(forged(GOOD)).grant_id == "g1"


@pytest.mark.parametrize(
    "change",
    [pytest.param({name: None}, id=f"{name} missing") for name in GOOD]
    + [
        pytest.param({"iss": "someone"}, id="another issuer"),
        pytest.param({"aud": "grants"}, id="another audience"),
        pytest.param({"exp": "soon"}, id="exp of another type"),
        pytest.param({"exp": True}, id="exp a boolean"),
        pytest.param({"exp": 1e18}, id="exp not a whole number"),
        pytest.param({"jti": 7}, id="jti of another type"),
        pytest.param({"org": "https://app.example"}, id="org of another type"),
        pytest.param({"org": [7]}, id="an origin of another type"),
        pytest.param({"crd": 7}, id="crd of another type"),
        pytest.param({"key": "!"}, id="key not base64url"),
        pytest.param({"ses": "translation"}, id="another type of session"),
        pytest.param({"use": "1"}, id="use of another type"),
    ],
)
def test_claims_that_are_not_ours_are_refused(change: dict[str, object]) -> None:
    """Every claim is required, and of its type."""
    payload = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    with pytest.raises(TokenRejected):
        tokens().read(forged(payload))


# The forger signs with our key, which is short for these algorithms.
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("algorithm", ["none", "HS384", "HS512"])
def test_another_signature_algorithm_is_refused(algorithm: str) -> None:
    """One algorithm, not an option."""
    with pytest.raises(TokenRejected):
        tokens().read(forged(GOOD, algorithm=algorithm))


@pytest.mark.parametrize(
    "text",
    ["", "ek_", "sk-1234", "ek_68af296e8e408191a1120ab6383263c2", "ek_a.b.c.d.e", "ek_\xff" * 9],
)
def test_what_is_no_token_is_refused(text: str) -> None:
    """Provider keys, their ephemeral keys and noise."""
    with pytest.raises(TokenRejected):
        tokens().read(Secret(text))


@given(st.data())
def test_a_changed_character_anywhere_is_refused(data: st.DataObject) -> None:
    """No token has a second spelling."""
    text = tokens().mint(CLAIMS).reveal()
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda c: c != text[place]))
    with pytest.raises(TokenRejected):
        tokens().read(Secret(text[:place] + other + text[place + 1 :]))


@given(st.text())
def test_any_text_is_refused_and_nothing_else_happens(text: str) -> None:
    """Hostile input has one outcome."""
    with pytest.raises(TokenRejected):
        tokens().read(Secret(text))
