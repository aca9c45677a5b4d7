"""Tokens: what they carry, and everything that is refused."""

import base64
import hmac
import json
import os
from dataclasses import replace

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import OctKey

from signaller.errors import TokenRejected
from signaller.secret import Secret
from signaller.tokens.jwe import ContentKey, decrypt, derive, encrypt
from signaller.tokens.tokens import TokenClaims, Tokens, digest_of, seal, unseal
from tests.stores.making import SetClock, make_grant

NOW = 1_800_000_000


def key() -> Secret:
    """A master key as `signaller keygen` prints it."""
    return Secret(base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode())


OLD, NEW = key(), key()
CLAIMS = TokenClaims(
    grant_id="g1",
    caller="web",
    credential_id="key:1",
    deployment_id="d1",
    credential_fingerprint="c" * 16,
    nested_models=("whisper-1",),
    session_type="realtime",
    uses=1,
    model="gpt-realtime",
    origins=("https://app.example",),
    issued_at=NOW,
    expires_at=NOW + 60,
    metadata_digest="",
    seal_key=b"k" * 32,
)


def tokens(*ring: Secret, now: float = NOW) -> Tokens:
    """Tokens under a ring at a fixed time."""
    return Tokens(ring or (NEW,), lambda: now)


def raw(master: Secret) -> bytes:
    """The 32 bytes of a master key."""
    return base64.urlsafe_b64decode(master.reveal() + "=")


def encryption(master: Secret) -> ContentKey:
    """The key that seals tokens, as its header names it."""
    kid = base64.urlsafe_b64encode(derive(raw(master), "key id")[:6]).decode()
    return ContentKey(derive(raw(master), "token encryption"), kid)


def sealed(signed: str, master: Secret = NEW) -> Secret:
    """A JWT of anybody's choice, sealed as ours are."""
    return Secret(f"ek_{encrypt(signed.encode(), encryption(master))}")


def forged(payload: dict[str, object], algorithm: str = "HS256", **header: object) -> Secret:
    """Claims of anybody's choice, signed and sealed with our keys."""
    signature = derive(raw(NEW), "token signature") if algorithm != "none" else ""
    return sealed(jwt.encode(payload, signature, algorithm=algorithm, headers=header))


def signed_by_hand(header: str, payload: str) -> Secret:
    """Segments of anybody's choice, with the right HS256 signature of our own key."""
    mac = hmac.digest(derive(raw(NEW), "token signature"), f"{header}.{payload}".encode(), "sha256")
    return sealed(f"{header}.{payload}.{b64(mac)}")


def b64(text: bytes) -> str:
    """As segments of a JWT are written."""
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


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


HEADER = '{"alg":"HS256","typ":"JWT"}'


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        (HEADER, True),
        ('{"typ":"JWT","alg":"HS256"}', False),
        ('{"alg": "HS256", "typ": "JWT"}', False),
        ('{"alg":"HS256"}', False),
        ('{"alg":"HS256","typ":"JWT","kid":"1"}', False),
        ('{"alg":"HS256","crit":["exp"],"exp":1,"typ":"JWT"}', False),
        ('{"alg":"HS256","alg":"HS256","typ":"JWT"}', False),
    ],
)
def test_the_jwts_header_is_compared_and_not_interpreted(header: str, accepted: bool) -> None:
    """Another order, another member or `crit` is none of ours, however well it is signed."""
    token = signed_by_hand(b64(header.encode()), b64(json.dumps(GOOD).encode()))
    if accepted:
        assert tokens().read(token).grant_id == "g1"
    else:
        with pytest.raises(TokenRejected, match="form"):
            tokens().read(token)


@pytest.mark.parametrize("payload", ["!", "AB", "e30=", "AA==", "", "."])
def test_a_signed_payload_has_one_spelling(payload: str) -> None:
    """A right signature over what is no base64url, or is padded, is not enough."""
    with pytest.raises(TokenRejected):
        tokens().read(signed_by_hand(b64(HEADER.encode()), payload))


@given(st.text() | st.text(min_size=44, max_size=44).map(lambda text: f".{text[1:]}"))
def test_any_text_that_we_have_sealed_is_refused(text: str) -> None:
    """Hostile input has one outcome behind our own encryption and header, too."""
    for inside in (text, f"{b64(HEADER.encode())}.{text}"):
        with pytest.raises(TokenRejected):
            tokens().read(sealed(inside))


def test_a_jwt_signed_with_another_key_is_refused() -> None:
    """Whoever has the key of the encryption still lacks that of the signature."""
    with pytest.raises(TokenRejected, match="ignature"):
        tokens().read(sealed(jwt.encode(GOOD, b"K" * 32)))


FIXED_KEY = Secret("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
# Minted before PyJWT signed the JWT inside, and that JWT.
FIXED_TOKEN = (
    "ek_eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoiYWZWVkZrTmIifQ..FDjC2J2eZddg9AiG.kIJt"
    "7t2bZDm3ZoGfadDd_QdktyUoqBgLLY0PLT4rYSgFsDFKk64nCSLEwqxrfJZE158ucQVcwIoGzYCOgldBtLfaIflW"
    "Vq7NzpuQAqV19XJ81sXgDqJ-NSgbU30l2rj1Wu6_kyY9_oc5o4z_pyRk6Ec99krHbEEt_2791YSJYwGqVayFwfrz"
    "z0vAbV1yQA8FIg0KUuuR3o3oooK8eKErdaQ5zMVg6HWJyE3i0ey7jk208Zabf-HlLb8PazxrLP0dlDMfilOMebBY"
    "KjthGI1VO3BEdhgJekAohzQ9aqpJVGN-UKlaUqu8cWYAnvWJxiBXfeGXoTS1uXQUxjPH5wBIDtuJLjKETcadqMwn"
    "8xbGZwSTD2a_sdD2IgP2z77AEt6_zD7UAPOg_A8-fJmqknlMfZhS80xqerxuRkHsR_GVYlfHUsWrWVwLvfD9b0oQ"
    "jhowZ0s7J8IHH-NPVQP15ABSjJQGnJ1PCMIKh-qY0cZTSdri3uitGL76rc3Ei6wEDYFQ_4V3p1MT0gKz0JfZMZ6N"
    "8ypOmRECzF9EZeKaqPwXTcNHgK7gxLnKcjIcfIiZe0ziHGVphRViU_ZCjrG_ewoslDWB3YH9Ttz3hTf7yueoYw6m"
    "67Cf2b5OtBB5xpX7ZCs.XHUebS-_irMDRC4UkThWFQ"
)
FIXED_JWT = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJzaWduYWxsZXIiLCJhdWQiOiJyZWFsdGltZS9jYWx"
    "scyIsInN1YiI6Ilpvw6siLCJpYXQiOjE4MDAwMDAwMDAsImV4cCI6MTgwMDAwMDA2MCwianRpIjoiZzEiLCJkZXA"
    "iOiJkMSIsImNyZSI6ImNjY2NjY2NjY2NjY2NjY2MiLCJtZGwiOiJncHQtcmVhbHRpbWUiLCJuc3QiOlsid2hpc3B"
    "lci0xIl0sInNlcyI6InJlYWx0aW1lIiwidXNlIjoxLCJvcmciOlsiaHR0cHM6Ly9hcHAuZXhhbXBsZSJdLCJjcmQ"
    "iOiJrZXk6MSIsImtleSI6ImEydHJhMnRyYTJ0cmEydHJhMnRyYTJ0cmEydHJhMnRyYTJ0cmEydHJhMnMifQ.qgOC"
    "xhdXTPRWbCMVO5uWwshrvkglCip4N6J24yxE4OM"
)


def test_a_token_of_an_earlier_version_is_still_read() -> None:
    """An upgrade voids no token, and replicas of both versions work side by side."""
    assert tokens(FIXED_KEY).read(Secret(FIXED_TOKEN)) == replace(CLAIMS, caller="Zoë")


def test_a_token_holds_the_same_bytes_as_an_earlier_versions() -> None:
    """An earlier version compares the header, and reads what is written now."""
    token = tokens(FIXED_KEY).mint(replace(CLAIMS, caller="Zoë")).reveal()
    opened = decrypt(token.removeprefix("ek_"), [encryption(FIXED_KEY)])
    assert opened.decode() == FIXED_JWT


def test_any_jwt_library_reads_what_is_inside() -> None:
    """It is a JWT by the standard (RFC 7519), as joserfc shows."""
    claims = joserfc_jwt.decode(
        FIXED_JWT, OctKey.import_key(derive(raw(FIXED_KEY), "token signature"))
    )
    assert claims.header == json.loads(HEADER)
    assert claims.claims["jti"] == "g1"


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


PAIRS = {"customer": "c-17", "plan": "gold"}


@pytest.mark.parametrize(
    ("of_token", "of_record", "opens"),
    [
        pytest.param(PAIRS, PAIRS, True, id="its own"),
        pytest.param(PAIRS, dict(reversed(PAIRS.items())), True, id="its own in another order"),
        pytest.param({}, {}, True, id="none as there were"),
        pytest.param(PAIRS, {**PAIRS, "plan": "basic"}, False, id="another value"),
        pytest.param(PAIRS, {"customer": "c-17"}, False, id="one less"),
        pytest.param(PAIRS, {}, False, id="none"),
        pytest.param({}, PAIRS, False, id="some where there were none"),
    ],
)
def test_metadata_of_another_token_opens_nothing(
    of_token: dict[str, str], of_record: dict[str, str], opens: bool
) -> None:
    """The token names its own by a digest: a record that is right in all else does not open."""
    grant = make_grant(SetClock(NOW))
    minted = replace(
        CLAIMS,
        grant_id=grant.id,
        caller=grant.caller,
        deployment_id=grant.deployment_id,
        credential_fingerprint=grant.credential_fingerprint,
        origins=grant.terms.origins,
        expires_at=grant.terms.start_by,
        metadata_digest=digest_of(of_token),
    )
    claims = tokens().read(tokens().mint(minted))
    found = seal(grant, Secret("ek_theirs"), of_record, claims.seal_key)
    if opens:
        assert unseal(found, claims).metadata == of_record
    else:
        with pytest.raises(TokenRejected, match="does not open"):
            unseal(found, claims)
