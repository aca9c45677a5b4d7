"""A caller made of its name and its policy, with the rates that follow from them."""

from dataclasses import replace

from signaller.model import Caller, Rate, call_rates, mint_rates
from signaller.policy import Narrowing, Policy, narrow


def make_caller(
    name: str,
    credential_id: str,
    policy: Policy,
    *,
    end_user: str | None = None,
    is_master: bool = False,
) -> Caller:
    """The caller with this policy, and the rates that all its people share."""
    return Caller(
        name=name,
        credential_id=credential_id,
        policy=policy,
        mint_rates=mint_rates(name, policy),
        call_rates=call_rates(name, policy),
        end_user=end_user,
        is_master=is_master,
    )


def narrow_caller(caller: Caller, by: Narrowing, person: str) -> Caller:
    """The caller without what its JWT takes away.

    The JWT's own rates are counted for `person`, a pseudonym: buckets are seen in Redis and logs.
    It comes before the name: a caller may be called as another one's person is written.
    """
    mints = _rate(f"mints of one:{person}:{caller.name}", by.mints_per_minute)
    calls = _rate(f"calls of one:{person}:{caller.name}", by.calls_per_minute)
    return replace(
        caller,
        policy=narrow(caller.policy, by),
        # The person's comes first: in a race, who is over it takes nothing from the others.
        mint_rates=mints + caller.mint_rates,
        call_rates=calls + caller.call_rates,
    )


def _rate(bucket: str, per_minute: int | None) -> tuple[Rate, ...]:
    return () if per_minute is None else (Rate(bucket=bucket, per_minute=per_minute),)
