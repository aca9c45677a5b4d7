"""Token keys are changed while the service runs."""

from dataclasses import replace

import pytest

from tests.replicas.configuration import caller, caller_key
from tests.replicas.fleet import Fleet
from tests.replicas.load import under_load
from tests.support.service import error, token_key

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the replicas' clients live on that loop


async def test_a_new_key_takes_over_without_an_outage(fleet: Fleet) -> None:
    """Known first, then sealing, then alone: nobody notices, replica by replica."""
    key = caller_key()
    await fleet.admits(caller(key))
    (old,), new = fleet.configuration.token_keys, token_key().reveal()
    replicas = fleet.replicas[:2]
    async with under_load(replicas, key) as load:
        await load.every_pair_again()
        for ring in ((old, new), (new, old), (new,)):
            changed = replace(fleet.configuration, token_keys=ring)
            for replica in replicas:
                await replica.reload(changed)
                await load.every_pair_again()
    first, second = replicas
    with_old_key = fleet.replicas[2]  # nobody told it
    assert (await with_old_key.call(await first.token(key))).status_code == 401
    assert (await second.call(await with_old_key.token(key))).status_code == 401


@pytest.mark.parametrize("ring", ["new, old", "new"])
async def test_a_key_that_others_do_not_know_must_not_seal(fleet: Fleet, ring: str) -> None:
    """In the wrong order tokens are refused where the key is not known, and are good elsewhere."""
    key = caller_key()
    await fleet.admits(caller(key))
    keys = {"old": fleet.configuration.token_keys[0], "new": token_key().reveal()}
    hasty, unaware, _ = fleet.replicas
    changed = replace(
        fleet.configuration, token_keys=tuple(keys[name] for name in ring.split(", "))
    )
    await hasty.reload(changed)
    token = await hasty.token(key)
    refused = await unaware.call(token)
    assert refused.status_code == 401
    assert error(refused)["code"] == "token_rejected"
    assert (await hasty.call(token)).status_code == 201
    still_open = 201 if "old" in ring else 401
    assert (await hasty.call(await unaware.token(key))).status_code == still_open
