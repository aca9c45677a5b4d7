"""Who may come in, and what they may do there: policy, callers, gateway and metrics together."""

from collections.abc import Sequence
from dataclasses import dataclass

from signaller.config.caller_keys import KnownKeys
from signaller.config.callers import Around, read_callers
from signaller.config.gateway import names_callers, read_gateway
from signaller.config.grants import Offered
from signaller.config.metrics import read_metrics
from signaller.config.policy import KEYS as POLICY_KEYS
from signaller.config.policy import read_policy
from signaller.config.section import Section
from signaller.policy import Policy
from signaller.secret import Secret
from signaller.settings import Gateway, MetricsSettings, NamedCaller


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What four keys under `signaller:` say."""

    policy: Policy
    callers: tuple[NamedCaller, ...]
    gateway: Gateway
    metrics: MetricsSettings


def read_access(ours: Section, *, offered: Offered, master_key: Secret | None) -> Access:
    """The four, faults noted."""
    default = ours.section("policy")
    default.unknown(POLICY_KEYS, refuse=True)
    policy = read_policy(default, Policy(), offered)
    gateway = ours.section("gateway")
    known_keys = KnownKeys(master_key)
    around = Around(
        defaults=policy,
        offered=offered,
        known_keys=known_keys,
        gateway_names_callers=names_callers(gateway),
        has_master_key=master_key is not None,
    )
    return Access(
        policy=policy,
        callers=read_callers(ours, around),
        gateway=read_gateway(gateway),
        metrics=read_metrics(ours.section("metrics"), known_keys),
    )


def lets_somebody_in(callers: Sequence[NamedCaller], gateway: Gateway) -> bool:
    """Whether anybody can get a token without the master key."""
    return bool(any(each.key_digests for each in callers) or gateway.jwt or gateway.header)
