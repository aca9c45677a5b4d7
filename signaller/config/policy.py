"""What a caller may do, as `policy` says it for all and an entry of `callers` for one."""

from typing import TypeVar

from signaller.config.grants import Offered, read_models, read_origins
from signaller.config.ours import MAX_USES, note_short_life
from signaller.config.section import Section
from signaller.config.session import read_session
from signaller.policy import MAX_PER_MINUTE, OnReplay, Policy
from signaller.sessions import MAX_TTL_SECONDS, MIN_TTL_SECONDS

KEYS = (
    *("models", "origins", "token_ttl_seconds", "token_uses"),
    *("mints_per_minute", "calls_per_minute", "session", "on_replay"),
    *("safety_identifier", "warm_secrets"),
)
_ON_REPLAY: dict[str, OnReplay] = {"refuse": "refuse", "hangup": "hangup"}

T = TypeVar("T")


def read_policy(section: Section, defaults: Policy, offered: Offered) -> Policy:
    """The policy in a section, whose other keys are none of its business.

    What is given rules over `defaults`, key by key.
    """
    ttl_seconds = section.whole("token_ttl_seconds", MIN_TTL_SECONDS, MAX_TTL_SECONDS)
    note_short_life(section, "token_ttl_seconds", ttl_seconds)
    return Policy(
        models=_either(read_models(section, offered), defaults.models),
        origins=_either(read_origins(section, offered), defaults.origins),
        token_ttl_seconds=_either(ttl_seconds, defaults.token_ttl_seconds),
        token_uses=_either(section.whole("token_uses", 1, MAX_USES), defaults.token_uses),
        mints_per_minute=_either(_rate(section, "mints_per_minute"), defaults.mints_per_minute),
        calls_per_minute=_either(_rate(section, "calls_per_minute"), defaults.calls_per_minute),
        session=_either(read_session(section), defaults.session),
        on_replay=_either(_on_replay(section), defaults.on_replay),
        safety_identifier=_either(section.flag("safety_identifier"), defaults.safety_identifier),
        warm_secrets=_either(section.flag("warm_secrets"), defaults.warm_secrets),
    )


def _either(given: T | None, default: T) -> T:
    return default if given is None else given


def _rate(section: Section, key: str) -> int | None:
    return section.whole(key, 1, MAX_PER_MINUTE)


def _on_replay(section: Section) -> OnReplay | None:
    text = section.text("on_replay")
    if text and text.value not in _ON_REPLAY:
        text.fault(" or ".join(_ON_REPLAY))
    return _ON_REPLAY.get(text.value) if text else None
