"""What the service is told: the frozen outcome of reading a configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, get_args

from annotated_types import Interval, MaxLen, MinLen, Predicate

from signaller.model import Aliases, Deployment
from signaller.policy import (
    MAX_TTL_SECONDS,
    MAX_USES,
    MIN_TTL_SECONDS,
    Policy,
    SupervisionMode,
)
from signaller.secret import Secret

# `config` reads the first of these as they stand here: name, type, bounds, default and the
# sentence below each are the declaration of a key, and nothing else has to name it.

Seconds = Annotated[float, Interval(gt=0, le=600)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Bounds on whole steps, in seconds."""

    connect_seconds: Seconds = 5
    """To open a connection to the provider, or to wait for a free one: each host has at most 500,
    so that one that hangs takes none from the others."""
    mint_seconds: Seconds = 15
    """For the provider's part of a mint, as a whole."""
    call_seconds: Seconds = 20
    """For the provider's part of a call or a hang-up, as a whole."""
    store_seconds: Seconds = 2
    """For one step of Redis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """How long a token may start calls, and how many."""

    ttl_seconds: Annotated[int, Interval(ge=MIN_TTL_SECONDS, le=MAX_TTL_SECONDS)] = 600
    """How long a token may start calls; 600 is OpenAI's own default. A request's `expires_after`
    rules over it. Below 120, clients that renew a minute early renew
    without a pause."""
    uses: Annotated[int, Interval(ge=1, le=MAX_USES)] = 1
    """How many calls one token may start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSettings:
    """What is kept of calls, and how many are watched."""

    kept_seconds: Annotated[int, Interval(ge=60, le=30 * 24 * 3600)] = 24 * 3600
    """For how many seconds a call that has ended can be looked at. Each takes a few KB."""
    watched_at_once: Annotated[int, Interval(ge=1, le=10_000)] = 2000
    """How many calls one process watches. With five events a second each, a thousand take two
    fifths of a core, and 33,000 KB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmSettings:
    """Whether and how tokens share a provider's secret."""

    seconds: Annotated[int, Interval(ge=10, le=3600)] | None = None
    """For how long one provider's secret serves several tokens; without it each has its own."""
    across_callers: bool = False
    """Whether callers share them too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisLogin:
    """Who we are to Redis, where its URL does not say so."""

    username: str | None = None
    """The user, where the URL names none; `password` beside it."""
    password: Secret | None = None
    """Redis's password, kept out of the URL: one that rotates needs no other URL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """Who may read `/metrics`: the master key always may."""

    key: Secret | None = None
    """Opens `/metrics`, besides the master key."""
    port: Annotated[int, Interval(ge=1, le=65_535)] | None = None
    """A port of its own for `/metrics`, which asks for no key."""
    host: str = "127.0.0.1"
    """Where that port listens."""


InLine = Predicate(str.isprintable)
"""Of a text that stands in a line that people read."""
ClaimName = Annotated[str, MinLen(1), MaxLen(200), InLine]
"""Namespaced claims are URLs, and so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimNames:
    """Which claims of a gateway's JWT say what. None: none does."""

    caller: ClaimName = "sub"
    """The claim with the caller's name."""
    end_user: ClaimName = "sub"
    """The claim with the person behind it."""
    models: ClaimName | None = None
    """A claim with patterns: a list, or one text separated by spaces as `scope` is."""
    models_prefix: Annotated[str, MaxLen(200), InLine] = ""
    """Of that claim only entries that begin with this count, and it is cut off: with `model:` the
    scope `model:gpt-*` allows `gpt-*`."""
    origins: ClaimName | None = None
    """A claim with origins."""
    token_ttl_seconds: ClaimName | None = None
    """A claim with a number."""
    token_uses: ClaimName | None = None
    """A claim with a number."""
    mints_per_minute: ClaimName | None = None
    """A claim with a number, counted for each end user."""
    calls_per_minute: ClaimName | None = None
    """A claim with a number, counted for each end user."""
    calls_at_once: ClaimName | None = None
    """A claim with a number, counted for each end user."""
    max_call_seconds: ClaimName | None = None
    """A claim with a number."""
    max_idle_seconds: ClaimName | None = None
    """A claim with a number."""


# What follows is made by `config` of what it declares itself.

MASTER = "master"
"""The name of the caller with the master key; nobody else may bear it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCaller:
    """One entry of `callers`."""

    name: str
    key_digests: tuple[bytes, ...]
    """SHA-256 of each key; empty: a caller whom the gateway names, or the master."""
    policy: Policy
    """The defaults included."""


Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
"""That may sign a gateway's JWT (RFC 7518, 3.1; RFC 8037, 3.1). Asymmetric only: with a shared
secret every verifier could sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtSettings:
    """A gateway that vouches for its callers with a JWT (RFC 7519). One of the two keys is set."""

    issuer: str
    audience: str
    algorithms: tuple[Algorithm, ...]
    jwks_url: str | None = None
    public_key: str | None = None
    """PEM."""
    required_scope: str | None = None
    """In the claim `scope` (RFC 8693, 4.2) or `scp`."""
    claims: ClaimNames = field(default_factory=ClaimNames)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderSettings:
    """A gateway that names its callers in a header."""

    name: str
    """In lower case."""
    networks: tuple[IPv4Network | IPv6Network, ...]
    """From where it is believed."""
    trust_unix: bool
    """Whether it is believed from the Unix socket."""
    end_user: str | None = None
    """The header that names the end user, in lower case; believed likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """What stands in front, and how it says who calls."""

    jwt: JwtSettings | None = None
    header: HeaderSettings | None = None
    only_listed: bool = False
    """Whether it may name nobody but entries of `callers`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """How requests leave for providers, issuers and Entra ID."""

    proxy: Secret | None = None
    """An http:// or https:// URL, perhaps with user and password; None: directly."""
    http_proxy: Secret | None = None
    """The same for what is at http:// itself, as `proxy` is for https://."""
    no_proxy: str = ""
    """Which hosts are reached without it, as the variable NO_PROXY says it."""
    ca_file: Path | None = None
    """PEM: authorities that are trusted beside those of the machine."""
    client_cert: Path | None = None
    """PEM: shown to servers that ask for a certificate."""
    client_key: Path | None = None
    """PEM: its key; None: it stands in the same file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One running service."""

    deployments: tuple[Deployment, ...]
    master_key: Secret | None
    """None: nobody can mint, and `signaller check` says so."""
    token_keys: tuple[Secret, ...]
    """32 bytes each, base64url without padding; the first seals, all open. Never empty."""
    token_keys_generated: bool = False
    """Whether the last of them was made up here, as the configuration named none."""
    redis_url: Secret | None = None
    """None: the memory store. A URL may carry a password."""
    redis: RedisLogin = field(default_factory=RedisLogin)
    token: TokenSettings = field(default_factory=TokenSettings)
    timeouts: Timeouts = field(default_factory=Timeouts)
    warm_secrets: WarmSettings = field(default_factory=WarmSettings)
    calls: CallSettings = field(default_factory=CallSettings)
    supervision: SupervisionMode | None = None
    """How calls are watched whose policy does not say; None: as its other keys need it."""
    policy: Policy = field(default_factory=Policy)
    """Of every caller without an entry of its own."""
    callers: tuple[NamedCaller, ...] = ()
    gateway: Gateway = field(default_factory=Gateway)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    egress: Egress = field(default_factory=Egress)
    cors_origins: tuple[str, ...] = ()
    public_url: str | None = None
    """Where `calls_url` points, without a trailing slash; None: the request's own host."""
    aliases: Aliases = field(default_factory=dict)
    """(provider, model name) -> upstream model, of every entry of `model_list`, realtime or not:
    nested models (transcription) are looked up here."""
    tester_key: Secret | None = None
    """Filled into the tester page by `signaller demo`, and only there."""
    tester_host: str | None = None
    """Where the demo was told to listen."""
    warnings: tuple[str, ...] = ()
    """What is dangerous, or taken otherwise than whoever wrote it may have meant."""
    notes: tuple[str, ...] = ()
    """What a reader of the configuration should know: entries passed over, keys made up."""
    values: Mapping[str, object] = field(default_factory=dict, compare=False)
    """path in the file -> what was understood there, of keys of ours, for `signaller check`."""
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)
    """path in the file -> from where its value came, for `signaller check`."""
