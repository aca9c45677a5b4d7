"""What the service is told: the frozen outcome of reading a configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from signaller.model import Deployment, Provider
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

    ttl_seconds: int = 60
    uses: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One running service."""

    deployments: tuple[Deployment, ...]
    master_key: Secret | None
    """None: nobody can mint, and `signaller check` says so."""
    token_keys: tuple[Secret, ...]
    """32 bytes each, base64url without padding; the first seals, all open. Never empty."""
    redis_url: Secret | None = None
    """None: the memory store. A URL may carry a password."""
    token: TokenSettings = field(default_factory=TokenSettings)
    timeouts: Timeouts = field(default_factory=Timeouts)
    cors_origins: tuple[str, ...] = ()
    public_url: str | None = None
    """Where `calls_url` points, without a trailing slash; None: the request's own host."""
    aliases: Mapping[tuple[Provider, str], str] = field(default_factory=dict)
    """(provider, model name) -> upstream model, of every entry of `model_list`, realtime or not:
    nested models (transcription) are looked up here."""
    tester_key: Secret | None = None
    """Filled into the tester page by `signaller demo`, and only there."""
    notes: tuple[str, ...] = ()
    """What a reader of the configuration should know: entries passed over, keys made up."""
