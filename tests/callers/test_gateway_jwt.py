"""A gateway's JWT: each rule it may break, beside the JWT that keeps them all."""

import hashlib
import hmac
import re
import time
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from signaller.callers import FrontDesk, KeySets
from signaller.callers.gateway_jwt import GatewayJwt
from signaller.errors import ConfigError, InvalidApiKey, InvalidJwt, ScopeMissing
from signaller.model import Evidence
from signaller.policy import Policy
from signaller.settings import Gateway, HeaderSettings, NamedCaller
from tests.callers.issuing import (
    ABSENT,
    AUDIENCE,
    ISSUER,
    MASTER_KEY,
    bearing,
    jwt_desk,
    jwt_settings,
    segment,
    settings,
    signing_key,
)

DEFAULT = Policy(token_ttl_seconds=30)
PARTNER = Policy(calls_per_minute=7)


@pytest.fixture
def desk(key_sets: KeySets) -> FrontDesk:
    """A desk with the issuer's public key in its configuration."""
    callers = (
        NamedCaller(name="partner", key_digests=(), policy=PARTNER),
        NamedCaller(name="web", key_digests=(b"\0" * 32,), policy=PARTNER),
    )
    return jwt_desk(key_sets, settings(policy=DEFAULT, callers=callers))


def on_time(claims: dict[str, Any]) -> dict[str, Any]:
    """Claims whose times are seconds from now."""
    return {
        name: value + int(time.time())
        if name in {"exp", "nbf", "iat"} and isinstance(value, int | float) and value is not True
        else value
        for name, value in claims.items()
    }


async def refused(desk: FrontDesk, token: str) -> InvalidJwt:
    """The refusal of a JWT, which must not say the JWT again."""
    with pytest.raises(InvalidJwt) as raised:
        await desk.identify(bearing(token))
    error = raised.value
    said = " ".join(map(str, (error, error.public, error.__cause__, error.__context__)))
    assert not [part for part in token.split(".") if len(part) > 8 and part in said]
    assert error.public.endswith(".")
    return error


async def credential_id_at(desk: FrontDesk) -> str:
    """What a token minted with a JWT names as its proof."""
    return (await desk.identify(bearing(signing_key().sign()))).credential_id


async def test_a_good_jwt_is_its_subject(desk: FrontDesk) -> None:
    """With the default policy; the subject is caller and end user alike."""
    caller = await desk.identify(bearing(signing_key().sign()))
    assert (caller.name, caller.end_user) == ("ada", "ada")
    assert re.fullmatch("jwt:[0-9a-f]{12}", caller.credential_id)
    assert caller.policy == replace(DEFAULT, token_uses=1)
    assert not caller.is_master


async def test_a_jwt_may_name_an_entry_without_keys(desk: FrontDesk) -> None:
    """Then that entry's policy rules."""
    caller = await desk.identify(bearing(signing_key().sign({"sub": "partner"})))
    assert caller.policy == replace(PARTNER, token_uses=1)


@pytest.mark.parametrize("name", ["master", "web"])
async def test_a_jwt_may_not_name_who_must_bring_a_key(desk: FrontDesk, name: str) -> None:
    """Neither the master nor a caller that has keys, however well it is signed."""
    error = await refused(desk, signing_key().sign({"sub": name}))
    assert "must bring a key" in error.public
    assert desk.policy_of(name, await credential_id_at(desk)) is None


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"iss": "https://evil.example"}, "issuer"),
        ({"iss": [ISSUER]}, "issuer"),
        ({"iss": ABSENT}, "lacks the claim 'iss'"),
        ({"aud": "billing"}, "audience"),
        ({"aud": ["billing", "mail"]}, "audience"),
        ({"aud": {AUDIENCE: True}}, "audience"),
        ({"aud": ABSENT}, "lacks the claim 'aud'"),
        ({"exp": -60}, "has expired"),
        ({"exp": True}, "has expired"),
        ({"exp": "soon"}, "malformed"),
        ({"exp": [9999999999]}, "malformed"),
        ({"exp": float("inf")}, "malformed"),
        ({"exp": ABSENT}, "lacks the claim 'exp'"),
        ({"nbf": 3600}, "not valid yet"),
        ({"nbf": {}}, "malformed"),
        ({"iat": 3600}, "not valid yet"),
        ({"iat": "today"}, "'iat'"),
        ({"sub": ABSENT}, "lacks the claim 'sub'"),
        ({"sub": 7}, "'sub'"),
        ({"sub": ["ada"]}, "'sub'"),
    ],
    ids=str,
)
async def test_a_jwt_that_breaks_a_rule_is_told_which(
    desk: FrontDesk, claims: dict[str, Any], sentence: str
) -> None:
    """In words; the JWT itself is not said again."""
    assert sentence in (await refused(desk, signing_key().sign(on_time(claims)))).public


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": ["billing", AUDIENCE]},
        {"exp": -5},
        {"nbf": 5},
        {"iat": 5},
        {"nbf": -60, "iat": -60},
        {"iat": 0.5},
    ],
    ids=str,
)
async def test_a_jwt_that_just_keeps_the_rules_is_taken(
    desk: FrontDesk, claims: dict[str, Any]
) -> None:
    """One audience of several, and clocks that are a few seconds apart."""
    assert (await desk.identify(bearing(signing_key().sign(on_time(claims))))).name == "ada"


async def test_an_unsigned_jwt_is_refused(desk: FrontDesk) -> None:
    """In each spelling of "none", with and without a signature."""
    _, body, signature = signing_key().sign().split(".")
    for alg in ("none", "None", "NONE", ""):
        header = segment({"alg": alg, "typ": "JWT"})
        for end in ("", signature):
            assert "algorithms ES256" in (await refused(desk, f"{header}.{body}.{end}")).public


@pytest.mark.parametrize("allowed", [("RS256",), ("RS256", "HS256")])
async def test_the_public_key_is_no_shared_secret(
    key_sets: KeySets, allowed: tuple[str, ...]
) -> None:
    """HS256 under the text of the PEM is refused, even if a configuration let it in."""
    key = signing_key("RS256")
    desk = jwt_desk(key_sets, algorithms=allowed, public_key=key.pem)
    good = key.sign()
    signed = f"{segment({'alg': 'HS256', 'typ': 'JWT'})}.{good.split('.')[1]}"
    mac = segment(hmac.digest(key.pem.encode(), signed.encode(), hashlib.sha256))
    assert "algorithms RS256." in (await refused(desk, f"{signed}.{mac}")).public
    assert (await desk.identify(bearing(good))).name == "ada"


async def test_another_algorithm_than_the_pinned_is_refused(desk: FrontDesk) -> None:
    """RS256 where only ES256 is allowed."""
    error = await refused(desk, signing_key("RS256").sign())
    assert "algorithms ES256" in error.public


async def test_an_algorithm_that_is_pinned_but_not_the_keys_is_refused(key_sets: KeySets) -> None:
    """ES384's header cannot have an ES256 key verify it, nor RS256's."""
    desk = jwt_desk(key_sets, algorithms=("RS256", "ES256", "ES384"))
    for algorithm in ("RS256", "ES384"):
        error = await refused(desk, signing_key(algorithm).sign())
        assert "not for the algorithm" in error.public
    assert (await desk.identify(bearing(signing_key().sign()))).name == "ada"


@pytest.mark.parametrize(
    "algorithm", ["RS256", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA"]
)
async def test_every_asymmetric_algorithm_is_understood(key_sets: KeySets, algorithm: str) -> None:
    """Each with a key in PEM."""
    key = signing_key(algorithm)
    desk = jwt_desk(key_sets, algorithms=(algorithm,), public_key=key.pem)
    assert (await desk.identify(bearing(key.sign()))).name == "ada"


async def test_a_strangers_signature_is_refused(desk: FrontDesk) -> None:
    """The same algorithm, another key."""
    error = await refused(desk, signing_key(number=2).sign())
    assert "signature does not verify" in error.public


async def test_a_changed_claim_is_refused(desk: FrontDesk) -> None:
    """The signature is over what it was made for."""
    header, _, signature = signing_key().sign().split(".")
    body = segment({"iss": ISSUER, "aud": AUDIENCE, "sub": "eve", "exp": 9999999999})
    assert "signature" in (await refused(desk, f"{header}.{body}.{signature}")).public


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "ES256", "crit": ["exp"], "exp": 1},
        {"alg": "ES256", "crit": []},
        {"alg": "ES256", "b64": False, "crit": ["b64"]},
        {"alg": "ES256", "kid": 7},
        {"alg": ["ES256"]},
        {"alg": {}},
        {"alg": None},
        {},
        [],
        "ES256",
        7,
        None,
    ],
    ids=str,
)
async def test_a_header_that_is_not_understood_is_refused(desk: FrontDesk, header: object) -> None:
    """Critical extensions are ours to refuse (RFC 7515, 4.1.11)."""
    _, body, signature = signing_key().sign().split(".")
    await refused(desk, f"{segment(header)}.{body}.{signature}")


@pytest.mark.parametrize(
    "token",
    ["..", "a.b.c", "=.=.=", "é.é.é", "\udcff..", f"{segment(b'[' * 9000)}.e30.", "e30.e30.\n"],
    ids=ascii,
)
async def test_what_only_looks_like_a_jwt_is_refused(desk: FrontDesk, token: str) -> None:
    """As a JWT, for it has three segments."""
    await refused(desk, token)


async def test_a_jwt_has_16_kib_at_most(desk: FrontDesk) -> None:
    """Longer ones are refused before anything in them is decoded."""
    room = 16 * 1024 - len(signing_key().sign({"pad": ""}))
    fitting = signing_key().sign({"pad": "x" * (room * 3 // 4 - 2)})
    assert 16 * 1024 - 8 < len(fitting) <= 16 * 1024
    assert (await desk.identify(bearing(fitting))).name == "ada"
    error = await refused(desk, signing_key().sign({"pad": "x" * (room * 3 // 4 + 2)}))
    assert "longer than 16384" in error.public


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": "voice:mint"},
        {"scope": "openid voice:mint profile"},
        {"scp": ["openid", "voice:mint"]},
        {"scp": "voice:mint"},
        {"scope": "openid", "scp": ["voice:mint"]},
    ],
    ids=str,
)
async def test_the_required_scope_is_found(key_sets: KeySets, claims: dict[str, Any]) -> None:
    """In `scope` or `scp`, as text or as a list."""
    desk = jwt_desk(key_sets, required_scope="voice:mint")
    assert (await desk.identify(bearing(signing_key().sign(claims)))).name == "ada"


@pytest.mark.parametrize(
    "claims",
    [{}, {"scope": ""}, {"scope": "voice"}, {"scope": "voice:mint2"}, {"scp": []}],
    ids=str,
)
async def test_without_the_required_scope_the_answer_is_403(
    key_sets: KeySets, claims: dict[str, Any]
) -> None:
    """Who it is is known; it may not (RFC 6750, 3.1). A part of the scope is not the scope."""
    desk = jwt_desk(key_sets, required_scope="voice:mint")
    with pytest.raises(ScopeMissing):
        await desk.identify(bearing(signing_key().sign(claims)))


@pytest.mark.parametrize("claims", [{"scope": 7}, {"scp": {"voice:mint": 1}}], ids=str)
async def test_a_scope_of_the_wrong_type_is_refused(
    key_sets: KeySets, claims: dict[str, Any]
) -> None:
    """It is no scope, nor the absence of one."""
    await refused(jwt_desk(key_sets, required_scope="voice:mint"), signing_key().sign(claims))


async def test_a_key_goes_before_the_jwt(desk: FrontDesk) -> None:
    """Keys are looked up first; what is neither key nor JWT is told both ways in."""
    assert (await desk.identify(bearing(MASTER_KEY))).is_master
    for secret in ("sk-wrong", "a.b", "ek_a.b.c.d.e"):
        with pytest.raises(InvalidApiKey) as raised:
            await desk.identify(bearing(secret))
        assert "JWT" in raised.value.public
        assert "key" in raised.value.public


async def test_a_bad_jwt_is_not_made_good_by_a_header(key_sets: KeySets) -> None:
    """Who brings a JWT is judged by it."""
    header = HeaderSettings(name="x-consumer-id", networks=(), trust_unix=True)
    desk = jwt_desk(key_sets, settings(gateway=Gateway(header=header)))
    headers = (("x-consumer-id", "acme"),)
    bad = bearing(signing_key(number=2).sign())
    with pytest.raises(InvalidJwt):
        await desk.identify(Evidence(secret=bad.secret, peer="unix", headers=headers))
    assert (await desk.identify(Evidence(peer="unix", headers=headers))).name == "acme"


async def test_a_jwt_is_nothing_where_none_is_configured(key_sets: KeySets) -> None:
    """It is a wrong key then, and tokens minted with one before are void."""
    then = await credential_id_at(jwt_desk(key_sets))
    desk = FrontDesk(settings(), key_sets)
    with pytest.raises(InvalidApiKey):
        await desk.identify(bearing(signing_key().sign()))
    assert desk.policy_of("ada", then) is None


async def test_a_jwts_policy_is_looked_up_by_name(desk: FrontDesk) -> None:
    """As long as the gateway is configured."""
    known = await credential_id_at(desk)
    assert desk.policy_of("ada", known) == DEFAULT
    assert desk.policy_of("partner", known) == PARTNER
    for other in ("jwt", "", f"header:{known[-12:]}", f"{known}0", "key:0123456789abcdef"):
        assert desk.policy_of("ada", other) is None


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"algorithms": ("ES256", "ES384")}, True),
        ({"issuer": "https://other.example"}, False),
        ({"audience": "other"}, False),
        ({"public_key": signing_key(number=2).pem}, False),
        ({"jwks_url": "https://id.example/jwks.json"}, False),
    ],
    ids=["nothing", "algorithms", "issuer", "audience", "key", "jwks"],
)
async def test_another_issuer_voids_what_the_first_vouched_for(
    desk: FrontDesk, key_sets: KeySets, changes: dict[str, Any], same: bool
) -> None:
    """Who replaces an issuer that leaked its key need not wait for the tokens minted through it."""
    before = await credential_id_at(desk)
    after = jwt_desk(key_sets, settings(policy=DEFAULT), **changes)
    assert after.policy_of("ada", before) == (DEFAULT if same else None)


async def test_another_address_of_keys_is_another_issuer(key_sets: KeySets) -> None:
    """Though issuer and audience stay."""
    old, new = (
        GatewayJwt(jwt_settings(jwks_url=f"https://id.example/{name}.json"), key_sets)
        for name in ("a", "b")
    )
    assert old.credential_id != new.credential_id


def weak_pem() -> str:
    """RSA of 1024 bits."""
    public = rsa.generate_private_key(65537, 1024).public_key()  # noqa: S505 - it must be refused
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem() -> str:
    """The half that is the issuer's own."""
    private = signing_key().private
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("pem", "algorithm"),
    [
        (lambda: "", "ES256"),
        (lambda: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "ES256"),
        (lambda: signing_key("RS256").pem, "ES256"),
        (lambda: signing_key().pem, "RS256"),
        (lambda: signing_key().pem, "ES384"),
        (lambda: signing_key().pem, "HS256"),
        (weak_pem, "RS256"),
        (private_pem, "ES256"),
    ],
    ids=["empty", "broken", "RSA", "EC", "curve", "symmetric", "weak", "private"],
)
async def test_a_public_key_that_cannot_verify_stops_the_start(
    key_sets: KeySets, pem: Any, algorithm: str
) -> None:
    """With a line that names the place, rather than with a 401 for everybody."""
    with pytest.raises(ConfigError, match=r"gateway\.jwt\.public_key") as raised:
        jwt_desk(key_sets, algorithms=(algorithm,), public_key=pem())
    assert not pem() or pem() not in str(raised.value)
