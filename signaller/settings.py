"""What the service is told: the frozen outcome of reading a configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from signaller.model import Deployment, Provider
from signaller.policy import Policy
from signaller.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds; all of them bounds on the whole step."""

    connect_seconds: float = 5
    mint_seconds: float = 15
    call_seconds: float = 20
    store_seconds: float = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """How long a token may start calls, and how many."""

    ttl_seconds: int = 600
    uses: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmSettings:
    """Whether and how tokens share a provider's secret."""

    seconds: int | None = None
    """For how long one secret serves; None: each token has its own."""
    across_callers: bool = False
    """Whether callers share as well."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimNames:
    """Which claims of a gateway's JWT say what. None: none does."""

    caller: str = "sub"
    end_user: str = "sub"
    models: str | None = None
    """Patterns: a list, or one text separated by spaces as `scope` is."""
    models_prefix: str = ""
    """Only entries that begin with it count, without it: `model:` of `scope`."""
    origins: str | None = None
    token_ttl_seconds: str | None = None
    token_uses: str | None = None
    mints_per_minute: str | None = None
    calls_per_minute: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtSettings:
    """A gateway that vouches for its callers with a JWT (RFC 7519). One of the two keys is set."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    """Asymmetric ones only: RS*, PS*, ES*, EdDSA."""
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
class MetricsSettings:
    """Who may read `/metrics`: the master key always may."""

    key: Secret | None = None
    port: int | None = None
    """A port of its own that asks for no key."""
    host: str = "127.0.0.1"
    """Where that port listens."""


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
    token: TokenSettings = field(default_factory=TokenSettings)
    timeouts: Timeouts = field(default_factory=Timeouts)
    warm_secrets: WarmSettings = field(default_factory=WarmSettings)
    policy: Policy = field(default_factory=Policy)
    """Of every caller without an entry of its own."""
    callers: tuple[NamedCaller, ...] = ()
    gateway: Gateway = field(default_factory=Gateway)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    cors_origins: tuple[str, ...] = ()
    public_url: str | None = None
    """Where `calls_url` points, without a trailing slash; None: the request's own host."""
    aliases: Mapping[tuple[Provider, str], str] = field(default_factory=dict)
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
