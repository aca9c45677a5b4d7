"""A reload that narrows a policy narrows the tokens that are already out, at once."""

from typing import Any

import pytest

from tests.support.service import MODEL, bearer, error, named
from tests.web.reloading import Reloadable, reloadable

KEY = "sk-canary-web-0123456789abcdef"
PAGE, OTHER_PAGE = "https://app.example", "https://other.example"


def web(**policy: Any) -> dict[str, Any]:
    """Settings in which one caller has this policy."""
    return {"callers": (named("web", KEY, **policy),), "cors_origins": (PAGE, OTHER_PAGE)}


async def minted(running: Reloadable) -> str:
    """A token of that caller's."""
    response = await running.service.mint({"model": MODEL}, headers=bearer(KEY))
    assert response.status_code == 200, response.text
    value: str = response.json()["value"]
    return value


async def active(running: Reloadable, token: str) -> dict[str, Any]:
    """What introspection says of it."""
    response = await running.service.client.post(
        "/v1/realtime/client_secrets/introspect", json={"token": token}, headers=bearer(KEY)
    )
    found: dict[str, Any] = response.json()
    return found


async def test_a_model_that_was_taken_away() -> None:
    """The token stays unspent: the next reload may give it back."""
    async with reloadable(**web()) as running:
        token = await minted(running)
        await running.reload(**web(models=(("other",),)))
        refused = await running.service.call(token)
        assert (refused.status_code, error(refused)["code"]) == (403, "model_not_allowed")
        assert error(refused)["token"] == "unspent"
        assert await active(running, token) == {"active": False}
        await running.reload(**web())
        assert (await running.service.call(token)).status_code == 201


async def test_an_origin_that_was_taken_away() -> None:
    """The page was allowed when the token was minted."""
    async with reloadable(**web(origins=(PAGE, OTHER_PAGE))) as running:
        token = await minted(running)
        await running.reload(**web(origins=(PAGE,)))
        refused = await running.service.call(token, origin=OTHER_PAGE)
        assert (refused.status_code, error(refused)["code"]) == (403, "origin_not_allowed")
        assert (await running.service.call(token, origin=PAGE)).status_code == 201


async def test_origins_that_were_any() -> None:
    """A token that names none is held to the policy's of now."""
    async with reloadable(**web()) as running:
        token = await minted(running)
        await running.reload(**web(origins=(PAGE,)))
        assert (await running.service.call(token, origin=OTHER_PAGE)).status_code == 403
        assert (await running.service.call(token)).status_code == 403
        assert (await running.service.call(token, origin=PAGE)).status_code == 201


async def test_a_shorter_life() -> None:
    """Counted from when it was minted."""
    async with reloadable(**web()) as running:
        token = await minted(running)
        await running.reload(**web(token_ttl_seconds=30))
        found = await active(running, token)
        assert found["exp"] == found["iat"] + 30
        running.clock.now += 29
        assert (await active(running, token))["active"]
        running.clock.now += 1
        assert await active(running, token) == {"active": False}
        assert (await running.service.call(token)).status_code == 401


async def test_fewer_uses() -> None:
    """Those that have been used count."""
    async with reloadable(**web(token_uses=3)) as running:
        token = await minted(running)
        assert (await running.service.call(token)).status_code == 201
        await running.reload(**web(token_uses=2))
        assert (await active(running, token))["uses_left"] == 1
        assert (await running.service.call(token)).status_code == 201
        assert await active(running, token) == {"active": False}
        refused = await running.service.call(token)
        assert (refused.status_code, error(refused)["code"]) == (401, "token_rejected")


async def test_a_rate_that_is_new() -> None:
    """Tokens that were minted without one are held to it."""
    async with reloadable(**web()) as running:
        tokens = [await minted(running) for _ in range(2)]
        await running.reload(**web(calls_per_minute=1))
        statuses = [(await running.service.call(token)).status_code for token in tokens]
        assert statuses == [201, 429]


async def test_a_rate_that_was_lowered() -> None:
    """The lower of then and now."""
    async with reloadable(**web(calls_per_minute=5)) as running:
        tokens = [await minted(running) for _ in range(2)]
        await running.reload(**web(calls_per_minute=1))
        statuses = [(await running.service.call(token)).status_code for token in tokens]
        assert statuses == [201, 429]


@pytest.mark.parametrize("policy", [{"token_uses": 9}, {"calls_per_minute": 9}])
async def test_a_wider_policy_widens_no_token(policy: dict[str, int]) -> None:
    """Its terms were fixed when it was minted."""
    async with reloadable(**web(token_uses=1, calls_per_minute=1)) as running:
        first, second = await minted(running), await minted(running)
        await running.reload(**web(**({"token_uses": 1, "calls_per_minute": 1} | policy)))
        assert (await running.service.call(first)).status_code == 201
        statuses = {(await running.service.call(token)).status_code for token in (first, second)}
        assert statuses == {401, 429}


@pytest.mark.parametrize(
    ("minted_as", "asked", "status"),
    [
        ("transcription", "realtime", 400),
        ("realtime", "transcription", 400),
        ("realtime", "realtime", 201),
    ],
)
async def test_the_sessions_type_is_one_of_the_terms(
    minted_as: str, asked: str, status: int
) -> None:
    """A token for one type starts no session of the other."""
    async with reloadable(**web()) as running:
        response = await running.service.mint(
            {"model": MODEL, "session": {"type": minted_as}}, headers=bearer(KEY)
        )
        token = response.json()["value"]
        called = await running.service.call_with(token, {"type": asked})
        assert called.status_code == status
        if status == 400:
            assert (error(called)["param"], error(called)["token"]) == ("session.type", "unspent")
            assert running.provider.call.requests == []


async def test_a_nested_model_that_was_taken_away() -> None:
    """The session that was minted names it: its token starts no call with it."""
    async with reloadable(**web()) as running:
        session = {"input_audio_transcription": {"model": "dear"}}
        response = await running.service.mint(
            {"model": MODEL, "session": session}, headers=bearer(KEY)
        )
        token = response.json()["value"]
        await running.reload(**web(models=((MODEL,),)))
        refused = await running.service.call(token)
        assert (refused.status_code, error(refused)["code"]) == (403, "model_not_allowed")
        assert error(refused)["token"] == "unspent"
        assert await active(running, token) == {"active": False}


async def test_a_use_that_was_taken_away_is_a_replay() -> None:
    """Whoever uses the token once more than is allowed now ends the call that it began."""
    async with reloadable(**web(token_uses=2, on_replay="hangup")) as running:
        token = await minted(running)
        assert (await running.service.call(token)).status_code == 201
        await running.reload(**web(token_uses=1, on_replay="hangup"))
        assert (await running.service.call(token)).status_code == 401
        assert running.provider.live_calls == set()
