"""Who ends a call, what its record says of it, and what the clock does."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from signaller.secret import Secret
from signaller.settings import Timeouts
from tests.support.service import MASTER_KEY, MODEL, Service, bearer, error, named, running
from tests.web.reloading import reloadable

KEY = "sk-canary-web-0123456789abcdef"


async def begun(service: Service, **mint: Any) -> tuple[str, str]:
    """A call's token and Location."""
    minted = await service.mint({"model": MODEL, **mint}, headers=bearer(KEY))
    token: str = minted.json()["value"]
    response = await service.call(token)
    assert response.status_code == 201, response.text
    return token, response.headers["location"]


async def shown(service: Service, location: str) -> dict[str, Any]:
    """The call, as the API tells it."""
    body: dict[str, Any] = (await service.client.get(location, headers=bearer(MASTER_KEY))).json()
    return body


async def until_ended(service: Service, location: str, seconds: float = 20) -> dict[str, Any]:
    """The call, once its record says that it has ended."""
    async with asyncio.timeout(seconds):
        while (call := await shown(service, location))["status"] != "ended":
            pass  # asking takes its time
    return call


@pytest.fixture(params=["memory", "redis"])
async def service(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Service]:
    """With one caller, on either store."""
    url = Secret(redis_url) if request.param == "redis" else None
    callers = (named("web", KEY, on_replay="hangup"),)
    times = Timeouts(call_seconds=2)
    async with running(redis_url=url, callers=callers, timeouts=times) as service:
        yield service


async def test_a_call_is_shown_as_soon_as_it_is_answered(service: Service) -> None:
    """Live, with all that is settled of it."""
    _, location = await begun(service)
    call = await shown(service, location)
    assert (call["id"], call["status"], call["caller"], call["model"], call["deployment"]) == (
        location.rpartition("/")[2],
        "live",
        "web",
        MODEL,
        "d1",
    )
    assert abs(call["started_at"] - time.time()) < 30
    assert (call["ended_at"], call["ended_by"]) == (None, None)


@pytest.mark.parametrize("who", ["client", "caller", "operator"])
async def test_who_ended_it_is_told(service: Service, who: str) -> None:
    """Its token is the client; its caller's key; the master key."""
    token, location = await begun(service)
    key = {"client": token, "caller": KEY, "operator": MASTER_KEY}[who]
    assert (await service.client.delete(location, headers=bearer(key))).status_code == 200
    call = await shown(service, location)
    assert (call["status"], call["ended_by"]) == ("ended", who)
    assert call["ended_at"] >= call["started_at"]
    assert "ending" not in call
    again = await service.client.delete(location, headers=bearer(MASTER_KEY))
    assert again.status_code == 200
    assert (await shown(service, location))["ended_by"] == who
    assert len(service.provider.hangup.requests) == 1


async def test_a_replay_ends_it(service: Service) -> None:
    """As the policy says."""
    token, location = await begun(service)
    assert (await service.call(token)).status_code == 401
    assert (await shown(service, location))["ended_by"] == "replay"


async def test_ended_is_said_only_once_it_is_confirmed(service: Service) -> None:
    """502 with Retry-After; live until then; who asked first stays; the clock goes on asking."""
    _, location = await begun(service)
    service.provider.hangup.answers(500, {}, times=2)
    refused = await service.client.delete(location, headers=bearer(KEY))
    assert (refused.status_code, error(refused)["code"]) == (502, "hangup_unconfirmed")
    assert int(refused.headers["retry-after"]) >= 1
    call = await shown(service, location)
    assert (call["status"], call["ending"]["by"]) == ("live", "caller")
    early = await service.client.delete(location, headers=bearer(MASTER_KEY))
    assert (early.status_code, error(early)["code"]) == (502, "hangup_unconfirmed")
    call = await until_ended(service, location)
    assert call["ended_by"] == "caller"
    assert service.provider.live_calls == set()
    assert len(service.provider.hangup.requests) == 3


async def test_the_clock_ends_a_call_at_its_moment(service: Service) -> None:
    """Within 1.5 s of it."""
    _, location = await begun(service, max_call_seconds=3)
    answered = time.time()
    async with asyncio.timeout(20):
        await service.provider.hangup.arrived()
    assert 1.5 <= time.time() - answered <= 4.5
    call = await until_ended(service, location)
    assert call["ended_by"] == "length"
    assert service.provider.live_calls == set()


async def test_a_call_that_was_gone_was_ended_by_its_client(service: Service) -> None:
    """The provider knows no such call when its time is over."""
    _, location = await begun(service, max_call_seconds=1)
    service.provider.live_calls.clear()
    assert (await until_ended(service, location))["ended_by"] == "client"


async def test_a_token_that_ends_its_call_frees_nothing_else(service: Service) -> None:
    """Another's token does not find it."""
    _, location = await begun(service)
    token, _ = await begun(service)
    refused = await service.client.delete(location, headers=bearer(token))
    assert refused.status_code == 404
    assert (await shown(service, location))["status"] == "live"


async def test_a_call_whose_answer_was_lost_is_unknown(service: Service) -> None:
    """It has its record before the provider is asked, and keeps it where nobody can tell."""
    minted = await service.mint({"model": MODEL, "max_call_seconds": 2}, headers=bearer(KEY))
    service.provider.call.answers(502, {}, times=1)  # a gateway that stopped waiting
    assert (await service.call(minted.json()["value"])).status_code == 502
    listed = await service.client.get("/v1/realtime/calls", headers=bearer(KEY))
    call = listed.json()["data"][0]
    assert call["status"] == "unknown"
    location = f"/v1/realtime/calls/{call['id']}"
    refused = await service.client.delete(location, headers=bearer(KEY))
    assert (refused.status_code, error(refused)["code"]) == (502, "hangup_unconfirmed")
    ended = await until_ended(service, location, 30)
    assert ended["ended_by"] is None
    metrics = await service.client.get("/metrics", headers=bearer(MASTER_KEY))
    assert 'signaller_calls_unknown_total{caller="web",model="voice"} 1.0' in metrics.text
    assert service.provider.hangup.requests == []


async def test_a_provider_may_take_longer_than_its_call(service: Service) -> None:
    """The time of a call begins with its answer: nobody takes it for over before that."""
    minted = await service.mint({"model": MODEL, "max_call_seconds": 1}, headers=bearer(KEY))
    service.provider.call.holds()
    calling = asyncio.create_task(service.call(minted.json()["value"]))
    await service.provider.call.arrived()
    await asyncio.sleep(1.5)  # longer than the call, and shorter than the provider may take
    service.provider.call.release()
    location = (await calling).headers["location"]
    assert (await until_ended(service, location))["ended_by"] == "length"
    assert service.provider.live_calls == set()


async def test_an_end_is_logged_once_and_counted(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """Who, what, how long, by whom; and how many are live."""
    with caplog.at_level("INFO", "signaller.audit"):
        _, location = await begun(service)
        for _ in range(2):
            await service.client.delete(location, headers=bearer(KEY))
    (line,) = [record.__dict__["fields"] for record in caplog.records if record.msg == "call_ended"]
    assert line["call"] == location.rpartition("/")[2]
    assert (line["caller"], line["model"], line["deployment"]) == ("web", MODEL, "d1")
    assert (line["ended_by"], line["seconds"] >= 0) == ("caller", True)
    assert (line["usage"]["label"], line["cost"]["usd"]) == ("unknown", None)
    metrics = (await service.client.get("/metrics", headers=bearer(MASTER_KEY))).text
    labels = 'caller="web",model="voice"'
    assert f'signaller_calls_ended_total{{{labels},reason="caller"}} 1.0' in metrics
    assert f"signaller_call_seconds_total{{{labels}}} {float(line['seconds'])}" in metrics


async def test_live_calls_are_counted() -> None:
    """Within some seconds; and none is told once there is none."""
    async with running(callers=(named("web", KEY),)) as service:
        _, location = await begun(service)

        async def told(count: str) -> None:
            wanted = f'signaller_calls_live{{caller="web",model="voice"}} {count}'
            text = ""
            async with asyncio.timeout(20):
                while wanted not in text:
                    got = await service.client.get("/metrics", headers=bearer(MASTER_KEY))
                    text = got.text

        await told("1.0")
        await service.client.delete(location, headers=bearer(KEY))
        await told("0.0")


async def test_an_hour_past_its_end_nobody_is_asked_any_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Until then it is. It is ended by who asked first; a line says that nobody confirmed it."""
    async with reloadable(callers=(named("web", KEY),)) as reloads:
        service = reloads.service
        _, location = await begun(service, max_call_seconds=60)
        service.provider.hangup.answers(500, {})
        refused = await service.client.delete(location, headers=bearer(MASTER_KEY))
        assert refused.status_code == 502
        reloads.clock.now += 60 + 3500
        await service.provider.hangup.arrived(2)
        assert (await shown(service, location))["status"] == "live"
        reloads.clock.now += 101
        call = await until_ended(service, location)
        assert call["ended_by"] == "operator"
        assert "nobody has confirmed the end of a call" in caplog.text


async def test_an_end_that_nobody_can_ask_for_now_is_asked_for_later() -> None:
    """Its deployment has left the file: the record says who wants the end, until it is back."""
    async with reloadable("d1", "d2", callers=(named("web", KEY),)) as reloads:
        service = reloads.service
        both = service.settings.deployments
        _, location = await begun(service, max_call_seconds=3000)
        await reloads.reload(deployments=both[1:])
        refused = await service.client.delete(location, headers=bearer(MASTER_KEY))
        assert (refused.status_code, error(refused)["code"]) == (502, "hangup_unconfirmed")
        call = (await service.client.get(location, headers=bearer(MASTER_KEY))).json()
        assert (call["status"], call["ending"]["by"]) == ("live", "operator")
        await reloads.reload(deployments=both)
        reloads.clock.now += 61
        assert (await until_ended(service, location))["ended_by"] == "operator"


async def test_the_clock_keeps_the_settings_in_force() -> None:
    """After a reload it ends calls with the credential of now."""
    async with reloadable(callers=(named("web", KEY),)) as reloads:
        service = reloads.service
        _, location = await begun(service, max_call_seconds=60)
        await reloads.reload(callers=(named("web", KEY, calls_at_once=1),))
        reloads.clock.now += 61
        assert (await until_ended(service, location))["ended_by"] == "length"


async def test_a_shutdown_is_not_held_up_by_the_clock() -> None:
    """Calls go on; whoever lives, or comes next, ends them."""
    async with running(callers=(named("web", KEY),)) as service:
        await begun(service, max_call_seconds=3000)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    assert service.provider.hangup.requests == []
