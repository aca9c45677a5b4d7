"""A caller's key is withdrawn: the tokens minted with it are worth nothing any more."""

import pytest

from tests.replicas.configuration import caller, caller_key
from tests.replicas.fleet import Fleet
from tests.support.service import MASTER_KEY, error

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the replicas' clients live on that loop


async def test_a_caller_who_is_removed_loses_its_tokens(fleet: Fleet) -> None:
    """401 at once at the replica that was told; other callers' tokens live on."""
    key, others_key = caller_key(), caller_key()
    withdrawn, other = caller(key), caller(others_key)
    await fleet.admits(withdrawn, other)
    told, untold, _ = fleet.replicas
    token, others_token = await told.token(key), await told.token(others_key)
    masters_token = await told.token(MASTER_KEY)
    await told.reload(fleet.with_callers(other))
    refused = await told.call(token)
    assert refused.status_code == 401
    assert error(refused)["code"] == "token_rejected"
    assert error(await told.mint(key))["code"] == "invalid_api_key"
    assert await told.introspect(MASTER_KEY, token) == {"active": False}
    assert (await told.call(others_token)).status_code == 201
    assert (await told.call(masters_token)).status_code == 201
    # It was the configuration that refused it: the grant is untouched.
    assert (await untold.call(token)).status_code == 201


async def test_removing_one_of_two_keys_takes_its_tokens_alone(fleet: Fleet) -> None:
    """The caller changes its key: what was minted with the other one is good."""
    leaked, kept = caller_key(), caller_key()
    entry = caller(leaked, kept)
    await fleet.admits(entry)
    minted_with_leaked = [await replica.token(leaked) for replica in fleet.replicas]
    minted_with_kept = [await replica.token(kept) for replica in fleet.replicas]
    await fleet.admits({**entry, "keys": [kept]})
    for replica, token in zip(fleet.replicas, minted_with_leaked, strict=True):
        assert (await replica.call(token)).status_code == 401
    for replica, token in zip(fleet.replicas, minted_with_kept, strict=True):
        assert (await replica.call(token)).status_code == 201
    assert {(await replica.mint(leaked)).status_code for replica in fleet.replicas} == {401}
    assert {(await replica.mint(kept)).status_code for replica in fleet.replicas} == {200}
    assert len(fleet.provider.call.requests) == 3


async def test_a_key_that_comes_back_opens_what_it_had_minted(fleet: Fleet) -> None:
    """An operator's slip is mended by the next reload: a refused token was not spent."""
    key = caller_key()
    entry = caller(key)
    await fleet.admits(entry)
    replica = fleet.replicas[0]
    token = await replica.token(key)
    await fleet.admits()
    assert (await replica.call(token)).status_code == 401
    await fleet.admits(entry)
    assert (await replica.call(token)).status_code == 201
