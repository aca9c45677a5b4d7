"""The `signaller:` section but for access: store, token keys, time-outs, CORS."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from signaller.config.keys import generate_token_key, token_key
from signaller.config.lists import texts
from signaller.config.section import Section
from signaller.config.urls import origin_or_any, public_url
from signaller.secret import Secret
from signaller.sessions import MAX_TTL_SECONDS, MIN_TTL_SECONDS
from signaller.settings import Timeouts, TokenSettings, WarmSettings

KEYS = (
    *("redis_url", "token_keys", "token", "timeouts", "cors_origins", "public_url"),
    *("policy", "callers", "gateway", "metrics", "warm_secrets"),
)
WARM_KEYS = ("seconds", "across_callers")
MIN_WARM_SECONDS, MAX_WARM_SECONDS = 10, 3600
MAX_USES = 100
CALM_TTL_SECONDS = 120
MAX_TIMEOUT_SECONDS = 600
_TIMEOUTS = ("connect_seconds", "mint_seconds", "call_seconds", "store_seconds")
_REDIS_URL = re.compile(r"(rediss?(\+(sentinel|cluster))?|unix)://[^\s]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """What stands under `signaller:`, access left out."""

    token_keys: tuple[Secret, ...]
    token_keys_generated: bool
    redis_url: Secret | None
    token: TokenSettings
    timeouts: Timeouts
    warm_secrets: WarmSettings
    cors_origins: tuple[str, ...]
    public_url: str | None


def read_ours(ours: Section, *, workers: int) -> Ours:
    """The section, faults noted."""
    ours.unknown(KEYS, refuse=True)
    redis_url = _redis_url(ours)
    _replicas_share(ours, workers=workers)
    address = ours.text("public_url")
    return Ours(
        token_keys=_token_keys(ours),
        token_keys_generated="token_keys" not in ours,
        redis_url=redis_url,
        token=_token(ours.section("token")),
        timeouts=_timeouts(ours.section("timeouts")),
        warm_secrets=_warm_secrets(ours.section("warm_secrets")),
        cors_origins=_cors_origins(ours),
        public_url=public_url(address) if address else None,
    )


def _redis_url(ours: Section) -> Secret | None:
    text = ours.text("redis_url", secret=True)
    if text and not _is_redis_url(text.value):
        text.fault(
            "a URL that starts with redis://, rediss:// or unix://, "
            "or with redis(s)+sentinel:// or redis(s)+cluster://"
        )
    elif text and ("ssl_cert_reqs", "none") in parse_qsl(urlsplit(text.value).query):
        text.findings.warn(
            text.path, "ssl_cert_reqs=none: nobody is verified, whoever answers is taken for Redis"
        )
    return Secret(text.value) if text else None


def _is_redis_url(value: str) -> bool:
    try:
        return bool(_REDIS_URL.fullmatch(value) and urlsplit(value))
    except ValueError:  # an unclosed bracket
        return False


def _replicas_share(ours: Section, *, workers: int) -> None:
    if workers > 1 and "redis_url" not in ours:
        ours.fault("redis_url", f"a Redis URL, as {workers} workers must share one store", "none")
    if "redis_url" in ours and "token_keys" not in ours:
        ours.fault(
            "token_keys",
            "at least one key, as all replicas on one Redis must share them "
            "('signaller keygen' makes one)",
            "none",
        )


def _token_keys(ours: Section) -> tuple[Secret, ...]:
    listed = texts(ours, "token_keys", "a list of keys", least=1, secret=True)
    if listed is None:
        if "token_keys" not in ours and "redis_url" not in ours:
            ours.findings.note(
                ours.at("token_keys"),
                "none given, so a random one was made: a restart voids the tokens not yet used",
            )
        return (Secret(generate_token_key()),)
    keys: list[Secret] = []
    for text in listed:
        key = token_key(text)
        if key in keys:
            text.fault("each key once", "one given before")
        elif key:
            keys.append(key)
    return tuple(keys)


def _token(section: Section) -> TokenSettings:
    section.unknown(("ttl_seconds", "uses"), refuse=True)
    defaults = TokenSettings()
    ttl_seconds = section.whole("ttl_seconds", MIN_TTL_SECONDS, MAX_TTL_SECONDS)
    note_short_life(section, "ttl_seconds", ttl_seconds)
    uses = section.whole("uses", 1, MAX_USES)
    return TokenSettings(
        ttl_seconds=ttl_seconds or defaults.ttl_seconds, uses=uses or defaults.uses
    )


def note_short_life(section: Section, key: str, seconds: int | None) -> None:
    """Some clients renew their token a minute before its end, and then without a pause."""
    if seconds is not None and seconds < CALM_TTL_SECONDS:
        section.findings.note(
            section.at(key),
            f"{seconds} s is short: clients that renew a token a minute before its end never rest; "
            f"{CALM_TTL_SECONDS} s or more is kinder to them",
        )


def _warm_secrets(section: Section) -> WarmSettings:
    section.unknown(WARM_KEYS, refuse=True)
    return WarmSettings(
        seconds=section.whole("seconds", MIN_WARM_SECONDS, MAX_WARM_SECONDS),
        across_callers=section.flag("across_callers") or False,
    )


def _timeouts(section: Section) -> Timeouts:
    section.unknown(_TIMEOUTS, refuse=True)
    given = {key: section.seconds(key, MAX_TIMEOUT_SECONDS) for key in _TIMEOUTS}
    return Timeouts(**{key: value for key, value in given.items() if value is not None})


def _cors_origins(ours: Section) -> tuple[str, ...]:
    listed = texts(ours, "cors_origins", "a list of origins") or ()
    return tuple(dict.fromkeys(found for text in listed if (found := origin_or_any(text))))
