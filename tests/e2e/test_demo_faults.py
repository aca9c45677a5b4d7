"""What `signaller demo` shows beyond a call that goes well: a cost, and faults on purpose."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Page

from signaller.loopback.switches import NAMES
from signaller.loopback.tones import note
from tests.docs.pages import codes, section
from tests.loopback.peer import Peer
from tests.support.demo import demo
from tests.support.stage import PATIENCE_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

Record = dict[str, Any]
SDP = {"content-type": "application/sdp"}
FAILS = """
async ({ token }) => {
  const peer = new RTCPeerConnection();
  // Whoever may hear us is shown our addresses, and the offer has them all.
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  peer.addTrack(stream.getTracks()[0], stream);
  peer.createDataChannel("oai-events");
  const gathered = new Promise((resolve) => {
    peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && resolve();
  });
  await peer.setLocalDescription(await peer.createOffer());
  await gathered;
  const answer = await fetch("/v1/realtime/calls", {
    method: "POST",
    body: peer.localDescription.sdp,
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/sdp" },
  });
  const failed = new Promise((resolve) => {
    peer.onconnectionstatechange = () => {
      if (["failed", "connected"].includes(peer.connectionState)) resolve(peer.connectionState);
    };
  });
  await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  return await failed;
}
"""


@dataclass
class Demo:
    """A running one, and a client with its key."""

    url: str
    key: str
    client: httpx.AsyncClient

    async def switch(self, **on: object) -> httpx.Response:
        """These faults on, all others off."""
        return await self.client.put("/demo/faults", json=on)

    async def token(self) -> str:
        """A fresh token."""
        minted = await self.client.post(
            "/v1/realtime/client_secrets", json={"model": "gpt-realtime"}
        )
        value: str = minted.json()["value"]
        return value

    async def call(self, peer: Peer, token: str) -> httpx.Response:
        """Offer a call."""
        return await self.client.post(
            "/v1/realtime/calls",
            content=await peer.offer(),
            headers={"authorization": f"Bearer {token}", **SDP},
        )

    @contextlib.asynccontextmanager
    async def talking(self) -> AsyncIterator[tuple[Peer, str]]:
        """A connected peer, and the path of its call."""
        async with a_peer() as peer:
            answer = await self.call(peer, await self.token())
            assert answer.status_code == 201, answer.text
            await peer.accept(answer.text)
            await peer.event("session.created")
            yield peer, answer.headers["location"]

    async def until(self, call: str, holds: Callable[[Record], bool]) -> Record:
        """The record of a call, once this holds for it."""
        async with asyncio.timeout(2 * PATIENCE_SECONDS):
            while True:
                record: Record = (await self.client.get(call)).json()
                if holds(record):
                    return record
                await asyncio.sleep(0.2)  # records are polled by this client, as many do


@contextlib.asynccontextmanager
async def a_peer() -> AsyncIterator[Peer]:
    """One side of a call."""
    peer = Peer()
    try:
        yield peer
    finally:
        await peer.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def started() -> AsyncIterator[Demo]:
    """One demo for all."""
    async with (
        demo() as (_, url),
        httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as client,
    ):
        key = (await client.get("/tester.json")).json()["key"]
        client.headers["authorization"] = f"Bearer {key}"
        yield Demo(url, key, client)


@pytest_asyncio.fixture(loop_scope="session")
async def shown(started: Demo) -> AsyncIterator[Demo]:
    """The demo without a fault, before and afterwards."""
    await started.switch()
    yield started
    await started.switch()


async def test_a_call_costs_something(shown: Demo) -> None:
    """Its record has a price while it goes on, and in the end all of it is known."""
    async with shown.talking() as (peer, call):
        await shown.until(call, lambda record: record["supervision"] == "watched")
        await peer.says("speech", note(440, 0.5))
        await peer.event("response.done")
        record = await shown.until(call, lambda record: record["usage"]["responses"] >= 1)
        assert Decimal(record["cost"]["usd"]) > 0
        (await shown.client.delete(call)).raise_for_status()
    await shown.until(
        call,
        lambda record: record["cost"]["label"] == record["usage"]["label"] == "complete",
    )


async def test_the_page_is_told_what_there_is(shown: Demo) -> None:
    """`/tester.json` lists the switches, beside what it has in every service."""
    told = (await shown.client.get("/tester.json")).json()
    assert told == {"demo": True, "key": shown.key, "models": ["gpt-realtime"], "faults": [*NAMES]}
    off = {name: 0 if name.endswith("_seconds") else False for name in NAMES}
    assert (await shown.client.get("/demo/faults")).json() == off
    on = await shown.switch(udp_blocked=True)
    assert (
        on.json() == (await shown.client.get("/demo/faults")).json() == {**off, "udp_blocked": True}
    )


async def test_the_page_of_failures_has_them_all(shown: Demo) -> None:
    """In its table, and one in the request that it shows."""
    page = section("Failures on purpose")
    assert [codes(row["Fault"]) for row in page.table("Fault")] == [[name] for name in NAMES]
    (command,) = page.blocks("console")
    (typed,) = re.findall(r"-d '(.*)'", command)
    assert (await shown.client.put("/demo/faults", content=typed)).status_code == 200


async def test_switches_are_for_the_demos_own_page(shown: Demo) -> None:
    """With its key, and from its own address."""
    faults = f"{shown.url}demo/faults"
    async with httpx.AsyncClient() as stranger:
        assert (await stranger.put(faults, json={"provider_500": True})).status_code == 401
    for origin in ("https://elsewhere.example", "null", "http://127.0.0.1:1"):
        elsewhere = {"origin": origin}
        refused = await shown.client.put(
            "/demo/faults", json={"provider_500": True}, headers=elsewhere
        )
        assert refused.json()["error"]["code"] == "origin_not_allowed"
    own = {"origin": shown.url.rstrip("/")}
    assert (await shown.client.get("/demo/faults", headers=own)).json()["provider_500"] is False


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param('{"udp": true}', ", ".join(NAMES), id="unknown"),
        pytest.param('{"udp_blocked": 1}', "true or false", id="no switch"),
        pytest.param('{"slow_answer_seconds": true}', "0 to 30", id="no number"),
        pytest.param('{"slow_answer_seconds": 30.5}', "0 to 30", id="too slow"),
        pytest.param('{"slow_answer_seconds": -1}', "0 to 30", id="too fast"),
        pytest.param("[]", "JSON object", id="no object"),
        pytest.param("{", "JSON object", id="no JSON"),
    ],
)
async def test_what_is_no_fault_is_refused(shown: Demo, body: str, said: str) -> None:
    """400, and it says what would be one."""
    refused = await shown.client.put("/demo/faults", content=body)
    assert refused.status_code == 400
    assert said in refused.json()["error"]["message"]


async def test_an_expired_token_is_the_services_own_401(shown: Demo) -> None:
    """And nothing is used up by it: once the clock is right again, the token is as good as ever."""
    async with a_peer() as peer:
        token = await shown.token()
        await shown.switch(expired_token=True)
        refused = await shown.call(peer, token)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "token_rejected")
        await shown.switch()
        assert (await shown.call(peer, token)).status_code == 201


async def test_a_call_with_a_key_keeps_its_time(shown: Demo) -> None:
    """It has no token that could be over."""
    await shown.switch(expired_token=True)
    async with a_peer() as peer:
        session = '{"type": "realtime", "model": "gpt-realtime"}'
        answer = await shown.client.post(
            "/v1/realtime/calls",
            files={"sdp": (None, await peer.offer()), "session": (None, session)},
        )
    assert answer.status_code == 201, answer.text
    record = (await shown.client.get(answer.headers["location"])).json()
    assert abs(record["started_at"] - time.time()) < 3600


async def test_a_provider_that_fails(shown: Demo) -> None:
    """Its 500 is told as one, and no call has begun."""
    async with a_peer() as peer:
        await shown.switch(provider_500=True)
        refused = await shown.call(peer, await shown.token())
        assert refused.status_code == 500
        assert refused.json()["error"]["token"] == "unspent"
        assert refused.json()["error"]["type"] == "server_error"
        assert "location" not in refused.headers
        await shown.switch()
        assert (await shown.call(peer, await shown.token())).status_code == 201


async def test_an_answer_that_comes_late(shown: Demo) -> None:
    """It comes, and is good."""
    await shown.switch(slow_answer_seconds=1.5)
    began = time.monotonic()
    async with shown.talking():
        assert time.monotonic() - began >= 1.5


async def test_udp_that_is_blocked(shown: Demo, page: Page) -> None:
    """Chromium gets an answer as ever, tries what is in it, and gives up by itself."""
    await shown.switch(udp_blocked=True)
    async with a_peer() as peer:
        answer = await shown.call(peer, await shown.token())
        assert answer.status_code == 201
        ports = re.findall(r"a=candidate:\S+ 1 udp \d+ \S+ (\d+) typ", answer.text)
        assert set(ports) == {"65535"}
    await page.goto(shown.url)
    assert await page.evaluate(FAILS, {"token": await shown.token()}) == "failed"


async def test_a_sideband_that_is_dead(shown: Demo) -> None:
    """The watch attaches, hears nothing, and finds out; the call goes on."""
    await shown.switch(dead_sideband=True)
    async with shown.talking() as (peer, call):
        await shown.until(call, lambda record: record["supervision"] == "watched")
        peer.send(type="response.create")
        await peer.event("response.done")
        told_at = time.time()
        record = await shown.until(call, lambda record: bool(record["gaps"]))
        assert record["status"] == "live"
        assert record["gaps"][0]["from"] <= told_at <= record["gaps"][0]["to"]
        assert (record["usage"]["label"], record["usage"]["responses"]) == ("partial", 0)
