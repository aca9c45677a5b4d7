"""openai-python, unmodified, with `base_url` at the service."""

import json
from collections.abc import AsyncIterator

import openai
import pytest
from openai import AsyncOpenAI

from tests.loopback.peer import Peer
from tests.support.provider import ANSWER, parts
from tests.support.service import (
    MASTER_KEY,
    MODEL,
    OFFER,
    UPSTREAM_MODEL,
    Service,
    running,
)
from tests.support.stage import staged

SDP = OFFER.decode()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """A service before a scripted provider."""
    async with running() as service:
        yield service


def sdk(url: str, key: str = MASTER_KEY) -> AsyncOpenAI:
    """The SDK as a developer sets it up: its own defaults, retries included."""
    return AsyncOpenAI(base_url=f"{url}/v1", api_key=key)


async def minted(service: Service) -> str:
    """A token, by the SDK."""
    async with sdk(service.url) as client:
        secret = await client.realtime.client_secrets.create(
            session={"type": "realtime", "model": MODEL}
        )
    return secret.value


async def test_mint_call_and_hangup_with_real_media() -> None:
    """The token is typed, the answer connects, the Location's id ends the call."""
    async with staged() as stage, sdk(stage.url) as backend:
        secret = await backend.realtime.client_secrets.create(
            session={"type": "realtime", "model": MODEL, "instructions": "Be brief."},
            expires_after={"anchor": "created_at", "seconds": 30},
        )
        assert secret.value.startswith("ek_")
        assert secret.session.type == "realtime"
        assert secret.session.instructions == "Be brief."
        peer = Peer()
        try:
            async with sdk(stage.url, secret.value) as client:
                raw = await client.realtime.calls.with_raw_response.create(sdp=await peer.offer())
                assert raw.status_code == 201
                await peer.accept(raw.parse().text)
                await peer.event("session.created")
                (call,) = stage.provider.calls
                assert await stage.provider.knows(call)
                await client.realtime.calls.hangup(raw.headers["location"].rpartition("/")[2])
            assert not await stage.provider.knows(call)
        finally:
            await peer.aclose()


async def test_the_unified_interface_with_real_media() -> None:
    """OpenAI's documentation begins with it: the backend's own key, an offer and a session."""
    async with staged() as stage, sdk(stage.url) as backend:
        peer = Peer()
        try:
            raw = await backend.realtime.calls.with_raw_response.create(
                sdp=await peer.offer(), session={"type": "realtime", "model": MODEL}
            )
            assert raw.status_code == 201
            await peer.accept(raw.parse().text)
            await peer.event("session.created")
            (call,) = stage.provider.calls
            assert await stage.provider.knows(call)
            await backend.realtime.calls.hangup(raw.headers["location"].rpartition("/")[2])
            assert not await stage.provider.knows(call)
        finally:
            await peer.aclose()


async def test_the_answer_is_the_providers_to_the_byte(service: Service) -> None:
    """An SDP offer alone is sent raw, and comes back untouched."""
    async with sdk(service.url, await minted(service)) as client:
        answer = await client.realtime.calls.create(sdp=SDP)
    assert answer.content == ANSWER
    assert service.provider.call.requests[0].body == OFFER


async def test_a_session_beside_the_offer_is_sent_as_a_form(service: Service) -> None:
    """The SDK's multipart is understood; the model goes upstream as the provider calls it."""
    service.provider.call.answers(201, ANSWER, headers={"location": "/v1/realtime/calls/rtc_1"})
    token = await minted(service)
    async with sdk(service.url, token) as client:
        raw = await client.realtime.calls.with_raw_response.create(
            sdp=SDP, session={"type": "realtime", "model": MODEL, "instructions": "Be brief."}
        )
        assert raw.parse().content == ANSWER
        assert raw.headers["location"].startswith("/v1/realtime/calls/rtc_")
    (sent,) = service.provider.call.requests
    expected = {"type": "realtime", "model": UPSTREAM_MODEL, "instructions": "Be brief."}
    assert parts(sent)["sdp"] == OFFER
    assert json.loads(parts(sent)["session"]) == expected


async def test_the_backend_ends_a_call_with_its_own_key(service: Service) -> None:
    """A hangup that is repeated is no error."""
    async with sdk(service.url, await minted(service)) as client:
        raw = await client.realtime.calls.with_raw_response.create(sdp=SDP)
    call_id = raw.headers["location"].rpartition("/")[2]
    assert service.provider.live_calls
    async with sdk(service.url) as backend:
        await backend.realtime.calls.hangup(call_id)
        await backend.realtime.calls.hangup(call_id)
    assert not service.provider.live_calls


async def test_a_replay_is_an_authentication_error(service: Service) -> None:
    """It says that a fresh token is needed, and starts no second call."""
    async with sdk(service.url, await minted(service)) as client:
        await client.realtime.calls.create(sdp=SDP)
        with pytest.raises(openai.AuthenticationError, match="Get a fresh one") as refused:
            await client.realtime.calls.create(sdp=SDP)
    assert (refused.value.code, refused.value.type) == ("token_rejected", "authentication_error")
    assert refused.value.request_id
    assert len(service.provider.call.requests) == 1


async def test_errors_arrive_as_the_sdks_own_classes(service: Service) -> None:
    """A wrong key, an unknown model and a wrong field, each with the service's words and param."""
    async with sdk(service.url, "sk-wrong") as stranger, sdk(service.url) as backend:
        with pytest.raises(openai.AuthenticationError, match="key"):
            await stranger.realtime.client_secrets.create(
                session={"type": "realtime", "model": MODEL}
            )
        with pytest.raises(openai.NotFoundError, match=MODEL) as unknown:
            await backend.realtime.client_secrets.create(
                session={"type": "realtime", "model": "gpt-nowhere"}
            )
        assert unknown.value.code == "model_not_found"
        with pytest.raises(openai.BadRequestError) as wrong:
            await backend.realtime.client_secrets.create(
                session={"type": "realtime", "model": MODEL},
                expires_after={"anchor": "created_at", "seconds": 5},
            )
        assert wrong.value.param == "expires_after.seconds"
    assert service.provider.requests == []


async def test_the_sdk_is_told_not_to_repeat_a_call(service: Service) -> None:
    """An answer that cannot be used may have begun a call: the SDK's retries stay at home."""
    token = await minted(service)
    service.provider.call.answers(201, "not an answer")
    async with sdk(service.url, token) as client:
        with pytest.raises(openai.InternalServerError) as failed:
            await client.realtime.calls.create(sdp=SDP)
    assert failed.value.status_code == 502
    assert len(service.provider.call.requests) == 1


async def test_the_sdks_retry_after_an_overload_finds_the_token_good(service: Service) -> None:
    """No call began, so the same token starts the one there is."""
    token = await minted(service)
    service.provider.call.answers(503, {}, headers={"retry-after": "0"}, times=1)
    async with sdk(service.url, token) as client:
        answer = await client.realtime.calls.create(sdp=SDP)
    assert answer.content == ANSWER
    assert len(service.provider.live_calls) == 1
