"""A caller made of its name and its policy, with the rates that follow from them."""

import hashlib

from signaller.model import Caller, Rate
from signaller.policy import Narrowing, Policy, narrow

UNNARROWED = Narrowing()


def make_caller(
    name: str,
    credential_id: str,
    base: Policy,
    *,
    by: Narrowing = UNNARROWED,
    end_user: str | None = None,
    is_master: bool = False,
) -> Caller:
    """The caller whose policy is `base`, narrowed `by` what its JWT says."""
    person = hashlib.sha256((end_user or name).encode()).hexdigest()[:16]
    return Caller(
        name=name,
        credential_id=credential_id,
        policy=narrow(base, by),
        mint_rates=_rates(f"mints:{name}", person, base.mints_per_minute, by.mints_per_minute),
        call_rates=_rates(f"calls:{name}", person, base.calls_per_minute, by.calls_per_minute),
        end_user=end_user,
        is_master=is_master,
    )


def _rates(shared: str, person: str, base: int | None, own: int | None) -> tuple[Rate, ...]:
    # The person's comes first: one who is over it takes nothing from the caller's other people.
    rates = ((f"{shared}:{person}", own), (shared, base))
    return tuple(
        Rate(bucket=bucket, per_minute=number) for bucket, number in rates if number is not None
    )
