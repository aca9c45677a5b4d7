"""What a caller may do, and how a gateway's JWT narrows it: pure rules."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

OnReplay = Literal["refuse", "hangup"]

# Whoever names them, a configuration or a gateway's JWT.
MAX_MODELS = 100
"""Each is tried against the model asked for; whoever may use more is better left unlimited."""
MAX_ORIGINS = 16
MAX_ORIGINS_CHARS = 1000
"""All of them together, as JSON: they travel in a token, and a token travels in a header."""
MAX_PER_MINUTE = 60_000
"""1000 a second: a window keeps every hit's time, some 10 bytes each in Redis, 32 in memory."""


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


def narrow(policy: Policy, by: Narrowing) -> Policy:
    """The policy with everything taken away that `by` does not grant; it adds nothing."""
    return replace(
        policy,
        models=policy.models if by.models is None else (*policy.models, by.models),
        origins=_both(policy.origins, by.origins),
        token_ttl_seconds=_least(policy.token_ttl_seconds, by.token_ttl_seconds),
        token_uses=_least(policy.token_uses, by.token_uses),
        mints_per_minute=_least(policy.mints_per_minute, by.mints_per_minute),
        calls_per_minute=_least(policy.calls_per_minute, by.calls_per_minute),
    )


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


def _least(first: int | None, second: int | None) -> int | None:
    return min((each for each in (first, second) if each is not None), default=None)


def _both(first: tuple[str, ...] | None, second: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if first is None or second is None:
        return first if second is None else second
    return tuple(origin for origin in first if origin in second)
