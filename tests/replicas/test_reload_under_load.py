"""Deployments, callers and keys come and go while every replica is busy."""

from dataclasses import dataclass, replace

import pytest

from tests.replicas.configuration import Configuration, caller, caller_key
from tests.replicas.fleet import Fleet
from tests.replicas.load import Load, under_load

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),  # the replicas' clients live on that loop
    pytest.mark.timeout(300),  # every pair of replicas, at every step, beside other tests
]

ROUNDS = 3
MUCH = 1000
"""The weight of a deployment that gets nearly all mints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """One key of each of two callers: the one the clients are, and one who looks on."""

    used: str
    idle: str


async def everywhere(fleet: Fleet, load: Load, changed: Configuration) -> None:
    """Tell one replica after the other, while each pair of them meets what the others know."""
    fleet.configuration = changed
    for replica in fleet.replicas:
        await replica.reload(changed)
        await load.every_pair_again()


def models_minted(fleet: Fleet) -> list[str]:
    """The upstream models the provider was asked for since it was asked this."""
    requests = fleet.provider.mint.requests
    models = [str(request.json()["session"]["model"]) for request in requests]
    requests.clear()
    return models


async def statuses(fleet: Fleet, key: str) -> set[int]:
    """What a key is answered by all replicas."""
    return {(await replica.mint(key)).status_code for replica in fleet.replicas}


async def test_nothing_fails_while_the_configuration_changes(fleet: Fleet) -> None:
    """Added everywhere, then used, then left alone, then removed: nobody notices."""
    old = Keys(used=caller_key(), idle=caller_key())
    used, idle = caller(old.used), caller(old.idle)
    await fleet.admits(used, idle)
    async with under_load(fleet.replicas, old.used) as load:
        await load.every_pair_again()
        for number in range(ROUNDS):
            new = Keys(used=caller_key(), idle=caller_key())
            spare, newcomer = f"gpt-spare-{number}", caller(newcomers_key := caller_key())
            models_minted(fleet)
            added = replace(
                fleet.configuration,
                callers=(
                    newcomer,
                    {**idle, "keys": [new.idle, old.idle]},
                    {**used, "keys": [new.used, old.used]},
                ),
                spares=((spare, 0),),
            )
            await everywhere(fleet, load, added)
            assert spare not in models_minted(fleet)
            for key in (newcomers_key, new.idle, old.idle):
                assert await statuses(fleet, key) == {200}

            await load.moves_to(new.used)
            await everywhere(fleet, load, replace(added, spares=((spare, MUCH),)))
            assert spare in models_minted(fleet)

            await everywhere(fleet, load, added)
            models_minted(fleet)
            await load.every_pair_again()
            assert spare not in models_minted(fleet)

            removed = replace(
                added,
                callers=({**used, "keys": [new.used]}, {**idle, "keys": [new.idle]}),
                spares=(),
            )
            await everywhere(fleet, load, removed)
            for key in (newcomers_key, old.idle, old.used):
                assert await statuses(fleet, key) == {401}
            old = new
    assert await statuses(fleet, old.idle) == {200}
