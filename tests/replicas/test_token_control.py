"""Tokens are looked at and taken back at any replica, by whoever minted them and by the master."""

import time

import pytest

from tests.replicas.configuration import caller, caller_key
from tests.replicas.fleet import Fleet
from tests.replicas.replica import Form
from tests.support.service import MASTER_KEY, MODEL, error

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the replicas' clients live on that loop

both_forms = pytest.mark.parametrize("form", ["data", "json"], ids=["form", "JSON"])


@both_forms
async def test_introspection_tells_and_takes_nothing(fleet: Fleet, form: Form) -> None:
    """The caller and the master learn the same, any number of times; then the token works."""
    entry = caller(key := caller_key(), token_uses=2, token_ttl_seconds=40)
    await fleet.admits(entry)
    minting, asked, calling = fleet.replicas
    token = await minting.token(key)
    found = await asked.introspect(key, token, form)
    assert found["jti"]
    assert found["iat"] <= time.time() < found["exp"] <= found["iat"] + 41
    assert found == {
        "active": True,
        "jti": found["jti"],
        "caller": entry["name"],
        "model": MODEL,
        "iat": found["iat"],
        "exp": found["exp"],
        "uses_left": 2,
        "origins": None,
    }
    for who in (key, MASTER_KEY) * 3:
        assert await asked.introspect(who, token, form) == found
    assert (await calling.call(token)).status_code == 201
    assert await asked.introspect(key, token, form) == {**found, "uses_left": 1}
    assert (await calling.call(token)).status_code == 201
    assert await asked.introspect(key, token, form) == {"active": False}


@both_forms
async def test_another_callers_token_is_none_of_its_business(fleet: Fleet, form: Form) -> None:
    """It looks like no token at all, cannot be revoked, and stays as it was."""
    key, others_key = caller_key(), caller_key()
    await fleet.admits(caller(key), caller(others_key))
    minting, asked, calling = fleet.replicas
    token = await minting.token(key)
    assert await asked.introspect(others_key, token, form) == {"active": False}
    assert await asked.introspect(others_key, "ek_nonsense", form) == {"active": False}
    refused = await asked.revoke(others_key, token, form)
    assert refused.status_code == 403
    assert error(refused)["code"] == "not_allowed"
    assert (await asked.introspect(key, token, form))["uses_left"] == 1
    assert (await calling.call(token)).status_code == 201


@both_forms
@pytest.mark.parametrize("by", ["its caller", "the master"])
async def test_a_revoked_token_starts_no_call(fleet: Fleet, form: Form, by: str) -> None:
    """At no replica; revoking it again is no error, and the caller's next token is good."""
    key = caller_key()
    await fleet.admits(caller(key, token_uses=3))
    minting, revoking, calling = fleet.replicas
    token, who = await minting.token(key), key if by == "its caller" else MASTER_KEY
    assert (await calling.call(token)).status_code == 201
    for _ in range(2):
        revoked = await revoking.revoke(who, token, form)
        assert (revoked.status_code, revoked.content) == (200, b"")
    for replica in fleet.replicas:
        refused = await replica.call(token)
        assert refused.status_code == 401
        assert error(refused)["code"] == "token_rejected"
        assert await replica.introspect(key, token, form) == {"active": False}
    assert len(fleet.provider.call.requests) == 1
    assert (await calling.call(await minting.token(key))).status_code == 201


async def test_a_credential_is_asked_for_before_a_token_is_looked_at(fleet: Fleet) -> None:
    """A token is no credential here, nor is a key that nobody has."""
    key = caller_key()
    await fleet.admits(caller(key))
    minting, asked, calling = fleet.replicas
    token = await minting.token(key)
    for who in (token, caller_key()):
        refused = await asked.revoke(who, token)
        assert refused.status_code == 401
        assert error(refused)["code"] == "invalid_api_key"
    assert (await calling.call(token)).status_code == 201
