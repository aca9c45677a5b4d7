"""What a caller may do, and how a gateway's JWT narrows it: pure rules."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

OnReplay = Literal["refuse", "hangup"]
SupervisionMode = Literal["off", "best_effort", "required"]
OnDrift = Literal["ignore", "note", "hangup"]
"""What happens when a client changes its session over its data channel."""

MIN_TTL_SECONDS, MAX_TTL_SECONDS = 10, 7200
"""OpenAI's own bounds for `expires_after.seconds`."""
MAX_USES = 100
# Whoever names them, a configuration or a gateway's JWT.
MAX_MODELS = 100
"""Each is tried against the model asked for; whoever may use more is better left unlimited."""
MAX_ORIGINS = 16
MAX_ORIGINS_CHARS = 1000
"""All of them together, as JSON: they travel in a token, and a token travels in a header."""
MAX_CALLS_AT_ONCE = 100_000
"""Each has a record of some KB for as long as it lives."""
MAX_CALL_SECONDS = 7200
"""Twice as long as any provider lets a session live."""
MAX_IDLE_SECONDS = 3600
MAX_WARN_SECONDS = 600
MAX_WARN_CHARS = 1000
"""A sentence or two for the model."""
MAX_PER_MINUTE = 60_000
"""1000 a second: a window keeps every hit's time, some 10 bytes each in Redis, 32 in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many a minute, counted in a bucket that all replicas share."""

    bucket: str
    """`<what>:<caller>`, or `<what> of one:<person>:<caller>`; `bucket_caller` reads it."""
    per_minute: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """How many calls may be live at once, counted over all replicas. None: any number."""

    of_all: int | None = None
    """Of all people of a caller together."""
    of_one: int | None = None
    """Of one person, by their JWT."""
    person: str = ""
    """A pseudonym of that one; empty where nobody counts them."""

    def within(self, of_all: int | None) -> "Places":
        """The same, with no more places than a policy of now has."""
        return replace(self, of_all=least(self.of_all, of_all))


def bucket_caller(bucket: str) -> str:
    """The caller whose bucket it is, even if its name holds colons; of no caller's, itself."""
    what, _, rest = bucket.partition(":")
    return (rest.partition(":")[2] if what.endswith(" of one") else rest) or bucket


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a caller may do. None and empty: no limit of the policy's own."""

    models: tuple[tuple[str, ...], ...] = ()
    """Sets of patterns (`*`: any characters): a model must match one of each set."""
    origins: tuple[str, ...] | None = None
    """Web pages that may use the caller's tokens."""
    token_ttl_seconds: int | None = None
    """The longest that a token may live, whatever is asked for."""
    token_uses: int | None = None
    mints_per_minute: int | None = None
    calls_per_minute: int | None = None
    session: Mapping[str, object] = field(default_factory=dict)
    """Merged over the session that is asked for."""
    on_replay: OnReplay = "refuse"
    safety_identifier: bool = False
    """Whether a mint may name its end user itself."""
    warm_secrets: bool = True
    """Whether its tokens may share a provider's secret, where the configuration lets them."""
    calls_at_once: int | None = None
    max_call_seconds: int | None = None
    supervision: SupervisionMode | None = None
    """How its calls are watched; None: as the service is told, or as `watch_mode` says."""
    max_idle_seconds: int | None = None
    warn_seconds: int | None = None
    """How long before the end of a call its warning comes."""
    warn_with: str | None = None
    """What the model is told then."""
    session_drift: OnDrift = "ignore"

    def watch_mode(self, default: SupervisionMode | None) -> SupervisionMode:
        """How its calls are watched, where the service is told `default`.

        What only the watch knows is never asked for in vain: that is watched at least as well as
        can be.
        """
        mode = self.supervision or default or "off"
        asks = (self.max_idle_seconds, self.warn_seconds, self.warn_with)
        if mode == "off" and (any(asks) or self.session_drift != "ignore"):
            return "best_effort"
        return mode

    def allows_model(self, model: str) -> bool:
        """Whether each set has a pattern for it."""
        return all(any(matches(one, model) for one in patterns) for patterns in self.models)

    def allows_origin(self, origin: str | None) -> bool:
        """Whether a request with this `Origin` (None: without one) may use a token."""
        return self.origins is None or origin in self.origins


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """What a JWT says about its bearer's policy. None: nothing."""

    models: tuple[str, ...] | None = None
    origins: tuple[str, ...] | None = None
    token_ttl_seconds: int | None = None
    token_uses: int | None = None
    mints_per_minute: int | None = None
    calls_per_minute: int | None = None
    calls_at_once: int | None = None
    max_call_seconds: int | None = None
    max_idle_seconds: int | None = None


def narrow(policy: Policy, by: Narrowing) -> Policy:
    """The policy with everything taken away that `by` does not grant; it adds nothing."""
    return replace(
        policy,
        models=policy.models if by.models is None else (*policy.models, by.models),
        origins=_both(policy.origins, by.origins),
        token_ttl_seconds=least(policy.token_ttl_seconds, by.token_ttl_seconds),
        token_uses=least(policy.token_uses, by.token_uses),
        mints_per_minute=least(policy.mints_per_minute, by.mints_per_minute),
        calls_per_minute=least(policy.calls_per_minute, by.calls_per_minute),
        calls_at_once=least(policy.calls_at_once, by.calls_at_once),
        max_call_seconds=least(policy.max_call_seconds, by.max_call_seconds),
        max_idle_seconds=least(policy.max_idle_seconds, by.max_idle_seconds),
    )


def mint_rates(name: str, policy: Policy) -> tuple[Rate, ...]:
    """The rates of mints that all people of a caller share."""
    return _rate(f"mints:{name}", policy.mints_per_minute)


def call_rates(name: str, policy: Policy) -> tuple[Rate, ...]:
    """The rates of calls that all people of a caller share."""
    return _rate(f"calls:{name}", policy.calls_per_minute)


def rates_of_one(
    person: str, name: str, by: Narrowing
) -> tuple[tuple[Rate, ...], tuple[Rate, ...]]:
    """The rates of mints and of calls that one person of a caller has, by their JWT."""
    mints = _rate(f"mints of one:{person}:{name}", by.mints_per_minute)
    return mints, _rate(f"calls of one:{person}:{name}", by.calls_per_minute)


def _rate(bucket: str, per_minute: int | None) -> tuple[Rate, ...]:
    return () if per_minute is None else (Rate(bucket=bucket, per_minute=per_minute),)


def in_order(rates: Iterable[Rate]) -> tuple[Rate, ...]:
    """A person's rates before those that all people of a caller share.

    In a race, who is over their own takes nothing from the others.
    """
    return tuple(sorted(rates, key=lambda rate: not _is_of_one(rate.bucket)))


def _is_of_one(bucket: str) -> bool:
    return bucket.partition(":")[0].endswith(" of one")


def tightest(rates: Iterable[Rate]) -> tuple[Rate, ...]:
    """One rate for each bucket: the lowest of those that name it."""
    lowest: dict[str, Rate] = {}
    for rate in rates:
        known = lowest.get(rate.bucket)
        if known is None or rate.per_minute < known.per_minute:
            lowest[rate.bucket] = rate
    return tuple(lowest.values())


def matches(pattern: str, name: str) -> bool:
    """Whether a name fits a pattern, in which `*` stands for any characters."""
    head, *rest = pattern.split("*")
    if not rest:
        return pattern == name
    *middle, tail = rest
    place, end = len(head), len(name) - len(tail)
    if place > end or not (name.startswith(head) and name.endswith(tail)):
        return False
    # A regular expression would try every split again: exponential for a pattern of many stars.
    for part in middle:
        found = name.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


def least(first: int | None, second: int | None) -> int | None:
    """The lower of two limits; None is none."""
    return min((each for each in (first, second) if each is not None), default=None)


def _both(first: tuple[str, ...] | None, second: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if first is None or second is None:
        return first if second is None else second
    return tuple(origin for origin in first if origin in second)
