"""How many calls may be live at the same time."""

import asyncio
from uuid import uuid4

import pytest

from signaller.secret import Secret
from tests.support.service import MODEL, Service, bearer, error, named, running
from tests.web.reloading import reloadable

KEY, OTHER_KEY = "sk-canary-web-0123456789abcdef", "sk-canary-two-0123456789abcdef"
STORES = pytest.mark.parametrize("redis", [False, True], ids=["memory", "redis"])


def nobody_else() -> str:
    """A caller's name: other tests share the Redis, and leave their own calls there."""
    return f"web-{uuid4().hex}"


async def token_of(service: Service, key: str = KEY) -> str:
    """A token that a caller minted."""
    value: str = (await service.mint(headers=bearer(key))).json()["value"]
    return value


@STORES
async def test_one_call_too_many_costs_no_token(redis: bool, redis_url: str) -> None:
    """429 that says when to ask again; the token begins a call once another one has ended."""
    callers = (
        named(nobody_else(), KEY, calls_at_once=2, calls_per_minute=3),
        named("two", OTHER_KEY),
    )
    async with running(redis_url=Secret(redis_url) if redis else None, callers=callers) as service:
        begun = [await service.call(await token_of(service)) for _ in range(2)]
        token = await token_of(service)
        for _ in range(5):  # neither its uses nor its rate are counted
            refused = await service.call(token)
            assert refused.status_code == 429
            assert error(refused)["code"] == "concurrent_calls_exceeded"
            assert error(refused)["token"] == "unspent"
            assert refused.headers["x-should-retry"] == "false"
            assert refused.headers["retry-after"] == "60"  # calls may end long before they must
        assert (await service.call(await token_of(service, OTHER_KEY))).status_code == 201
        assert len(service.provider.call.requests) == 3
        location = begun[0].headers["location"]
        assert (await service.client.delete(location, headers=bearer(KEY))).status_code == 200
        assert (await service.call(token)).status_code == 201


@STORES
async def test_of_many_at_once_no_more_begin(redis: bool, redis_url: str) -> None:
    """60 offers for five places, while the provider answers none of them."""
    callers = (named(nobody_else(), KEY, calls_at_once=5),)
    async with running(redis_url=Secret(redis_url) if redis else None, callers=callers) as service:
        tokens = [await token_of(service) for _ in range(60)]
        service.provider.call.holds()
        calls = [asyncio.create_task(service.call(token)) for token in tokens]
        await service.provider.call.arrived(5)
        while sum(not each.done() for each in calls) > 5:
            await asyncio.wait(calls, return_when="FIRST_COMPLETED", timeout=0.05)
        assert {each.result().status_code for each in calls if each.done()} == {429}
        assert len(service.provider.call.requests) == 5
        service.provider.call.release()
        statuses = [each.status_code for each in await asyncio.gather(*calls)]
        assert (statuses.count(201), statuses.count(429)) == (5, 55)


async def test_a_call_that_did_not_begin_has_no_place() -> None:
    """Whether the provider refused it or could not be reached."""
    async with running(callers=(named(nobody_else(), KEY, calls_at_once=1),)) as service:
        token = await token_of(service)
        service.provider.call.answers(400, {}, times=2)
        assert [(await service.call(token)).status_code for _ in range(3)] == [400, 400, 201]
        listed = await service.client.get("/v1/realtime/calls", headers=bearer(KEY))
        assert len(listed.json()["data"]) == 1


@STORES
async def test_a_call_that_certainly_did_not_begin_has_no_place(
    redis: bool, redis_url: str
) -> None:
    """The provider refuses the token's secret, or points elsewhere; with a token or without."""
    callers = (named(nobody_else(), KEY, calls_at_once=1),)
    async with running(redis_url=Secret(redis_url) if redis else None, callers=callers) as service:
        for status, fate in ((401, "spent"), (301, "unspent"), (307, "unspent"), (308, "unspent")):
            service.provider.call.answers(status, {}, times=2)
            refused = await service.call(await token_of(service))
            assert (refused.status_code, error(refused)["token"]) == (502, fate)
            assert (await service.call_with(KEY, {"model": MODEL})).status_code == 502
        listed = await service.client.get("/v1/realtime/calls", headers=bearer(KEY))
        assert listed.json()["data"] == []
        assert (await service.call(await token_of(service))).status_code == 201


@pytest.mark.parametrize("status", [303, 408, 502, 504])
async def test_a_call_that_may_have_begun_keeps_its_place(status: int) -> None:
    """Until its deadline: nobody knows what became of it."""
    async with running(callers=(named(nobody_else(), KEY, calls_at_once=1),)) as service:
        service.provider.call.answers(status, {}, times=1)
        await service.call(await token_of(service))
        listed = await service.client.get("/v1/realtime/calls", headers=bearer(KEY))
        assert [each["status"] for each in listed.json()["data"]] == ["unknown"]
        refused = await service.call(await token_of(service))
        assert error(refused)["code"] == "concurrent_calls_exceeded"


async def test_a_caller_without_a_token_is_counted_too() -> None:
    """The unified interface."""
    callers = (named(nobody_else(), KEY, calls_at_once=1, calls_per_minute=2),)
    async with running(callers=callers) as service:
        begun = await service.call_with(KEY, {"model": MODEL})
        assert begun.status_code == 201
        for _ in range(3):
            refused = await service.call_with(KEY, {"model": MODEL})
            assert error(refused)["code"] == "concurrent_calls_exceeded"
        await service.client.delete(begun.headers["location"], headers=bearer(KEY))
        assert (await service.call_with(KEY, {"model": MODEL})).status_code == 201


async def test_a_place_is_free_past_the_calls_end() -> None:
    """Whatever has become of it: here its provider never confirms."""
    callers = (named(nobody_else(), KEY, calls_at_once=1, max_call_seconds=60),)
    async with reloadable(callers=callers) as reloads:
        service = reloads.service
        service.provider.hangup.answers(500, {})
        assert (await service.call(await token_of(service))).status_code == 201
        token = await token_of(service)
        refused = await service.call(token)
        assert refused.status_code == 429
        assert 55 <= int(refused.headers["retry-after"]) <= 60
        reloads.clock.now += 31
        assert int((await service.call(token)).headers["retry-after"]) <= 30
        reloads.clock.now += 30
        assert (await service.call(token)).status_code == 201


async def test_a_call_that_may_have_begun_keeps_its_place_for_an_hour() -> None:
    """Where nothing limits it: the provider's own hour is over then."""
    async with reloadable(callers=(named(nobody_else(), KEY, calls_at_once=1),)) as reloads:
        service = reloads.service
        service.provider.call.answers(504, {}, times=1)
        for seconds, status in ((0, 504), (3590, 429), (60, 201)):
            reloads.clock.now += seconds
            assert (await service.call_with(KEY, {"model": MODEL})).status_code == status
