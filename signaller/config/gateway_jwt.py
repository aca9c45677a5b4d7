"""`gateway.jwt`: whose JWTs are believed, by which key, and which claims say what."""

import re
from dataclasses import fields

from signaller.config.findings import Text, fits_line
from signaller.config.lists import texts
from signaller.config.section import Section
from signaller.config.urls import jwks_url
from signaller.settings import ClaimNames, JwtSettings

KEYS = (
    *("issuer", "audience", "jwks_url", "public_key"),
    *("algorithms", "required_scope", "claims"),
)
CLAIM_KEYS = tuple(field.name for field in fields(ClaimNames))
ALGORITHMS = (  # RFC 7518, 3.1 and RFC 8037, 3.1
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
MAX_ISSUER_CHARS = 1000  # URLs, most of them below 100
MAX_CLAIM_CHARS = 200  # namespaced claims are URLs too
_PEM = re.compile(
    r"-----BEGIN PUBLIC KEY-----\r?\n([A-Za-z0-9+/=]+[ \t]*\r?\n)+-----END PUBLIC KEY-----"
)
_SCOPE = re.compile(r"[!#-\[\]-~]+")  # RFC 6749, 3.3


def read_jwt(section: Section) -> JwtSettings | None:
    """The section; None after a fault."""
    section.unknown(KEYS, refuse=True)
    issuer, audience = _named(section, "issuer"), _named(section, "audience")
    url, key = _key_source(section)
    algorithms = _algorithms(section)
    scope = _scope(section)
    claims = _claims(section.section("claims"))
    if not (issuer and audience and (url or key)):
        return None
    return JwtSettings(
        issuer=issuer,
        audience=audience,
        algorithms=algorithms,
        jwks_url=url,
        public_key=key,
        required_scope=scope,
        claims=claims,
    )


def _named(section: Section, key: str) -> str | None:
    text = section.text(key)
    if text is None and key not in section:
        section.fault(key, f"the {key} that JWTs must name", "nothing")
    return text.value if text and fits_line(text, MAX_ISSUER_CHARS) else None


def _key_source(section: Section) -> tuple[str | None, str | None]:
    if ("jwks_url" in section) == ("public_key" in section):
        found = "both" if "jwks_url" in section else "neither"
        section.fault("jwks_url", "either jwks_url or public_key", found)
    url = section.text("jwks_url")
    key = section.text("public_key", secret=True)  # it may be the private one by mistake
    return jwks_url(url) if url else None, _public_key(key) if key else None


def _public_key(text: Text) -> str | None:
    pem = text.value.strip()
    if "PRIVATE KEY-----" in pem:
        text.fault("a public key", "a private one, which only the issuer may have")
    elif "-----BEGIN CERTIFICATE-----" in pem:
        text.fault("the public key itself ('openssl x509 -pubkey' takes it out)", "a certificate")
    elif not _PEM.fullmatch(pem):
        text.fault(
            "PEM, from -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----, with its line "
            "breaks (in YAML: a block after '|')"
        )
    else:
        return pem
    return None


def _algorithms(section: Section) -> tuple[str, ...]:
    expected = "a list of algorithms"
    if "algorithms" not in section:
        section.fault("algorithms", f"{expected} such as [RS256]", "nothing")
    listed = texts(section, "algorithms", expected, least=1, most=len(ALGORITHMS)) or ()
    for text in listed:
        if text.value.upper().startswith("HS"):
            text.fault(
                "an asymmetric algorithm, as whoever can check an HMAC can make one too",
            )
        elif text.value.lower() == "none":
            text.fault("an algorithm that signs, as anybody can write a JWT without signature")
        elif text.value not in ALGORITHMS:
            text.fault(f"one of {', '.join(ALGORITHMS)}")
    return tuple(dict.fromkeys(text.value for text in listed))


def _scope(section: Section) -> str | None:
    text = section.text("required_scope")
    if text and fits_line(text, MAX_CLAIM_CHARS) and not _SCOPE.fullmatch(text.value):
        text.fault("one scope: printable ASCII without spaces, quotes and backslashes")
    return text.value if text else None


def _claims(section: Section) -> ClaimNames:
    section.unknown(CLAIM_KEYS, refuse=True)
    given = {key: text for key in CLAIM_KEYS if (text := section.text(key))}
    for text in given.values():
        fits_line(text, MAX_CLAIM_CHARS)
    if "models_prefix" in section and "models" not in section:
        section.fault("models", "the claim whose entries have the prefix", "nothing")
    return ClaimNames(**{key: text.value for key, text in given.items()})
