"""What a mint says of its calls: their length and the caller's own pairs."""

import json
from typing import Any

import pytest

from signaller.secret import Secret
from tests.support.redis import kept_in
from tests.support.service import MASTER_KEY, MODEL, bearer, error, named, running

KEY = "sk-canary-web-0123456789abcdef"
PAIRS = {"customer": "c-17", "plan": "gold"}
LONGEST = {f"{number:02}" + "k" * 62: "\u00fc" * 512 for number in range(16)}


async def shown(service: Any, location: str, key: str = MASTER_KEY) -> dict[str, Any]:
    """The call, as the API tells it."""
    response = await service.client.get(location, headers=bearer(key))
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


@pytest.mark.parametrize(
    ("policy", "asked", "seconds"),
    [
        ({}, None, 3600),
        ({}, 20, 20),
        ({"max_call_seconds": 60}, None, 60),
        ({"max_call_seconds": 60}, 20, 20),
        ({"max_call_seconds": 60}, 10**30, 60),
        ({"max_call_seconds": 7200}, None, 3600),
    ],
)
async def test_a_mint_may_ask_for_shorter_calls_only(
    policy: dict[str, int], asked: int | None, seconds: int
) -> None:
    """More than the policy has is capped, and no call outlasts the provider's own hour."""
    async with running(callers=(named("web", KEY, **policy),)) as service:
        body = {"model": MODEL} | ({} if asked is None else {"max_call_seconds": asked})
        token = (await service.mint(body, headers=bearer(KEY))).json()["value"]
        call = await shown(service, (await service.call(token)).headers["location"])
        assert call["ends_by"] - call["started_at"] == seconds


async def test_a_policy_of_now_shortens_calls_of_tokens_of_before(redis_url: str) -> None:
    """As it does with all that it narrows."""
    callers = (named("web", KEY, max_call_seconds=600),)
    async with running(redis_url=Secret(redis_url), callers=callers) as before:
        token = (await before.mint(headers=bearer(KEY))).json()["value"]
        changes: dict[str, Any] = {
            "token_keys": before.settings.token_keys,
            "deployments": before.settings.deployments,
            "callers": (named("web", KEY, max_call_seconds=30),),
        }
        async with running(redis_url=Secret(redis_url), **changes) as after:
            call = await shown(after, (await after.call(token)).headers["location"])
            assert call["ends_by"] - call["started_at"] == 30


@pytest.mark.parametrize("nonsense", [0, -1, 1.5, "60", True, [60], {}])
async def test_nonsense_is_no_length(nonsense: object) -> None:
    """400 that names the field; nothing is asked of a provider."""
    async with running() as service:
        response = await service.mint({"model": MODEL, "max_call_seconds": nonsense})
        assert (response.status_code, error(response)["param"]) == (400, "max_call_seconds")
        assert service.provider.requests == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("calls_at_once", 1),
        ("supervision", "required"),
        ("max_idle_seconds", 20),
        ("warn_seconds", 5),
        ("warn_with", "Bye."),
        ("session_drift", "hangup"),
    ],
)
async def test_a_mint_asks_for_no_other_limit(name: str, value: object) -> None:
    """They are the policy's alone, and what would be lost in silence is refused by name."""
    async with running() as service:
        response = await service.mint({"model": MODEL, name: value})
        assert (response.status_code, error(response)["code"]) == (400, "unknown_parameter")
        assert error(response)["param"] == name
        assert service.provider.requests == []


@pytest.mark.parametrize(
    "nonsense",
    [
        "customer",
        ["customer"],
        {f"k{number}": "v" for number in range(17)},
        {"k" * 65: "v"},
        {"": "v"},
        {"k": "v" * 513},
        {"k": 7},
        {"k": None},
        {"k": {"k": "v"}},
    ],
    ids=lambda each: str(each)[:20],
)
async def test_what_is_no_metadata_is_refused(nonsense: object) -> None:
    """16 pairs, keys of 64 and values of 512 characters, texts only."""
    async with running() as service:
        response = await service.mint({"model": MODEL, "metadata": nonsense})
        assert (response.status_code, error(response)["param"]) == (400, "metadata")
        assert service.provider.requests == []


@pytest.mark.parametrize("pairs", [PAIRS, LONGEST, {}], ids=["some", "longest", "none"])
async def test_metadata_comes_back(pairs: dict[str, str], redis_url: str) -> None:
    """In introspection and in the call's record; the token stays short, no provider hears of it."""
    async with running(redis_url=Secret(redis_url)) as service:
        token = await service.token({"model": MODEL, "metadata": pairs})
        assert len(token) < 1024
        asked = await service.client.post(
            "/v1/realtime/client_secrets/introspect",
            json={"token": token},
            headers=bearer(MASTER_KEY),
        )
        assert asked.json().get("metadata", {}) == pairs
        assert asked.json()["uses_left"] == 1
        location = (await service.call(token)).headers["location"]
        assert (await shown(service, location))["metadata"] == pairs
        for request in service.provider.requests:
            assert b"metadata" not in request.body
            assert b"c-17" not in request.body


ORIGINS = tuple(f"https://{number:02}.{'o' * 51}" for number in range(16))


@pytest.mark.parametrize(
    ("policy", "most"),
    [({}, 1024), ({"origins": ("https://app.example",)}, 1024), ({"origins": ORIGINS}, 3000)],
    ids=["no origins", "one", "as many as may be"],
)
async def test_a_token_is_as_long_as_its_origins_whatever_its_metadata(
    policy: dict[str, Any], most: int
) -> None:
    """It holds a digest of the one, and the others themselves."""
    async with running(callers=(named("web", KEY, **policy),)) as service:
        plain, described = [
            (await service.mint({"model": MODEL, **more}, headers=bearer(KEY))).json()["value"]
            for more in ({}, {"metadata": LONGEST})
        ]
    assert len(plain) < len(described) <= len(plain) + 60
    assert len(described) < most


async def test_logs_name_the_keys_of_metadata_only(caplog: pytest.LogCaptureFixture) -> None:
    """The values may be anything, a customer's name among them."""
    with caplog.at_level("INFO"):
        async with running() as service:
            token = await service.token({"model": MODEL, "metadata": PAIRS})
            location = (await service.call(token)).headers["location"]
            await service.client.delete(location, headers=bearer(token))
    lines = [record.__dict__.get("fields", {}) for record in caplog.records]
    keyed = {record.getMessage() for record in caplog.records if "customer" in str(record.__dict__)}
    assert {"mint", "call", "call_ended"} <= keyed
    assert "c-17" not in json.dumps(lines, default=str)


async def test_redis_never_sees_metadata(redis_url: str) -> None:
    """Neither in the grant nor in the call."""
    async with running(redis_url=Secret(redis_url)) as service:
        pairs = {"customer": "canary-of-a-customer"}
        token = await service.token({"model": MODEL, "metadata": pairs})
        kept = await kept_in(redis_url)
        assert (await service.call(token)).status_code == 201
        kept += await kept_in(redis_url)
        assert b"sealed_secret" in kept
        assert b"canary-of-a-customer" not in kept


async def test_a_caller_without_a_token_says_it_in_the_session() -> None:
    """The unified interface has no other place; the provider does not get it."""
    async with running(callers=(named("web", KEY),)) as service:
        session = {"model": MODEL, "max_call_seconds": 20, "metadata": PAIRS}
        begun = await service.call_with(KEY, session)
        assert begun.status_code == 201
        call = await shown(service, begun.headers["location"])
        assert (call["metadata"], call["ends_by"] - call["started_at"]) == (PAIRS, 20)
        assert b"c-17" not in service.provider.requests[-1].body


@pytest.mark.parametrize("name", ["max_call_seconds", "metadata"])
async def test_where_it_cannot_be_honoured_it_is_refused_by_name(name: str) -> None:
    """In a mint's session, and beside the offer of a token, for which it is fixed."""
    value: object = {"max_call_seconds": 20, "metadata": PAIRS}[name]
    async with running() as service:
        minted = await service.mint({"model": MODEL, "session": {name: value}})
        token = await service.token()
        for response in (minted, await service.call_with(token, {name: value})):
            assert (response.status_code, error(response)["code"]) == (400, "unknown_parameter")
            assert error(response)["param"] == f"session.{name}"
        assert (await service.call(token)).status_code == 201
