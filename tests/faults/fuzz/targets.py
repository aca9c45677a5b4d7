"""The doors that strangers' bytes come through, and what may come out of each."""

import base64
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from signaller.config import load_settings
from signaller.config.document import parse_document
from signaller.errors import ConfigError, InvalidJson, InvalidRequest, TokenRejected
from signaller.model import Offer
from signaller.realtime.offers import parse_offer
from signaller.secret import Secret
from signaller.settings import Settings
from signaller.strict_json import parse_object
from signaller.tokens.jwe import ContentKey, JweRejected, decrypt, derive, encrypt
from signaller.tokens.tokens import TokenClaims, Tokens
from signaller.web.bodies import parse_json, parse_multipart
from tests.config.reading import ENV, KEY, entry, service_file
from tests.support.provider import ANSWER
from tests.support.service import OFFER

CONTENT_KEY = ContentKey(b"k" * 32, "kid")
TOKENS = Tokens([Secret(KEY)], lambda: 0)
CLAIMS = TokenClaims(
    grant_id="grant",
    caller="web",
    credential_id="key:0",
    deployment_id="d1",
    credential_fingerprint="c" * 16,
    nested_models=("whisper-1",),
    session_type="realtime",
    uses=1,
    model="voice",
    origins=("https://app.example",),
    issued_at=0,
    expires_at=60,
    metadata_digest="",
    seal_key=b"k" * 32,
)
TOKEN = TOKENS.mint(CLAIMS).reveal()
MASTER = base64.urlsafe_b64decode(f"{KEY}=")
SIGNATURE_KEY = derive(MASTER, "token signature")
KID = base64.urlsafe_b64encode(derive(MASTER, "key id")[:6]).decode()
ENCRYPTION_KEY = ContentKey(derive(MASTER, "token encryption"), KID)
MOST_CLAIMS = 3000
"""Bytes that still fit a token."""
PAYLOAD = (
    b'{"iss": "signaller", "aud": "realtime/calls", "sub": "web", "iat": 0, "exp": 60, "jti": "g",'
    b' "dep": "d1", "cre": "c1", "mdl": "voice", "nst": [], "ses": "realtime", "use": 1,'
    b' "org": ["https://a"], "crd": "key:0", "key": "AAAA"}'
)
SESSION = b'{"session": {"type": "realtime", "tools": [{"a": [1.5e3, null, "\\u00e9"]}]}}'
FORM_TYPE = "multipart/form-data; boundary=b"
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="sdp"\r\nContent-Type: application/sdp\r\n\r\n'
    + OFFER
    + b'\r\n--b\r\nContent-Disposition: form-data; name="session"; filename="s"\r\n\r\n'
    + SESSION
    + b"\r\n--b--\r\n"
)
FILE = (
    entry("timeout: 5, weight: 2, api_base: &base 'https://h/v1'")
    + f"signaller: {{token: {{ttl_seconds: 60}}, token_keys: [{KEY}], cors_origins: ['https://a']}}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One function, what it may raise, and inputs to begin from."""

    enter: Callable[[bytes], object]
    documented: tuple[type[Exception], ...]
    gives: type
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...] = ()
    """What a mutation may put in: the language of this door."""

    def try_(self, data: bytes) -> None:
        """Enter; anything undocumented is raised, and so is a result of another kind."""
        try:
            result = self.enter(data)
        except self.documented as refused:
            if not str(refused):
                raise AssertionError("refused without a word") from refused
            return
        if not isinstance(result, self.gives):
            raise AssertionError(f"gave {type(result)}")


def _offer(data: bytes) -> Offer:
    offer = parse_offer(data)
    if offer.sdp != data:
        raise AssertionError("the offer is not what was sent, byte for byte")
    return offer


def _form(data: bytes) -> Mapping[str, bytes]:
    """The first line may be another Content-Type."""
    first, line, rest = data.partition(b"\n")
    if line and first.startswith(b"multipart/"):
        return parse_multipart(first.decode("latin-1"), rest)
    return parse_multipart(FORM_TYPE, data)


def _sealed(data: bytes) -> bytes:
    """Without the key, whatever opens must be what was sealed."""
    text = data.decode("latin-1")
    plain = decrypt(text, [CONTENT_KEY])
    if text != SEALED:
        raise AssertionError("a forgery was opened")
    return plain


def _token(data: bytes) -> TokenClaims:
    text = data.decode("latin-1")
    claims = TOKENS.read(Secret(text))
    if text != TOKEN or claims != CLAIMS:
        raise AssertionError("a forgery was believed")
    return claims


def _claims(data: bytes) -> TokenClaims:
    """Claims of whatever form under our own keys: sealed and signed as we do it (RFC 7515)."""
    signed = b".".join(map(_base64url, (b'{"alg":"HS256","typ":"JWT"}', data[:MOST_CLAIMS])))
    mac = hmac.digest(SIGNATURE_KEY, signed, "sha256")
    return TOKENS.read(Secret("ek_" + encrypt(signed + b"." + _base64url(mac), ENCRYPTION_KEY)))


def _base64url(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _document(data: bytes) -> dict[object, object]:
    return parse_document(data.decode("utf-8", "surrogateescape"))


def _settings(data: bytes) -> Settings:
    return load_settings(data.decode("utf-8", "surrogateescape"), ENV)


SEALED = encrypt(b"what was sealed", CONTENT_KEY)
SDP_WORDS = (
    b"v=0",
    b"\r\n",
    b"\n",
    b"m=audio ",
    b"m=",
    b"a=",
    b"\\r\\n",
    b"\xff",
    b"{",
    b"\xef\xbb\xbf",
)
JSON_WORDS = (
    *(b"{", b"}", b"[", b"]", b'"', b":", b",", b"NaN", b"-Infinity", b"1e999", b"-0", b"1" * 4400),
    *(
        b"\\ud800",
        b"\\u0000",
        b"null",
        b"true",
        b"[" * 70,
        b'{"a":' * 2000,
        b"\xff",
        b"\xef\xbb\xbf",
    ),
)
FORM_WORDS = (
    *(b"--b", b"--b--", b"\r\n", b"\r\n\r\n", b"Content-Disposition: form-data", b'; name="sdp"'),
    *(b"Content-Transfer-Encoding: base64\r\n", b"; filename=", b"\\", b"--", b"X: y\r\n" * 10),
    *(
        b"multipart/form-data; boundary=\n",
        b'multipart/form-data; boundary="\n',
        b"multipart/mixed\n",
    ),
)
YAML_WORDS = (
    *(b"\n", b": ", b"- ", b"  ", b"&a ", b"*a", b"<<: *a", b"!!python/object:os.system ", b"? "),
    *(b"|\n", b">-\n", b"{", b"}", b"[", b"]", b"---\n", b"...\n", b"%YAML 1.1\n", b"'", b'"'),
    *(b"os.environ/HOME", b"0x", b"1:1:1", b"1e999", b".nan", b"2025-13-40", b"~"),
    *(
        b"model_list",
        b"litellm_params",
        b"signaller",
        b"callers",
        b"gateway",
        b"policy",
        b"\xff",
        b"\0",
    ),
)
TOKEN_WORDS = (
    b".",
    b"ek_",
    b"=",
    b"-",
    b"_",
    b"A",
    b"\xff",
    b"..",
    SEALED.encode(),
    b"eyJhbGciOiJkaXIi",
)

DOORS: Mapping[str, Door] = {
    "sdp": Door(
        enter=_offer,
        documented=(InvalidRequest,),
        gives=Offer,
        seeds=(OFFER, ANSWER, OFFER.replace(b"\r\n", b"\n"), b""),
        words=SDP_WORDS,
    ),
    "jwe": Door(
        enter=_sealed,
        documented=(JweRejected,),
        gives=bytes,
        seeds=(SEALED.encode(), TOKEN.encode(), b"...."),
        words=TOKEN_WORDS,
    ),
    "tokens": Door(
        enter=_token,
        documented=(TokenRejected,),
        gives=TokenClaims,
        seeds=(TOKEN.encode(), b"ek_", b"ek_...."),
        words=TOKEN_WORDS,
    ),
    "claims": Door(
        enter=_claims,
        documented=(TokenRejected,),
        gives=TokenClaims,
        seeds=(PAYLOAD, b"{}", b'{"nbf": 1e400, "exp": -1}'),
        words=(*JSON_WORDS, b'"nbf": 1,', b'"aud": [1],', b"1e400", b"9" * 400),
    ),
    "multipart": Door(
        enter=_form,
        documented=(InvalidRequest,),
        gives=dict,
        seeds=(FORM, FORM_TYPE.encode() + b"\n" + FORM, b"--b--\r\n"),
        words=FORM_WORDS,
    ),
    "strict-json": Door(
        enter=parse_object,
        documented=(ValueError,),
        gives=dict,
        seeds=(SESSION, b"{}", b"[]"),
        words=JSON_WORDS,
    ),
    "json-body": Door(
        enter=parse_json,
        documented=(InvalidJson,),
        gives=dict,
        seeds=(SESSION, b"{}", b"[]"),
        words=JSON_WORDS,
    ),
    "document": Door(
        enter=_document,
        documented=(ConfigError,),
        gives=dict,
        seeds=(FILE.encode(), entry().encode(), b"a: &a [1]\nb: *a\n"),
        words=YAML_WORDS,
    ),
    "settings": Door(
        enter=_settings,
        documented=(ConfigError,),
        gives=Settings,
        seeds=(
            FILE.encode(),
            entry().encode(),
            service_file("{callers: [{name: a, keys: [b-key-of-a]}]}").encode(),
        ),
        words=YAML_WORDS,
    ),
}

PLANTED = Door(
    enter=bytes.decode, documented=(ConfigError,), gives=str, seeds=(b"an input without a fault",)
)
"""One with a fault, which must be found: text that is not UTF-8."""
