"""Real calls: DTLS, ICE, SRTP and SCTP between two aiortc peers."""

import asyncio
import contextlib
import json

import httpx
import pytest
import websockets

from signaller.loopback.app import create_loopback
from signaller.loopback.tones import note
from signaller.secret import Secret
from tests.loopback.conftest import API_KEY
from tests.loopback.peer import Peer, calling
from tests.support.serving import serving


async def test_a_tone_greets_the_caller(openai: httpx.AsyncClient) -> None:
    """The first thing heard is sound, then silence."""
    async with calling(openai) as (peer, _):
        await peer.hears(loud=True)
        await peer.hears(loud=False, frames=20)


async def test_an_offer_without_candidates_connects(openai: httpx.AsyncClient) -> None:
    """The caller's own checks reveal where it is."""
    async with calling(openai, strip_candidates=True) as (peer, _):
        created = await peer.event("session.created")
        assert created["session"]["id"].startswith("sess_")  # type: ignore[index]  # JSON


async def test_what_was_said_comes_back(openai: httpx.AsyncClient) -> None:
    """Speech is noticed, committed, transcribed, answered in words and echoed."""
    async with calling(openai) as (peer, _):
        await peer.event("session.created")
        await peer.hears(loud=True)
        await peer.hears(loud=False, frames=20)
        peer.mouth.play("speech", note(440, 1.0))
        started = await peer.event("input_audio_buffer.speech_started")
        stopped = await peer.event("input_audio_buffer.speech_stopped")
        assert 900 < stopped["audio_end_ms"] - started["audio_start_ms"] < 1800  # type: ignore[operator]  # JSON
        committed = await peer.event("input_audio_buffer.committed")
        assert committed["item_id"] == started["item_id"]
        heard = await peer.event("conversation.item.input_audio_transcription.completed")
        assert heard["item_id"] == started["item_id"]
        await peer.event("response.created")
        await peer.event("output_audio_buffer.started")
        await peer.hears(loud=True, frames=30)
        said = await peer.event("response.output_audio_transcript.done")
        assert str(said["transcript"]).startswith("You spoke for 1.")
        done = await peer.event("response.done")
        assert done["response"]["usage"]["input_token_details"]["audio_tokens"] >= 10  # type: ignore[index]  # JSON
        await peer.event("output_audio_buffer.stopped")


A_LONG_ANSWER = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "word " * 40}],
}
"""It is repeated, which takes ten seconds: 500 frames of sound."""
MOST_FRAMES_ON_THE_WAY = 200


async def test_speech_silences_the_model_and_is_answered(openai: httpx.AsyncClient) -> None:
    """It is told how much was heard; the model is quiet at once, and answers what it was told."""
    async with calling(openai) as (peer, _):
        await peer.event("session.created")
        await _speaks(peer)
        peer.mouth.play("speech", note(440, 0.3))
        await peer.event("input_audio_buffer.speech_started")
        done = await peer.event("response.done")
        assert done["response"]["status_details"]["reason"] == "turn_detected"  # type: ignore[index]  # JSON
        await peer.event("output_audio_buffer.cleared")
        cut = await peer.event("conversation.item.truncated")
        assert 0 < cut["audio_end_ms"] < 10_000  # type: ignore[operator]  # JSON
        await _falls_silent(peer)
        said = await peer.event("response.output_audio_transcript.done")
        assert str(said["transcript"]).startswith("You spoke")
        await peer.event("output_audio_buffer.stopped")


@pytest.mark.parametrize("event", ["response.cancel", "output_audio_buffer.clear"])
async def test_a_client_silences_the_model(openai: httpx.AsyncClient, event: str) -> None:
    """At once, and not once everything is said."""
    async with calling(openai) as (peer, _):
        await peer.event("session.created")
        await _speaks(peer)
        peer.send(type=event)
        done = await peer.event("response.done")
        assert done["response"]["status_details"]["reason"] == "client_cancelled"  # type: ignore[index]  # JSON
        await peer.event("output_audio_buffer.cleared")
        await _falls_silent(peer)


async def test_push_to_talk(openai: httpx.AsyncClient) -> None:
    """Without turn detection speech waits for its commit, and is answered when asked for."""
    turns = {"input": {"turn_detection": None}}
    async with calling(openai, audio=turns) as (peer, _):
        await peer.event("session.created")
        await peer.says("speech", note(440, 0.5))
        assert peer.events == []
        peer.send(type="input_audio_buffer.commit")
        await peer.event("input_audio_buffer.committed")
        peer.send(type="response.create")
        await peer.event("output_audio_buffer.started")
        await peer.hears(loud=True, frames=10)
        said = await peer.event("response.output_audio_transcript.done")
        assert str(said["transcript"]).startswith("You spoke")


async def test_a_function_is_called_and_its_output_spoken(openai: httpx.AsyncClient) -> None:
    """From the session's tools to words that quote what the function gave back."""
    tools = [{"type": "function", "name": "get_weather", "parameters": {"type": "object"}}]
    async with calling(openai, tools=tools, tool_choice="required") as (peer, _):
        await peer.event("session.created")
        peer.send(type="response.create")
        call = await peer.event("response.function_call_arguments.done")
        assert (call["name"], call["arguments"]) == ("get_weather", "{}")
        await peer.event("response.done")
        peer.send(
            type="conversation.item.create",
            item={"type": "function_call_output", "call_id": call["call_id"], "output": "18 C"},
        )
        peer.send(type="response.create")
        await peer.event("output_audio_buffer.started")
        said = await peer.event("response.output_audio_transcript.done")
        assert "18 C" in str(said["transcript"])


async def _falls_silent(peer: Peer) -> None:
    """Hear silence, long before everything has been said."""
    await peer.hears(loud=False)
    assert sum(peer.louds) < MOST_FRAMES_ON_THE_WAY


async def _speaks(peer: Peer) -> None:
    """Let the model say something long, and hear it."""
    await peer.hears(loud=True)  # the greeting
    await peer.hears(loud=False, frames=20)
    peer.send(type="conversation.item.create", item=A_LONG_ANSWER)
    peer.send(type="response.create")
    await peer.event("output_audio_buffer.started")
    await peer.hears(loud=True, frames=10)


async def test_hangup_ends_the_call_for_good(openai: httpx.AsyncClient) -> None:
    """The peer's connection closes, and a second hangup is a 404."""
    async with calling(openai) as (peer, path):
        await peer.event("session.created")
        first = await openai.post(f"{path}/hangup")
        assert (first.status_code, first.content) == (200, b"")
        async with asyncio.timeout(10):
            await peer.ended.wait()
        second = await openai.post(f"{path}/hangup")
        assert second.status_code == 404
        assert second.json()["error"]["code"] == "call_id_not_found"


async def test_a_call_nobody_connects_to_can_be_hung_up(openai: httpx.AsyncClient) -> None:
    """Ending does not wait for ICE."""
    peer = Peer()
    try:
        response = await openai.post(
            "/v1/realtime/calls",
            files={"sdp": (None, await peer.offer(), "application/sdp")},
        )
        path = response.headers["location"]
        assert (await openai.post(f"{path}/hangup")).status_code == 200
    finally:
        await peer.aclose()


async def test_the_end_of_the_application_ends_its_calls() -> None:
    """Nothing outlives the lifespan."""
    async with contextlib.AsyncExitStack() as stack:
        key = Secret(API_KEY)
        server = contextlib.AsyncExitStack()
        url = await server.enter_async_context(serving(create_loopback(api_key=key)))
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {API_KEY}"})
        )
        peer, _ = await stack.enter_async_context(calling(client))
        await peer.event("session.created")
        await server.aclose()
        async with asyncio.timeout(10):
            await peer.ended.wait()
        assert peer.connection.connectionState == "closed"


async def test_a_peer_that_leaves_ends_its_call(openai: httpx.AsyncClient) -> None:
    """The sideband closes, and nothing is left to hang up."""
    async with calling(openai) as (peer, path):
        await peer.event("session.created")
        async with websockets.connect(
            _sideband(openai, path.rpartition("/")[2]),
            additional_headers={"authorization": f"Bearer {API_KEY}"},
        ) as sideband:
            await peer.connection.close()
            async with asyncio.timeout(10):
                await sideband.wait_closed()
        assert (await openai.post(f"{path}/hangup")).status_code == 404


async def test_a_sideband_sees_and_steers_the_call(openai: httpx.AsyncClient) -> None:
    """Attaching says nothing; events of both sides reach both."""
    async with calling(openai) as (peer, path):
        await peer.event("session.created")
        call_id = path.rpartition("/")[2]
        async with websockets.connect(
            _sideband(openai, call_id),
            additional_headers={"authorization": f"Bearer {API_KEY}"},
        ) as sideband:
            update = {"type": "realtime", "instructions": "Be brief."}
            await sideband.send(json.dumps({"type": "session.update", "session": update}))
            seen = json.loads(await sideband.recv())
            assert seen["type"] == "session.updated"
            assert (await peer.event("session.updated"))["event_id"] == seen["event_id"]
            peer.send(type="nonsense")
            assert json.loads(await sideband.recv())["type"] == "error"


@pytest.mark.parametrize(
    ("key", "call_id", "status"),
    [
        pytest.param(API_KEY, "rtc_unknown", 404, id="unknown call"),
        pytest.param("sk-other", "rtc_unknown", 401, id="wrong key"),
    ],
)
async def test_a_sideband_is_refused_before_it_opens(
    openai: httpx.AsyncClient, key: str, call_id: str, status: int
) -> None:
    """The handshake itself fails, with the provider's error."""
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(
            _sideband(openai, call_id),
            additional_headers={"authorization": f"Bearer {key}"},
        )
    assert refused.value.response.status_code == status
    assert "error" in json.loads(refused.value.response.body or b"")


async def test_several_calls_start_with_one_secret(openai: httpx.AsyncClient) -> None:
    """As with the provider: a secret lasts until it expires."""
    async with calling(openai) as (first, one), calling(openai) as (second, other):
        await first.event("session.created")
        await second.event("session.created")
        assert one != other


def _sideband(provider: httpx.AsyncClient, call_id: str) -> str:
    url = str(provider.base_url.join("/v1/realtime"))
    return f"{url.replace('http', 'ws')}?call_id={call_id}"
