"""The loopback provider against a real Chromium with its fake microphone."""

import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest
from playwright.async_api import Page, async_playwright
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route

from tests.support.serving import serving

_CALL = """
async ({ url, secret, microphone }) => {
  const peer = new RTCPeerConnection();
  let stream = null;
  if (microphone) {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
    peer.addTrack(stream.getTracks()[0], stream);
  } else {
    peer.addTransceiver("audio");
  }
  // Chromium measures only what it plays.
  const speaker = new Audio();
  peer.ontrack = (event) => {
    speaker.srcObject = new MediaStream([event.track]);
    speaker.play();
  };
  const seen = [];
  const channel = peer.createDataChannel("oai-events");
  const until = async (check, what) => {
    for (let i = 0; i < 400; i += 1) {
      const value = await check();
      if (value) return value;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`no ${what}: ${peer.connectionState} ${JSON.stringify(seen)}`);
  };
  channel.onmessage = (message) => seen.push(JSON.parse(message.data).type);
  await peer.setLocalDescription(await peer.createOffer());
  if (!microphone) await until(() => peer.iceGatheringState === "complete", "candidates");
  const offer = peer.localDescription.sdp;
  const answer = await fetch(`${url}/v1/realtime/calls`, {
    method: "POST",
    body: offer,
    headers: { Authorization: `Bearer ${secret}`, "Content-Type": "application/sdp" },
  });
  if (answer.status !== 201) throw new Error(await answer.text());
  await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  await until(() => seen.includes("session.created"), "session.created");
  channel.send(JSON.stringify({ type: "session.update", session: { instructions: "Hi" } }));
  await until(() => seen.includes("session.updated"), "session.updated");
  const inbound = async () =>
    [...(await peer.getStats()).values()].find((stat) => stat.type === "inbound-rtp");
  await until(async () => (await inbound())?.totalAudioEnergy > 0.001, "sound");
  if (microphone) await until(() => seen.includes("response.done"), "answer to the beeps");
  peer.close();
  return {
    hidden: offer.includes(".local "),
    candidates: offer.includes("a=candidate"),
    location: answer.headers.get("location"),
    seen,
  };
}
"""


@contextlib.asynccontextmanager
async def empty_page(*, microphone: bool) -> AsyncIterator[Page]:
    """A page from http://127.0.0.1 in a headless Chromium; it hides addresses without a mic."""
    html = "<!doctype html><title>.</title>"
    granted = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    async with (
        serving(Starlette(routes=[Route("/", lambda _: HTMLResponse(html))])) as url,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium-headless-shell",
            args=[
                "--no-sandbox",
                "--allow-loopback-in-peer-connection",  # a machine without a network
                "--autoplay-policy=no-user-gesture-required",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                *(granted if microphone else []),
            ],
        )
        try:
            page = await browser.new_page()
            await page.goto(url)
            yield page
        finally:
            await browser.close()


@pytest.mark.parametrize(
    "microphone", [pytest.param(True, id="mic"), pytest.param(False, id="no-mic")]
)
async def test_chromium_talks_and_listens(openai: httpx.AsyncClient, microphone: bool) -> None:
    """Sound and events arrive: from an offer without candidates, and from one with mDNS names."""
    minted = await openai.post(
        "/v1/realtime/client_secrets",
        json={
            "session": {
                "type": "realtime",
                "audio": {"input": {"turn_detection": {"silence_duration_ms": 200}}},  # beeps
            }
        },
    )
    call = {
        "url": str(openai.base_url).rstrip("/"),
        "secret": minted.json()["value"],
        "microphone": microphone,
    }
    async with empty_page(microphone=microphone) as page:
        outcome = await page.evaluate(_CALL, call)
    assert outcome["candidates"] is outcome["hidden"] is not microphone
    assert outcome["location"].startswith("/v1/realtime/calls/rtc_")
    assert ("input_audio_buffer.speech_started" in outcome["seen"]) is microphone
