"""How well sound travels: figures of each second, charts of them, and a verdict in words."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.e2e.looks import clean, inspected
from tests.e2e.tester import connect, connect_at, hang_up, view
from tests.support.service import MASTER_KEY
from tests.support.stage import Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

CHARTS = ["Round trip", "Jitter", "Jitter buffer", "Loss", "Bitrate", "Level"]
PATH = {"local": None, "remote": None, "protocol": None, "codec": None}
WELL: dict[str, Any] = {
    "roundTrip": 20,
    "jitter": 3,
    "loss": 0,
    "lossSent": 0,
    "bitrate": 32,
    "bitrateSent": 30,
    "buffer": 60,
    "level": 0.4,
    "levelSent": 0.3,
    "path": PATH,
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    """The service and the loopback provider."""
    async with staged() as stage:
        yield stage


def chart(page: Page, name: str) -> Any:
    """One of the charts."""
    return page.locator(".health-chart").filter(has_text=re.compile(rf"{name}: now|{name}, rec"))


async def told(page: Page, figures: dict[str, Any], *, seconds: int) -> None:
    """Mount the panel on a hub of its own, and tell it of so many seconds alike."""
    # The page's own panel is replaced once it is whole.
    await expect(page.locator(".health-charts .uplot")).to_have_count(len(CHARTS))
    await page.evaluate(
        """async ([figures, seconds]) => {
          const { Hub } = await import("/js/hub.js");
          const { mount } = await import("/js/panels/health.js");
          if (!globalThis.hub) {
            globalThis.hub = new Hub();
            globalThis.told = 0;
            const root = document.querySelector("#health");
            root.replaceChildren();
            mount(root, hub, {});
            hub.emit("show", "health");
          }
          for (let n = 0; n < seconds; n++) hub.emit("stats", { ...figures, at: 1000 * ++told });
        }""",
        [figures, seconds],
    )


async def test_each_second_is_measured_and_drawn(stage: Stage, page: Page) -> None:
    """On a real call: every figure but those of loss is more than nothing, each chart is drawn."""
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    await page.context.grant_permissions(["microphone"])  # else the own address is not told
    await connect(stage, page)
    assert not any("vendor" in url for url in requested)
    await view(page, "Health")
    await expect(page.locator(".health-charts .uplot")).to_have_count(len(CHARTS))
    for name in ("Round trip", "Jitter", "Jitter buffer", "Level"):
        await expect(chart(page, name)).to_contain_text(re.compile(r"now \d[\d.]* (ms|%)"))
    for side in ("received", "sent"):
        await expect(chart(page, "Bitrate")).to_contain_text(
            re.compile(rf"Bitrate, {side}: now [1-9]\d* kbit/s, median \d+ kbit/s")
        )
        await expect(chart(page, "Loss")).to_contain_text(
            re.compile(rf"Loss, {side}: now [\d.]+ %, median [\d.]+ %, highest [\d.]+ %\. \w+\.")
        )
    way = page.locator(".health-path")
    await expect(way).to_contain_text("opus/48000/2")
    await expect(way).to_contain_text("udp")
    await expect(way).to_contain_text(re.compile(r"Herehost \S+:\d+Therehost \S+:\d+"))
    await expect(page.locator(".health-verdict")).to_contain_text(
        re.compile(r"^(Good|Fair|Poor)\. ")
    )
    await hang_up(page)
    await expect(page.locator(".health-charts .uplot")).to_have_count(len(CHARTS))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "Good. Nothing stands between you and the model."),
        ({"roundTrip": 220}, "Fair. The network takes 220 ms there and back"),
        ({"roundTrip": 650}, "Poor. The network takes 650 ms there and back"),
        ({"jitter": 80}, "Poor. Packets come unevenly, by 80 ms"),
        ({"loss": 12}, "Poor. 12 % of the model's sound is lost"),
        ({"lossSent": 2.5}, "Fair. 2.5 % of your sound is lost"),
        ({"buffer": 900, "roundTrip": 200}, "Poor. Sound waits 900 ms"),
    ],
    ids=["good", "fair", "far", "uneven", "lost", "lost-sent", "worst"],
)
async def test_the_verdict_says_what_is_wrong(
    stage: Stage, page: Page, change: dict[str, Any], words: str
) -> None:
    """One sentence for the worst figure of the last seconds; poor shows at the tab."""
    await page.goto(stage.url)
    await view(page, "Health")
    await expect(page.locator(".health-verdict")).to_contain_text("Connect")
    await told(page, {**WELL, **change}, seconds=5)
    await expect(page.locator(".health-verdict")).to_contain_text(words)
    badge = await page.evaluate("hub.latest('badge')")
    assert badge == {"tab": "health", "text": "!" if words.startswith("Poor") else ""}
    figures = page.locator(".health-now")
    lines = {round(box["y"]) for each in await figures.all() if (box := await each.bounding_box())}
    assert len(lines) == len(CHARTS) / 2  # two beside each other stand on one line


async def test_what_was_poor_is_forgotten_and_what_is_kept_is_bounded(
    stage: Stage, page: Page
) -> None:
    """Five good seconds make a good line; five minutes are remembered."""
    await page.goto(stage.url)
    await view(page, "Health")
    await told(page, {**WELL, "loss": 40}, seconds=1)
    await expect(page.locator(".health-verdict")).to_contain_text("Poor")
    await expect(chart(page, "Loss")).to_contain_text("received: now 40 %, median 40 %")
    await told(page, WELL, seconds=5)
    await expect(page.locator(".health-verdict")).to_contain_text("Good")
    await expect(chart(page, "Loss")).to_contain_text("now 0 %, median 0 %, highest 40 %")
    await told(page, WELL, seconds=300)
    await expect(chart(page, "Loss")).to_contain_text("now 0 %, median 0 %, highest 0 %")


async def test_figures_come_of_two_reports(stage: Stage, page: Page) -> None:
    """Rates by the reports' own clocks; what is not in a report is not made up."""
    await page.goto(stage.url)
    inbound = {"id": "in", "type": "inbound-rtp", "kind": "audio", "codecId": "codec"}
    outbound = {"id": "out", "type": "outbound-rtp", "kind": "audio"}
    heard = {"id": "heard", "type": "remote-inbound-rtp", "kind": "audio"}
    pair = {
        "id": "pair",
        "type": "candidate-pair",
        "nominated": True,
        "state": "succeeded",
        "currentRoundTripTime": 0.02,
        "localCandidateId": "here",
        "remoteCandidateId": "there",
    }
    here = {"id": "here", "candidateType": "relay", "protocol": "udp", "relayProtocol": "tls"}
    there = {"id": "there", "candidateType": "host", "address": "::1", "port": 7}
    codec = {"id": "codec", "mimeType": "audio/opus", "clockRate": 48000, "channels": 2}
    fixed = [pair, here, there, codec]

    def counters(ms: int, received: int, lost: int, sent: int, lost_sent: int) -> list[Any]:
        waited = {"jitterBufferDelay": received * 0.1, "jitterBufferEmittedCount": received}
        counted = {"packetsReceived": received, "packetsLost": lost, "bytesReceived": received * 80}
        return [
            {**inbound, **counted, **waited, "timestamp": ms, "jitter": 0.004},
            {**outbound, "packetsSent": sent, "bytesSent": sent * 50, "timestamp": ms},
            {**heard, "packetsLost": lost_sent},
            *fixed,
        ]

    figures = await page.evaluate(
        """async (reports) => {
          const { between, sample } = await import("/js/call/stats.js");
          const samples = reports.map((all) => sample(new Map(all.map((each) => [each.id, each]))));
          return [between(...samples), between(sample(new Map()), sample(new Map()))];
        }""",
        [counters(10_000, 100, 1, 200, 0), counters(12_000, 190, 11, 300, 5)],
    )
    assert figures[0] == {
        "roundTrip": 20,
        "jitter": 4,
        "loss": 10,
        "lossSent": 5,
        "bitrate": pytest.approx(28.8),
        "bitrateSent": 20,
        "buffer": pytest.approx(100),
        "level": None,
        "levelSent": None,
        "path": {
            "local": "relay",
            "remote": "host [::1]:7",
            "protocol": "tls",
            "codec": "opus/48000/2",
        },
    }
    assert json.loads(json.dumps(figures[1])) == {**dict.fromkeys(WELL), "path": PATH}


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_in_health(stage: Stage, browser: Browser, scheme: Any) -> None:
    """Before a call, in one, and where the line is poor; without a word on the console."""
    async with inspected(browser, color_scheme=scheme) as page:
        for state in ("idle", "live", "poor"):
            if state != "live":
                await page.goto(stage.url)
            else:
                await connect_at(stage.url, page, MASTER_KEY)
            await view(page, "Health")
            if state == "live":
                await expect(chart(page, "Bitrate")).to_contain_text("received: now")
            if state == "poor":
                await told(page, {**WELL, "loss": 30}, seconds=5)
            await expect(page.locator(".health-charts .uplot")).to_have_count(len(CHARTS))
            await clean(page, state, "Health")
