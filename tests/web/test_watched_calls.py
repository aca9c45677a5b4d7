"""Calls that are watched: what is heard of them, what is done about it, and how they end."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from signaller.policy import Policy
from signaller.secret import Secret
from signaller.settings import Timeouts
from tests.support.calls import following
from tests.support.provider import FakeProvider
from tests.support.service import (
    MASTER_KEY,
    PROVIDER_KEY,
    Service,
    bearer,
    deployment,
    error,
    running,
)
from tests.support.serving import serving
from tests.web.watching import begun, ended, shown, until

WATCHED = Policy(supervision="best_effort")


@pytest_asyncio.fixture(params=["memory", "redis"])
async def service(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Service]:
    """One whose calls are watched, on each of its stores."""
    url = Secret(redis_url) if request.param == "redis" else None
    async with running(policy=WATCHED, redis_url=url) as running_service:
        yield running_service


async def test_a_watched_call_tells_its_usage_and_cost(service: Service) -> None:
    """What the provider's ledger has is in the record, with the price of the model."""
    call_id, theirs = await begun(service)
    bands = service.provider.sidebands
    await bands.attached(theirs)
    bands.responds(theirs, audio_out=100)
    bands.responds(theirs, audio_out=50)
    call = await until(service, call_id, lambda call: call["usage"]["responses"] == 2)
    usage = call["usage"]
    assert {name: usage[name] for name in bands.billed(theirs)} == bands.billed(theirs)
    assert (call["supervision"], usage["label"], call["gaps"]) == ("watched", "complete", [])
    # Twice 20 texts in at 4, 36 fresh sounds in at 32 and 64 cached at 0.4, 10 texts out at 24; and
    # 150 sounds out at 64 dollars a million.
    assert call["cost"] == {"usd": "0.0125952", "label": "complete"}


async def test_the_sideband_brings_the_standard_key(service: Service) -> None:
    """And not the ephemeral secret, with which providers refuse it."""
    _, theirs = await begun(service)
    await service.provider.sidebands.attached(theirs)
    (headers,) = service.provider.sidebands.handshakes
    assert headers["authorization"] == f"Bearer {PROVIDER_KEY}"
    assert "openai-beta" not in headers


async def test_sideband_and_hang_up_bring_organization_and_project() -> None:
    """Those of the deployment: elsewhere the call is not known."""
    provider = FakeProvider()
    async with serving(provider.app) as url:
        one = deployment(url, organization="org-1", project="proj-1")
        async with running(provider, deployments=(one,), policy=WATCHED) as service:
            call_id, theirs = await begun(service)
            await provider.sidebands.attached(theirs)
            assert await service.ended(f"/v1/realtime/calls/{call_id}", MASTER_KEY) == 200
    for headers in (provider.sidebands.handshakes[0], provider.hangup.requests[0].headers):
        names = ("openai-organization", "openai-project")
        assert [headers.get(name) for name in names] == ["org-1", "proj-1"]


@pytest.mark.parametrize(
    ("credential", "header"),
    [
        pytest.param({}, {"api-key": PROVIDER_KEY}, id="key"),
        pytest.param(
            {"api_key": None, "entra_token": Secret("entra-canary")},
            {"authorization": "Bearer entra-canary"},
            id="Entra ID",
        ),
    ],
)
async def test_azures_sideband_brings_the_resources_credential(
    credential: dict[str, Any], header: dict[str, str]
) -> None:
    """A key in the header that Azure has for it, a token of Entra ID as a bearer."""
    provider = FakeProvider()
    async with serving(provider.app) as url:
        one = deployment(url, provider="azure", **credential)
        policy = Policy(supervision="required")
        async with running(provider, deployments=(one,), policy=policy) as service:
            _, theirs = await begun(service)
            await provider.sidebands.attached(theirs)
    (headers,) = provider.sidebands.handshakes
    names = {"api-key", "authorization"}
    assert {name: headers[name] for name in names & set(headers)} == header


async def test_a_client_that_is_gone_ends_the_call(service: Service) -> None:
    """The provider closes the sideband and knows no such call any more: all of it is in the end."""
    call_id, theirs = await begun(service)
    bands = service.provider.sidebands
    await bands.attached(theirs)
    bands.responds(theirs)
    service.provider.ends(theirs)
    call = await until(service, call_id, ended)
    assert (call["ended_by"], call["usage"]["responses"]) == ("client", 1)
    assert (call["supervision"], call["usage"]["label"]) == ("watched", "complete")
    assert service.provider.hangup.requests == []  # nobody had to ask


async def test_a_provider_that_said_why_has_ended_the_call(service: Service) -> None:
    """And not the client, though the sideband closes and the call is gone in the same way."""
    call_id, theirs = await begun(service)
    bands = service.provider.sidebands
    await bands.attached(theirs)
    bands.tells(theirs, {"type": "error", "error": {"code": "session_expired"}})
    service.provider.ends(theirs)
    call = await until(service, call_id, ended)
    assert (call["ended_by"], call["supervision"]) == ("provider", "watched")
    assert call["usage"]["label"] == "complete"
    assert service.provider.hangup.requests == []


async def test_a_404_that_takes_its_time_loses_nothing(service: Service) -> None:
    """OpenAI's takes 5.5 s: the close before it was the end, and the usage complete."""
    call_id, theirs = await begun(service)
    bands = service.provider.sidebands
    bands.not_found_seconds = 5.5
    await bands.attached(theirs)
    bands.responds(theirs)
    service.provider.ends(theirs)
    call = await until(service, call_id, ended)
    assert (call["usage"]["label"], call["gaps"]) == ("complete", [])


async def test_a_dropped_sideband_is_dialled_again(service: Service) -> None:
    """The call goes on; what may have been missed makes its usage partial, with the gap."""
    call_id, theirs = await begun(service)
    bands = service.provider.sidebands
    await bands.attached(theirs)
    bands.responds(theirs)
    bands.drops(theirs)
    await bands.dialled(2)
    await bands.attached(theirs)
    bands.responds(theirs)
    call = await until(service, call_id, lambda call: call["usage"]["responses"] == 2)
    assert (call["status"], call["usage"]["label"]) == ("live", "partial")
    (gap,) = call["gaps"]
    assert gap["from"] <= time.time()
    assert gap["to"] - gap["from"] <= 5


async def test_refusals_are_waited_out(service: Service) -> None:
    """A provider that cannot attach now is asked again, and the call goes on meanwhile."""
    bands = service.provider.sidebands
    bands.refuses(503, times=2)
    bands.refuses(404)  # directly after a call began, that says nothing
    call_id, theirs = await begun(service)
    await bands.attached(theirs)
    call = await until(service, call_id, lambda call: call["supervision"] == "watched")
    assert call["status"] == "live"
    assert service.provider.hangup.requests == []


async def test_a_provider_that_is_down_fills_no_log(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """However often it is asked: why no sideband can be had is said once, until it is another."""
    bands = service.provider.sidebands
    bands.refuses(503, times=3)
    bands.refuses(429)
    with caplog.at_level(logging.WARNING, "signaller"):
        _, theirs = await begun(service)
        await bands.attached(theirs)
    said = [
        vars(record)["fields"] for record in caplog.records if record.getMessage() == "no sideband"
    ]
    assert [fields["detail"][-3:] for fields in said] == ["503", "429"]


async def test_a_late_404_directly_after_a_call_began_is_a_gap(service: Service) -> None:
    """The provider did not know the call yet, and took its time: nobody heard what came first."""
    bands = service.provider.sidebands
    bands.not_found_seconds = 5.5
    bands.refuses(404)
    call_id, theirs = await begun(service)
    await bands.attached(theirs)
    bands.responds(theirs)
    call = await until(service, call_id, lambda call: call["usage"]["responses"] == 1)
    (gap,) = call["gaps"]
    assert (call["status"], call["supervision"]) == ("live", "watched")
    assert call["usage"]["label"] == "partial"
    assert gap["to"] - gap["from"] >= 5
    assert service.provider.hangup.requests == []


async def test_garbage_is_no_end_of_the_watch(service: Service) -> None:
    """Frames that are no events are passed over; what may have told of usage makes it partial."""
    call_id, theirs = await begun(service)
    bands = service.provider.sidebands
    await bands.attached(theirs)
    for frame in ("", "{", "[]", "\x00", '{"type": 7}', '{"type": "response.done", "response": 1}'):
        bands.tells(theirs, frame)
    bands.responds(theirs)
    call = await until(service, call_id, lambda call: call["usage"]["responses"] == 1)
    assert call["usage"]["label"] == "partial"


async def test_hanging_up_shows_all_that_was_used(service: Service) -> None:
    """The end that a caller asks for has the usage of the last second in it."""
    call_id, theirs = await begun(service)
    bands = service.provider.sidebands
    await bands.attached(theirs)
    await until(service, call_id, lambda call: call["supervision"] == "watched")
    bands.responds(theirs)
    assert await service.ended(f"/v1/realtime/calls/{call_id}", MASTER_KEY) == 200
    call = await until(service, call_id, lambda call: call["usage"]["responses"] == 1)
    assert (call["status"], call["ended_by"]) == ("ended", "operator")


async def test_a_silent_call_is_ended(redis_url: str) -> None:
    """A noisy open microphone is silence too; the model is told before it ends."""
    policy = Policy(max_idle_seconds=4, warn_seconds=2, warn_with="Say goodbye.")
    async with running(policy=policy, redis_url=Secret(redis_url)) as service:
        call_id, theirs = await begun(service)
        bands = service.provider.sidebands
        await bands.attached(theirs)

        async def noise() -> None:
            while True:
                bands.tells(theirs, {"type": "input_audio_buffer.speech_started"})
                bands.tells(theirs, {"type": "input_audio_buffer.committed"})
                await asyncio.sleep(0.1)

        noisy = asyncio.create_task(noise())
        event = await bands.heard()
        assert event["item"]["role"] == "system"
        assert event["item"]["content"][0]["text"] == "Say goodbye."
        warned = await until(service, call_id, lambda call: "warnings" in call)
        assert (warned["status"], warned["warnings"][0]["reason"]) == ("live", "idle")
        call = await until(service, call_id, ended)
        noisy.cancel()
    assert call["ended_by"] == "idle"
    assert theirs not in service.provider.live_calls


async def test_a_warning_is_told_once_to_those_who_follow() -> None:
    """As it comes, in the call's record: with why and when; it stands there until the end."""
    policy = replace(WATCHED, max_call_seconds=7, warn_seconds=4)
    async with running(policy=policy) as service, following(service.client, MASTER_KEY) as feed:
        call_id, _ = await begun(service)
        told: list[tuple[str, Any]] = []
        while not told or told[-1][0] != "call.ended":
            event = await feed.next()
            told.append((event.event, json.loads(event.data)))
    warned = [(kind, call) for kind, call in told if call.get("warnings")]
    assert {call["id"] for _, call in told} == {call_id}
    kind, first = warned[0]
    (warning,) = first["warnings"]
    assert (kind, first["status"], warning["reason"]) == ("call.updated", "live", "length")
    assert -1 <= warning["at"] - (first["ends_by"] - 4) <= 2
    assert all(call["warnings"] == [warning] for _, call in warned)


async def test_a_call_that_must_be_watched_is_answered_once_it_is() -> None:
    """One attempt may fail, and take its time; nobody has the answer before, so nothing is missed.

    A provider's 404 takes 5.5 s, also where it is only too early: that is no part of the time in
    which it has to answer the call.
    """
    policy, times = Policy(supervision="required"), Timeouts(call_seconds=2)
    async with running(policy=policy, timeouts=times) as service:
        bands = service.provider.sidebands
        bands.not_found_seconds = 5.5
        bands.refuses(404)
        call_id, theirs = await begun(service)
        await bands.attached(theirs)
        bands.responds(theirs)
        call = await until(service, call_id, lambda call: call["usage"]["responses"] == 1)
        assert len(bands.handshakes) == 2
        assert (call["usage"]["label"], call["gaps"]) == ("complete", [])


async def test_a_call_that_must_be_watched_and_cannot_be_is_hung_up() -> None:
    """After two attempts: 502, the token spent, and a record that says why it ended."""
    async with running(policy=Policy(supervision="required")) as service:
        service.provider.sidebands.refuses(503, times=2)
        token = await service.token()
        response = await service.call(token)
        assert response.status_code == 502
        assert error(response)["code"] == "supervision_unavailable"
        assert error(response)["token"] == "spent"
        assert response.headers["x-should-retry"] == "false"
        assert service.provider.live_calls == set()
        listed = await service.client.get("/v1/realtime/calls", headers=bearer(MASTER_KEY))
        (call,) = listed.json()["data"]
        assert (call["status"], call["ended_by"]) == ("ended", "supervision")


async def test_what_nobody_asked_to_be_watched_is_not() -> None:
    """Its usage is unknown then, and never zero."""
    async with running() as service:
        call_id, _ = await begun(service)
        call = await shown(service, call_id)
        assert service.provider.sidebands.handshakes == []
        assert (call["supervision"], call["usage"]["label"]) == ("clock", "unknown")
        assert call["cost"] == {"usd": None, "label": "unknown"}


async def test_watched_calls_are_counted_by_kind_and_cost(service: Service) -> None:
    """Once, when they end, by caller and model."""
    call_id, theirs = await begun(service)
    bands = service.provider.sidebands
    await bands.attached(theirs)
    bands.responds(theirs, audio_out=100)
    service.provider.ends(theirs)
    await until(service, call_id, ended)
    text = await scraped(service)
    assert 'signaller_call_tokens_total{caller="master",kind="output_audio",model="voice"} 100' in (
        text
    )
    assert 'signaller_call_cost_usd_total{caller="master",model="voice"}' in text


async def test_frames_that_cannot_be_read_are_counted_for_the_operator(service: Service) -> None:
    """By deployment and the event's name; what would not matter if it were read is not counted."""
    call_id, theirs = await begun(service)
    bands = service.provider.sidebands
    await bands.attached(theirs)
    for frame in ("garbage", '{"type": 7}', '{"type": "response.done", ', '{"type": "made.up", '):
        bands.tells(theirs, frame)
    bands.responds(theirs)
    call = await until(service, call_id, lambda call: call["usage"]["responses"] == 1)
    name = "signaller_sideband_frames_unread_total"
    lines = (await scraped(service)).splitlines()
    assert {line for line in lines if line.startswith(name)} == {
        f'{name}{{deployment="{call["deployment"]}",event="unknown"}} 2.0',
        f'{name}{{deployment="{call["deployment"]}",event="response.done"}} 1.0',
    }


async def test_each_gap_of_a_record_is_counted_for_the_operator(service: Service) -> None:
    """One between two sidebands of a call, and one between the last of them and the call's end."""
    name = 'signaller_watch_gaps_total{deployment="d1"}'
    bands = service.provider.sidebands
    dropped, theirs = await begun(service)
    await bands.attached(theirs)
    assert f"{name} 0.0" in await scraped(service)
    bands.drops(theirs)
    await until(service, dropped, lambda call: len(call["gaps"]) == 1)
    assert f"{name} 1.0" in await scraped(service)
    cut_off, theirs = await begun(service)
    await bands.attached(theirs)
    await until(service, cut_off, lambda call: bool(call["supervision"] == "watched"))
    service.provider.live_calls.discard(theirs)
    bands.aborts(theirs)  # a polite close would be the end itself
    call = await until(service, cut_off, ended)
    assert len(call["gaps"]) == 1
    assert f"{name} 2.0" in await scraped(service)


async def scraped(service: Service) -> str:
    """What Prometheus would read now."""
    response = await service.client.get("/metrics", headers=bearer(MASTER_KEY))
    assert response.status_code == 200, response.text
    return response.text


async def test_a_warning_waits_for_the_sideband() -> None:
    """Its moment comes while nobody is attached yet: the model is told as soon as somebody is."""
    policy = replace(WATCHED, max_call_seconds=60, warn_seconds=90, warn_with="Say goodbye.")
    async with running(policy=policy) as service:
        answered = service.provider.sidebands.holds()
        call_id, _ = await begun(service)
        await until(service, call_id, lambda call: bool(call.get("warnings")))
        answered.set()
        said = await service.provider.sidebands.heard()
        assert said["item"]["content"] == [{"type": "input_text", "text": "Say goodbye."}]
