"""One form of JWE: sealed and opened, understood by others, and nothing else accepted."""

import base64
import json
import string

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import assume, given
from hypothesis import strategies as st
from joserfc import jwe as joserfc_jwe
from joserfc.jwk import OctKey
from jwcrypto import jwe as jwcrypto_jwe  # type: ignore[import-untyped] # ships no types
from jwcrypto import jwk as jwcrypto_jwk

from signaller.tokens.jwe import (
    MAX_COMPACT_CHARS,
    ContentKey,
    JweRejected,
    decrypt,
    derive,
    encrypt,
    open_content,
    seal_content,
)

KEY = ContentKey(bytes(range(32)))
NAMED = ContentKey(bytes(range(32)), kid="2026-11")
OTHER = ContentKey(bytes(32))
PLAINTEXT = b"what one token stands for"
TOKEN = encrypt(PLAINTEXT, KEY)
BASE64URL = string.ascii_letters + string.digits + "-_"


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@given(st.binary(max_size=2000), st.sampled_from([KEY, NAMED]))
def test_what_is_sealed_can_be_opened(plaintext: bytes, key: ContentKey) -> None:
    """Any plaintext comes back, under a key with a kid or without."""
    assert decrypt(encrypt(plaintext, key), [OTHER, key]) == plaintext


def test_no_two_seals_are_the_same() -> None:
    """Each has an IV of its own."""
    assert len({encrypt(PLAINTEXT, KEY).split(".")[2] for _ in range(100)}) == 100


def test_the_header_says_the_minimum() -> None:
    """alg, enc, and the kid where there is one."""
    assert json.loads(_unb64(KEY.header.decode())) == {"alg": "dir", "enc": "A256GCM"}
    assert json.loads(_unb64(NAMED.header.decode())) == {
        "alg": "dir",
        "enc": "A256GCM",
        "kid": "2026-11",
    }


def test_another_key_opens_nothing() -> None:
    """The same header under another key fails at the tag."""
    with pytest.raises(JweRejected) as refused:
        decrypt(TOKEN, [OTHER])
    assert isinstance(refused.value.__cause__, InvalidTag)


def test_without_keys_nothing_opens() -> None:
    """An empty ring refuses everything."""
    with pytest.raises(JweRejected):
        decrypt(TOKEN, [])


def test_a_kid_must_be_that_of_the_key() -> None:
    """The right key under another name refuses."""
    with pytest.raises(JweRejected):
        decrypt(encrypt(PLAINTEXT, NAMED), [KEY])


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_has_32_bytes(length: int) -> None:
    """A key of another length is refused at once, and not shown."""
    with pytest.raises(ValueError, match="32 bytes"):
        ContentKey(b"k" * length)


def test_a_key_does_not_show_itself() -> None:
    """repr has the kid, never the key."""
    assert repr(NAMED) == "ContentKey(kid='2026-11')"


def test_what_could_not_be_opened_is_not_sealed() -> None:
    """A plaintext that makes a JWE longer than the limit is refused when sealing."""
    with pytest.raises(ValueError, match="more than 6144"):
        encrypt(bytes(MAX_COMPACT_CHARS), KEY)


def test_length_is_judged_first() -> None:
    """A huge string costs no decoding and no decryption."""
    with pytest.raises(JweRejected, match="more than 6144"):
        decrypt("é." * MAX_COMPACT_CHARS, [KEY])


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from(BASE64URL + ".=+/ \n\x00é"))
def test_one_changed_character_is_rejected(position: int, character: str) -> None:
    """No character can be swapped: not in a segment's unused bits either."""
    assume(TOKEN[position] != character)
    with pytest.raises(JweRejected):
        decrypt(TOKEN[:position] + character + TOKEN[position + 1 :], [KEY])


def test_every_last_character_is_canonical() -> None:
    """For each segment, every other last character is rejected."""
    segments = TOKEN.split(".")
    for place in (0, 2, 3, 4):
        for character in BASE64URL.replace(segments[place][-1], ""):
            changed = [*segments]
            changed[place] = changed[place][:-1] + character
            with pytest.raises(JweRejected):
                decrypt(".".join(changed), [KEY])


@given(st.integers(0, len(TOKEN) - 1))
def test_a_truncated_token_is_rejected(length: int) -> None:
    """No beginning of a token is a token, nor is any end of one."""
    for part in (TOKEN[:length], TOKEN[len(TOKEN) - length :]):
        with pytest.raises(JweRejected):
            decrypt(part, [KEY])


@given(st.integers(0, len(TOKEN)), st.sampled_from([*BASE64URL, ".", "=", "\n", " "]))
def test_an_inserted_character_is_rejected(position: int, character: str) -> None:
    """Nothing can be added anywhere: no padding, no line end, no segment."""
    with pytest.raises(JweRejected):
        decrypt(TOKEN[:position] + character + TOKEN[position:], [KEY])


@given(st.one_of(st.text(), st.from_regex(r"[\w=-]*(\.[\w=-]*){4}", fullmatch=True)))
def test_arbitrary_text_is_rejected(text: str) -> None:
    """Whatever is sent raises JweRejected and nothing else."""
    with pytest.raises(JweRejected):
        decrypt(text, [KEY])


@given(st.lists(st.text(BASE64URL, max_size=40), min_size=4, max_size=4))
def test_arbitrary_segments_after_our_header_are_rejected(segments: list[str]) -> None:
    """The right header alone opens nothing."""
    with pytest.raises(JweRejected):
        decrypt(".".join([KEY.header.decode(), *segments]), [KEY])


@pytest.mark.parametrize(
    ("header", "key_bytes"),
    [
        pytest.param({"alg": "dir", "enc": "A128GCM"}, 16, id="A128GCM"),
        pytest.param({"alg": "dir", "enc": "A128CBC-HS256"}, 32, id="A128CBC-HS256"),
        pytest.param({"alg": "dir", "enc": "A256CBC-HS512"}, 64, id="A256CBC-HS512"),
        pytest.param({"alg": "A256KW", "enc": "A256GCM"}, 32, id="A256KW"),
        pytest.param({"alg": "A256GCMKW", "enc": "A256GCM"}, 32, id="A256GCMKW"),
        pytest.param({"alg": "PBES2-HS256+A128KW", "enc": "A256GCM"}, 32, id="PBES2"),
        pytest.param({"alg": "dir", "enc": "A256GCM", "zip": "DEF"}, 32, id="zip"),
        pytest.param({"alg": "dir", "enc": "A256GCM", "cty": "JWT"}, 32, id="cty"),
        pytest.param({"alg": "dir", "enc": "A256GCM", "kid": "x"}, 32, id="unknown-kid"),
        pytest.param({"enc": "A256GCM", "alg": "dir"}, 32, id="another-order"),
    ],
)
def test_valid_jwe_of_another_kind_are_rejected(header: dict[str, str], key_bytes: int) -> None:
    """What another library makes with our key, but not in our one form, is not opened."""
    raw = (KEY.key * 2)[:key_bytes]
    key = OctKey.import_key(raw)
    allowed = [header["alg"], header["enc"], "DEF"]
    compact = joserfc_jwe.encrypt_compact(dict(header), PLAINTEXT, key, algorithms=allowed)
    opened = joserfc_jwe.decrypt_compact(compact, key, algorithms=allowed)
    assert opened.plaintext == PLAINTEXT
    with pytest.raises(JweRejected):
        decrypt(compact, [KEY])


@pytest.mark.parametrize(
    "extra", [{"crit": ["exp"], "exp": 1}, {"crit": []}, {"zip": "DEF"}, {"alg": "none"}]
)
def test_a_header_with_anything_else_is_rejected(extra: dict[str, object]) -> None:
    """Rightly sealed under our own key with another header, still not one of ours."""
    header = _b64(json.dumps({"alg": "dir", "enc": "A256GCM"} | extra).encode())
    iv = bytes(12)
    ciphertext, tag = seal_content(KEY.cipher, iv, header.encode(), PLAINTEXT)
    with pytest.raises(JweRejected, match="protected header"):
        decrypt(".".join([header, "", _b64(iv), _b64(ciphertext), _b64(tag)]), [KEY])


@pytest.mark.parametrize("iv_bytes", [8, 11, 13, 16])
def test_another_iv_length_is_rejected(iv_bytes: int) -> None:
    """AES-GCM could, A256GCM (RFC 7518 section 5.3) may not."""
    iv = bytes(iv_bytes)
    ciphertext, tag = seal_content(KEY.cipher, iv, KEY.header, PLAINTEXT)
    compact = f"{KEY.header.decode()}..{_b64(iv)}.{_b64(ciphertext)}.{_b64(tag)}"
    with pytest.raises(JweRejected, match="IV"):
        decrypt(compact, [KEY])


def test_a_shortened_tag_is_rejected() -> None:
    """A tag cut to 12 bytes, its rest moved into the ciphertext or dropped, opens nothing."""
    header, _, iv, ciphertext, tag = TOKEN.split(".")
    short = _b64(_unb64(tag)[:12])
    moved = _b64(_unb64(ciphertext) + _unb64(tag)[:4])
    for parts in ([ciphertext, short], [moved, _b64(_unb64(tag)[4:])]):
        with pytest.raises(JweRejected, match="tag of 12"):
            decrypt(".".join([header, "", iv, *parts]), [KEY])


@pytest.mark.parametrize("key", [KEY, NAMED], ids=["bare", "kid"])
def test_joserfc_opens_ours_and_we_open_joserfcs(key: ContentKey) -> None:
    """Interoperates both ways with joserfc."""
    oct_key = OctKey.import_key(key.key)
    allowed = ["dir", "A256GCM"]
    ours = joserfc_jwe.decrypt_compact(encrypt(PLAINTEXT, key), oct_key, algorithms=allowed)
    assert ours.plaintext == PLAINTEXT
    header = json.loads(_unb64(key.header.decode()))
    theirs = joserfc_jwe.encrypt_compact(header, PLAINTEXT, oct_key, algorithms=allowed)
    assert decrypt(theirs, [key]) == PLAINTEXT


@pytest.mark.parametrize("key", [KEY, NAMED], ids=["bare", "kid"])
def test_jwcrypto_opens_ours_and_we_open_jwcryptos(key: ContentKey) -> None:
    """Interoperates both ways with jwcrypto."""
    oct_key = jwcrypto_jwk.JWK(kty="oct", k=_b64(key.key))
    ours = jwcrypto_jwe.JWE()
    ours.deserialize(encrypt(PLAINTEXT, key), key=oct_key)
    assert ours.payload == PLAINTEXT
    theirs = jwcrypto_jwe.JWE(PLAINTEXT, protected=_unb64(key.header.decode()).decode())
    theirs.add_recipient(oct_key)
    assert decrypt(theirs.serialize(compact=True), [key]) == PLAINTEXT


def test_rfc_7516_appendix_a1() -> None:
    """The content encryption of RFC 7516 A.1.5 and A.1.6 (A256GCM), both ways."""
    cek = bytes.fromhex("b1a1f480548fe1733fb403ff6b9ad4f68a076e5b702e22692f82cb2e7aea40fc")
    iv = _unb64("48V1_ALb6US04U3b")
    aad = b"eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ"
    ciphertext = _unb64(
        "5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A"
    )
    tag = _unb64("XFBoMYUZodetZdvTiFvSkQ")
    plaintext = b"The true sign of intelligence is not knowledge but imagination."
    assert open_content(AESGCM(cek), iv, aad, ciphertext, tag) == plaintext
    assert seal_content(AESGCM(cek), iv, aad, plaintext) == (ciphertext, tag)


def test_rfc_7520_section_5_6() -> None:
    """The content encryption of RFC 7520 5.6 (dir, A128GCM) opens; as a whole it is rejected."""
    cek = _unb64("XctOhJAkA-pD9Lh7ZgW_2A")
    aad = (
        "eyJhbGciOiJkaXIiLCJraWQiOiI3N2M3ZTJiOC02ZTEzLTQ1Y2YtODY3Mi02MTdiNWI0NTI0M2EiLCJlbmMi"
        "OiJBMTI4R0NNIn0"
    )
    iv, tag = "refa467QzzKx6QAB", "vbb32Xvllea2OtmHAdccRQ"
    ciphertext = (
        "JW_i_f52hww_ELQPGaYyeAB6HYGcR559l9TYnSovc23XJoBcW29rHP8yZOZG7YhLpT1bjFuvZPjQS-m0IFtVcXkZ"
        "XdH_lr_FrdYt9HRUYkshtrMmIUAyGmUnd9zMDB2n0cRDIHAzFVeJUDxkUwVAE7_YGRPdcqMyiBoCO-FBdE-Nceb4h3"
        "-FtBP-c_BIwCPTjb9o0SbdcdREEMJMyZBH8ySWMVi1gPD9yxi-aQpGbSv_F9N4IZAxscj5g-NJsUPbjk29-s7LJAGb"
        "15wEBtXphVCgyy53CoIKLHHeJHXex45Uz9aKZSRSInZI-wjsY0yu3cT4_aQ3i1o-tiE-F8Ios61EKgyIQ4CWao8PFMj8"
        "TTnp"
    )
    opened = open_content(AESGCM(cek), _unb64(iv), aad.encode(), _unb64(ciphertext), _unb64(tag))
    assert opened.startswith(b"You can trust us to stick with you through thick and thin")
    with pytest.raises(JweRejected, match="protected header"):
        decrypt(f"{aad}..{iv}.{ciphertext}.{tag}", [ContentKey(cek * 2)])


def test_purposes_share_no_keys() -> None:
    """HKDF-SHA256 with 'signaller <purpose>' as info: stable, 32 bytes, different per purpose."""
    derived = {purpose: derive(b"m" * 32, purpose) for purpose in ("token", "grant", "")}
    assert {len(key) for key in derived.values()} == {32}
    assert len(set(derived.values())) == 3
    assert derived["token"] == derive(b"m" * 32, "token") != derive(b"n" * 32, "token")


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_what_is_bound_opens_only_with_the_same(bound_to: bytes, other: bytes) -> None:
    """Additional data that differs, is missing or was added fails at the tag."""
    assume(bound_to != other)
    sealed = encrypt(PLAINTEXT, KEY, bound_to=bound_to)
    assert decrypt(sealed, [KEY], bound_to=bound_to) == PLAINTEXT
    with pytest.raises(JweRejected):
        decrypt(sealed, [KEY], bound_to=other)


def test_what_is_bound_is_the_aad_of_the_standard() -> None:
    """jwcrypto opens it where the additional data is told (RFC 7516, 7.2: `aad`)."""
    protected, _, iv, ciphertext, tag = encrypt(PLAINTEXT, KEY, bound_to=b"grant").split(".")
    told = {"protected": protected, "aad": _b64(b"grant")}
    told |= {"iv": iv, "ciphertext": ciphertext, "tag": tag}
    opened = jwcrypto_jwe.JWE()
    opened.deserialize(json.dumps(told), jwcrypto_jwk.JWK(kty="oct", k=_b64(KEY.key)))
    assert opened.payload == PLAINTEXT
