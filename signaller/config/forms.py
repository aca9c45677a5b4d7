"""What a value may look like: addresses, origins, networks, headers, keys in PEM, sessions."""

import json
import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network
from itertools import islice
from math import isnan
from urllib.parse import parse_qsl, urlsplit

from pydantic import ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails

from signaller.config.faults import HUGE, Loc, others_among, shown, wrong
from signaller.config.values import VARIABLE
from signaller.errors import InvalidRequest
from signaller.model import Provider, WebrtcFilter
from signaller.realtime.sessions import parse_mint_request
from signaller.secret import Secret

UNIX = "unix"
MAX_NAME_CHARS = 200  # a model's name travels in the token, an id in every grant
NAME = "a name of 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'"
MAX_DEPTH = 32  # the schemas of tools nest some twenty levels
MAX_BYTES = 64 * 1024  # it is part of every mint; the longest instructions take some 30 KB
MAX_FAULTS = 10  # a session of a wrong kind altogether has one at every value
MAX_NUMBER = 2**63 - 1
MAX_HEADER_CHARS = 100
_HTTP_URL = re.compile(r"https?://[^/?#@\s]+(/[^?#\s]*)?", re.I)
_JWKS_URL = re.compile(r"https?://[^/?#@\s]+([/?][^#\s]*)?", re.I)
_PROXY_URL = re.compile(r"http://([^/?#@\s]*@)?(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?/?", re.I)
_REDIS_URL = re.compile(r"(rediss?(\+(sentinel|cluster))?|unix)://[^\s]+")
# Hybrid apps have origins of their own: capacitor://localhost, tauri://localhost.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?", re.I)
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}(%[A-Za-z0-9._-]{1,15})?")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
SCOPE = r"^[!#-\[\]-~]+$"  # RFC 6749, 3.3
_PEM = re.compile(
    r"-----BEGIN PUBLIC KEY-----\r?\n([A-Za-z0-9+/=]+[ \t]*\r?\n)+-----END PUBLIC KEY-----"
)
_HALF = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair, which no text in UTF-8 has."""
_MAPPED = IPv6Network("::ffff:0:0/96")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
# They say something else already, and clients send them through any gateway.
_TAKEN = frozenset(
    {"authorization", "api-key", "cookie", "host", "origin", "content-type", "x-request-id"}
)
# What people paste from the providers' pages, behind the part that all routes share.
_API_PARTS: dict[Provider, re.Pattern[str]] = {
    "openai": re.compile(r"/v1(/realtime(\?\S*)?)?/*$"),
    "azure": re.compile(r"/openai(/v1(/realtime\S*)?|/(deployments|realtime)\S*)?/*$"),
}


def name(value: str) -> str:
    """A caller's name; a key in its place would be logged."""
    if value.lower().startswith(("sk-", "ek_")):
        raise wrong(NAME, "what looks like a key")
    return value


def for_header(value: str) -> str:
    """A text that can be sent in a header."""
    if not re.fullmatch(r"[!-~]+", value):
        raise wrong("ASCII without spaces or line breaks", others_among(value))
    return value


def credential(value: Secret) -> Secret:
    """A secret that can be sent in a header."""
    for_header(value.reveal())
    return value


def entra_token(value: Secret) -> Secret:
    """A token as it is; LiteLLM would also ask an issuer for one."""
    if value.reveal().startswith("oidc/"):
        expected = "a token, or tenant_id, client_id and client_secret in its place"
        raise wrong(expected, "oidc/..., which is not supported")
    return value


def number(value: float) -> float:
    """Any number; one without bounds is brought within some afterwards."""
    if isnan(value):
        raise wrong("a number")
    return value


def http_url(value: str) -> str:
    """An http(s) URL without credentials, query and trailing slashes."""
    if not _fits(_HTTP_URL, value):
        raise wrong("an http(s) URL without user, password and query")
    return value.rstrip("/")


def base_url(value: str, info: ValidationInfo) -> str:
    """What stands before `/v1` (OpenAI) or `/openai/v1` (Azure)."""
    value = re.sub(r"^ws(s?)://", r"http\1://", value, flags=re.I)
    for provider, part in _API_PARTS.items():
        if info.context in {None, provider}:  # None: which it is could not be told
            value = part.sub("", value)
    return http_url(value)


def first(value: object) -> object:
    """Of a list the first: LiteLLM makes a deployment for each."""
    return value[0] if isinstance(value, list) and value else value


def model_name(value: str) -> str:
    """The name of a model, perhaps with a wildcard."""
    if len(value) > MAX_NAME_CHARS or value.count("*") > 1:
        raise wrong(f"at most {MAX_NAME_CHARS} characters and one '*'")
    return value


def id_of(value: str | int) -> str:
    """An id; LiteLLM takes numbers too."""
    if isinstance(value, int) and abs(value) >= HUGE:
        raise wrong("a string")
    text = str(value)
    if len(text) > MAX_NAME_CHARS:
        raise wrong(f"at most {MAX_NAME_CHARS} characters", f"{len(text)}")
    return text


def on_or_off(value: object) -> object:
    """YAML reads a bare on and off as true and false."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


def off(value: object) -> object:
    """YAML reads a bare off as false; true names no mode."""
    return "off" if value is False else value


def webrtcfilter(value: WebrtcFilter, info: ValidationInfo) -> WebrtcFilter:
    """The filter of an entry; `on` is refused at OpenAI, which has none and would show all."""
    if value == "on" and info.context == "openai":
        raise wrong("off or client, as OpenAI has no such filter", "on")
    return value


def public_url(value: str) -> str:
    """Where clients find this service: what stands before `/v1`, which may be written as well."""
    return http_url(value).removesuffix("/v1").rstrip("/")


def jwks_url(value: str) -> str:
    """Where an issuer publishes its keys; some tell tenants apart in the query."""
    if not _fits(_JWKS_URL, value):
        raise wrong("an https URL without user, password and fragment")
    if in_the_clear(value):
        raise wrong("https://, as keys can be swapped on the way otherwise", "http://")
    return value


def proxy_url(secret: Secret) -> Secret:
    """A forward proxy, perhaps with user and password."""
    value = secret.reveal()
    if _fits(_PROXY_URL, value):
        return Secret(value.rstrip("/"))
    tls = value.lower().startswith("https:")
    raise wrong(
        "http://host:port, perhaps with user:password@ before the host (%-encoded)",
        "https://, which says that the proxy itself is spoken to over TLS" if tls else None,
    )


def redis_url(secret: Secret) -> Secret:
    """A URL of a Redis, a Sentinel or a Cluster."""
    try:
        fits = _REDIS_URL.fullmatch(secret.reveal()) and urlsplit(secret.reveal())
    except ValueError:  # an unclosed bracket
        fits = None
    if not fits:
        raise wrong(
            "a URL that starts with redis://, rediss:// or unix://, "
            "or with redis(s)+sentinel:// or redis(s)+cluster://"
        )
    return secret


def verifies_nobody(secret: Secret) -> bool:
    """Whether a URL of Redis says that any certificate will do."""
    return ("ssl_cert_reqs", "none") in parse_qsl(urlsplit(secret.reveal()).query)


def login_of(secret: Secret) -> tuple[str, str]:
    """User and password in a URL of Redis."""
    user, _, password = urlsplit(secret.reveal()).netloc.rpartition("@")[0].partition(":")
    return user, password


def origin(value: str, *, also: str = "") -> str:
    """An origin as browsers send it (RFC 6454, 6.2)."""
    if not _fits(_ORIGIN, value):
        raise wrong(f"an origin such as https://app.example (no path, no trailing slash){also}")
    return _as_browsers_write(value)


def origin_or_any(value: str) -> str:
    """An origin, or `*`."""
    return value if value == "*" else origin(value, also=", or '*'")


def origin_of_policy(value: str) -> str:
    """An origin; nobody is to believe that `*` limits anything."""
    if value == "*":
        expected = "an origin; to allow any, leave origins out here and in signaller.policy"
        raise wrong(expected, "'*'")
    return origin(value)


def origin_of(url: str) -> str:
    """The origin of an http(s) URL."""
    return _as_browsers_write("/".join(url.split("/", 3)[:3]))


def in_the_clear(url: str) -> bool:
    """Whether credentials sent to a URL can be read on the way."""
    host = urlsplit(url).hostname
    return url.lower().startswith("http:") and host not in {"localhost", "127.0.0.1", "::1"}


def is_host(value: str) -> bool:
    """Whether it can be listened at."""
    return bool(_HOST.fullmatch(value))


def header_name(value: str) -> str:
    """The name of a header that only the gateway sets, in lower case."""
    name = value.lower()
    if len(name) > MAX_HEADER_CHARS or not _HEADER.fullmatch(name):
        raise wrong(f"the name of a header, at most {MAX_HEADER_CHARS} characters")
    if name in _TAKEN:
        raise wrong("a header of the gateway's own", f"{name}, which says something else")
    return name


def network(value: str) -> IPv4Network | IPv6Network | str:
    """A network of the gateway's, or `unix`."""
    if value == UNIX:
        return value
    try:
        found, given = ip_network(value, strict=False), ip_interface(value)
    except ValueError:
        raise wrong(f"a network such as 10.0.0.0/8, an address or '{UNIX}'") from None
    if found.prefixlen == 0:
        raise wrong("a network of your own, as anybody could name any caller", f"{found}")
    if isinstance(found, IPv6Network) and found.subnet_of(_MAPPED):
        raise wrong("the IPv4 network itself, as which its clients are known", f"{found}")
    if given.ip != found.network_address:
        raise wrong(f"the network's first address, as in {found}")
    return found


def public_key(secret: Secret) -> str:
    """A public key in PEM; it may be the private one by mistake."""
    pem = secret.reveal().strip()
    if "PRIVATE KEY-----" in pem:
        raise wrong("a public key", "a private one, which only the issuer may have")
    if "-----BEGIN CERTIFICATE-----" in pem:
        raise wrong("the public key itself ('openssl x509 -pubkey' takes it out)", "a certificate")
    if not _PEM.fullmatch(pem):
        raise wrong(
            "PEM, from -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----, with its line "
            "breaks (in YAML: a block after '|')"
        )
    return pem


def session(value: object) -> object:
    """Plain JSON of a bounded size, which a mint could ask for."""
    if not isinstance(value, dict):
        raise wrong("a mapping", shown(value, secret=True))
    chosen = "which whoever mints a token chooses (see models)"
    faults = list(islice(_no_json(value, (), 1), MAX_FAULTS))
    faults += [((key,), f"no {key}, {chosen}", "one") for key in ("model", "type") if key in value]
    if faults:
        raise _faults_in(faults)
    size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_BYTES:
        raise wrong(f"at most {MAX_BYTES} bytes as JSON", f"{size}")
    try:
        parse_mint_request({"model": "any", "session": value})
    except InvalidRequest as error:
        place = (error.param or "").removeprefix("session").strip(".")
        found = f"what none can: {error.public.rstrip('.')}"
        loc = tuple(filter(None, place.split(".")))
        raise _faults_in([(loc, "what a mint can ask for", found)]) from None
    return value


def _faults_in(faults: Sequence[tuple[Loc, str, str]]) -> ValidationError:
    details = [
        InitErrorDetails(type=wrong(expected, found), loc=loc, input=None)
        for loc, expected, found in faults
    ]
    return ValidationError.from_exception_data("session", details)


def _no_json(value: object, loc: Loc, level: int) -> Iterator[tuple[Loc, str, str]]:
    """Where a value is not plain JSON, with what was expected and what was found there."""
    if level > MAX_DEPTH:
        yield loc, f"at most {MAX_DEPTH} levels of nesting", "more"
    elif isinstance(value, dict):
        for key, member in value.items():
            if isinstance(key, str) and not _HALF.search(key):
                yield from _no_json(member, (*loc, key), level + 1)
            else:
                yield loc, "names as keys", f"{shown(key)} as a key"
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _no_json(member, (*loc, index), level + 1)
    elif isinstance(value, str) and value.startswith(VARIABLE):
        yield loc, "the text itself, as no variable is looked up here", f"{VARIABLE}..."
    elif isinstance(value, str) and _HALF.search(value):
        yield loc, "text", "half of a surrogate pair"
    # Infinity and NaN are not JSON (RFC 8259, 6), and few read integers of more bits.
    elif isinstance(value, int | float) and not -MAX_NUMBER <= value <= MAX_NUMBER:
        yield loc, "a number that JSON has and 64 bits hold", "another"
    elif not isinstance(value, str | int | float | None):
        yield loc, "text, a number, true, false, null, a list or a mapping", shown(value)


def _as_browsers_write(value: str) -> str:
    value = value.lower()
    return value.removesuffix(_DEFAULT_PORTS.get(value.partition(":")[0], "\n"))


def _fits(pattern: re.Pattern[str], url: str) -> bool:
    """Whether a URL is so written, in ASCII, with a host and perhaps a port."""
    try:
        parts = urlsplit(url)
        fits = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port beyond 65535, an unclosed bracket
        return False
    return fits and bool(pattern.fullmatch(url)) and url.isascii() and url.isprintable()
