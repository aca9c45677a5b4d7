"""Every failure of the ladder, provoked for real: it opens in place, in words, with one button."""

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from aiortc import RTCSctpTransport
from playwright.async_api import Browser, Locator, Page, Route, ViewportSize, expect

from signaller.app import create_app
from signaller.loopback.events import Conversation
from signaller.loopback.switches import Faults, Switches
from signaller.settings import Timeouts
from tests.e2e.looks import inspect, violations
from tests.e2e.tester import (
    button,
    connect_at,
    connected,
    failure,
    field,
    fill_in,
    status,
    step,
    turns,
    view,
    write,
)
from tests.support.alone import provider_alone
from tests.support.browser import chromium, tab
from tests.support.demo import demo
from tests.support.service import MASTER_KEY, deployment, settings
from tests.support.serving import serving
from tests.support.stage import PATIENCE_SECONDS, LoopbackProvider

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

HOLD_THE_MICROPHONE = """
const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
globalThis.allowed = new Promise((allow) => { globalThis.allow = allow; });
navigator.mediaDevices.getUserMedia = async (wanted) => { await allowed; return real(wanted); };
"""
SOON_MS = 5_000
"""The page asks every two seconds."""
NOTHING_IS_HEARD = "RTCRtpReceiver.prototype.getStats = async () => new Map();"
PHONE: ViewportSize = {"width": 390, "height": 844}
SLOW_MS = 120_000
"""Chromium itself decides when nothing comes any more, and takes its time."""


@dataclass(kw_only=True)
class Scene:
    """A service before a provider, with the demo's faults at hand."""

    url: str
    provider: LoopbackProvider
    switches: Switches


@contextlib.asynccontextmanager
async def scene_of(provider: LoopbackProvider) -> AsyncIterator[Scene]:
    """The service alone; it dies with the block."""
    switches = Switches()
    async with serving(switches.around_provider(provider)) as provider.url:
        made = settings(deployment(provider.url), timeouts=Timeouts(call_seconds=4))
        app = create_app(made, clock=switches.clock)
        async with serving(switches.around_service(app)) as url:
            yield Scene(url=url, provider=provider, switches=switches)


@pytest_asyncio.fixture(loop_scope="session")
async def scene() -> AsyncIterator[Scene]:
    """One for each test: faults stay with it."""
    async with scene_of(LoopbackProvider()) as scene:
        yield scene


async def press_connect(url: str, page: Page, key: str = MASTER_KEY) -> None:
    """Open the page, fill in the form and press Connect."""
    await page.goto(url)
    await fill_in(page, key)
    await button(page, "Connect").click()


async def opened(page: Page, name: str, *words: str, mend: str, state: str = "failed") -> Locator:
    """What stands below the rung that went wrong, once it says all this; and its one button."""
    rung = step(page, name)
    await expect(rung).to_have_attribute("data-state", state)
    card = rung.get_by_role("alert")
    for text in words:
        await expect(card).to_contain_text(text)
    named = [text for text in await card.get_by_role("button").all_inner_texts() if text]
    assert named == [mend]
    await expect(card).to_be_in_viewport(ratio=0.5)
    return card.get_by_role("button", name=mend, exact=True)


@pytest.mark.in_firefox
async def test_a_wrong_key(scene: Scene, page: Page) -> None:
    """Nothing else is tried; the button leads to the field."""
    await press_connect(scene.url, page, "sk-nobody-knows-it")
    correct = await opened(
        page,
        "key",
        "The key could not be used",
        "This service does not know the key.",
        "it is this service's key",
        mend="Correct the key",
    )
    await expect(page.get_by_text("Not reached: Microphone, Token, Offer")).to_be_visible()
    await expect(step(page, "microphone")).to_have_attribute("data-state", "pending")
    await correct.click()
    await expect(field(page, "Key")).to_be_focused()


async def test_a_microphone_that_is_refused(scene: Scene) -> None:
    """By whoever sits at the browser: the call can be had without one."""
    async with chromium(
        "--allow-loopback-in-peer-connection", "--use-fake-ui-for-media-stream=deny"
    ) as refusing:
        page = await refusing.new_page()
        await press_connect(scene.url, page)
        without = await opened(
            page,
            "microphone",
            "No microphone",
            "The microphone was refused.",
            "Allow it for this page in the address bar",
            mend="Connect without a microphone",
        )
        assert scene.provider.exchanges == []
        await without.click()
        await connected(page)


async def test_a_service_that_dies_before_the_token(page: Page) -> None:
    """While the browser still asks for the microphone."""
    await page.add_init_script(HOLD_THE_MICROPHONE)
    async with scene_of(LoopbackProvider()) as scene:
        await press_connect(scene.url, page)
        await expect(step(page, "microphone")).to_have_attribute("data-state", "active")
    await page.evaluate("allow()")
    await opened(
        page,
        "token",
        "No token",
        "The service did not answer.",
        "Check that the service runs and that you are online",
        mend="Try again",
    )


@pytest.mark.in_firefox
async def test_a_token_that_has_expired(scene: Scene, page: Page) -> None:
    """A fresh one is a button away, and is good."""
    scene.switches.on = Faults(expired_token=True)
    await press_connect(scene.url, page)
    fresh = await opened(
        page,
        "answer",
        "401 token_rejected",
        "Connect again for a fresh token",
        mend="Get a fresh token",
    )
    scene.switches.on = Faults()
    await fresh.click()
    await connected(page)
    await expect(failure(page)).to_have_count(0)


@pytest.mark.in_firefox
async def test_a_provider_that_fails(scene: Scene, page: Page) -> None:
    """Its 500 is told as one, with the id to ask about."""
    scene.switches.on = Faults(provider_500=True)
    await press_connect(scene.url, page)
    again = await opened(
        page,
        "answer",
        "The provider failed",
        "Answer500",
        "Request idreq_",
        mend="Try again",
    )
    scene.switches.on = Faults()
    await again.click()
    await connected(page)


async def test_an_answer_that_takes_too_long(scene: Scene, page: Page) -> None:
    """The rung counts down; then the service's 504 is explained."""
    scene.switches.on = Faults(slow_answer_seconds=30)
    await press_connect(scene.url, page)
    await expect(step(page, "answer")).to_contain_text(re.compile(r"gives up in \d+ s"))
    await opened(
        page,
        "answer",
        "504 upstream_timeout",
        "a call it may have begun ends by itself",
        mend="Try again",
    )


async def test_an_answer_that_is_none(scene: Scene, page: Page) -> None:
    """Something in between has changed it; the token is spent, so the button mints anew."""

    async def garble(route: Route) -> None:
        if route.request.method != "POST":
            await route.continue_()
            return
        answer = await route.fetch()
        await route.fulfill(response=answer, body="v=0\r\nnothing of use\r\n")

    await page.route("**/v1/realtime/calls", garble)
    await press_connect(scene.url, page)
    await opened(
        page, "apply", "The answer was not understood", "may change its answers", mend="Try again"
    )


@pytest.mark.in_firefox
async def test_udp_that_is_blocked(scene: Scene, page: Page) -> None:
    """What both sides offered is shown by kind while the rung counts down."""
    scene.switches.on = Faults(udp_blocked=True)
    await page.clock.install()
    await press_connect(scene.url, page)
    ice = step(page, "ice")
    await expect(ice).to_contain_text(re.compile(r"Yours: host [1-9]\d* · srflx 0 · relay 0"))
    await expect(ice).to_contain_text(re.compile(r"Provider's: host [1-9]\d* · srflx 0 · relay 0"))
    await expect(ice).to_contain_text(re.compile(r"gives up in \d+ s"))
    await page.clock.fast_forward(15_000)
    await opened(
        page, "ice", "No way through the network", "is probably blocking UDP", mend="Try again"
    )
    await expect(page.get_by_text("Not reached: DTLS, Channel")).to_be_visible()


async def changed_answer(page: Page, pattern: str, instead: str, without: str = "^$") -> None:
    """Between provider and browser something changes the answers."""

    async def change(route: Route) -> None:
        if route.request.method != "POST":
            await route.continue_()
            return
        answer = await route.fetch()
        body, changed = re.subn(pattern, instead, re.sub(without, "", await answer.text()))
        assert changed
        await route.fulfill(response=answer, body=body)

    await page.route("**/v1/realtime/calls", change)


async def test_encryption_that_does_not_open(scene: Scene, page: Page) -> None:
    """The certificate is not the one that the answer promised."""
    another = "a=fingerprint:sha-256 " + ":".join(["AA"] * 32)
    only = r"a=fingerprint:sha-(384|512) \S+\r\n"
    await changed_answer(page, r"a=fingerprint:sha-256 \S+", another, without=only)
    await press_connect(scene.url, page)
    await opened(page, "dtls", "No secure connection", "but encryption did not", mend="Try again")
    await expect(step(page, "ice")).to_have_attribute("data-state", "done")


@pytest.fixture
def no_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider never answers on a data channel."""

    async def deaf(*_: object) -> None:
        pass

    monkeypatch.setattr(RTCSctpTransport, "start", deaf)


@pytest.mark.usefixtures("no_channel")
async def test_a_channel_that_does_not_open(scene: Scene, page: Page) -> None:
    """It is waited for, and given up."""
    await page.clock.install()
    await press_connect(scene.url, page)
    await expect(step(page, "data-channel")).to_have_attribute("data-state", "active")
    await page.clock.fast_forward(10_000)
    await opened(page, "data-channel", "No data channel", "events cannot pass", mend="Try again")
    await expect(step(page, "dtls")).to_have_attribute("data-state", "done")


@pytest.mark.usefixtures("no_channel")
async def test_a_provider_that_ends_a_call_before_it_began(scene: Scene, page: Page) -> None:
    """Nobody is told that they hung up."""
    await press_connect(scene.url, page)
    await expect(step(page, "data-channel")).to_have_attribute("data-state", "active")
    await scene.provider.hang_up(scene.provider.calls[0])
    await expect(status(page)).to_have_attribute("data-state", "ended")
    await expect(status(page)).to_contain_text("by the other side")


async def test_a_provider_that_is_silent(
    scene: Scene, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call stands all the same, and can be used."""
    monkeypatch.setattr(Conversation, "opened", lambda _: [])
    await page.clock.install()
    await press_connect(scene.url, page)
    await expect(status(page)).to_have_attribute("data-state", "connected")
    await page.clock.fast_forward(10_000)
    await opened(
        page,
        "session-created",
        "The provider is silent",
        "Nothing happened for 10 seconds.",
        "Try a message",
        mend="Connect again",
    )
    await expect(status(page)).to_have_attribute("data-state", "connected")


@pytest.mark.in_firefox
async def test_a_provider_that_ends_the_call(scene: Scene, page: Page) -> None:
    """No rung has failed; the ladder says by whom it was ended, and one button begins the next."""
    await connect_at(scene.url, page, MASTER_KEY)
    await expect(step(page, "first-audio")).to_have_attribute("data-state", "done")
    await scene.provider.hang_up(scene.provider.calls[0])
    told = step(page, "first-audio").get_by_role("status")
    await expect(told).to_contain_text("The other side ended the call")
    await expect(step(page, "first-audio")).to_have_attribute("data-state", "done")
    await expect(failure(page)).to_have_count(0)
    await told.get_by_role("button", name="Connect again").click()
    await connected(page)
    assert len(scene.provider.calls) == 2


async def test_a_call_that_ends_well_before_a_word_was_said(scene: Scene, browser: Browser) -> None:
    """First audio was not reached, and did not fail; on a phone nothing covers what was written."""
    async with tab(browser, timeout_seconds=PATIENCE_SECONDS, viewport=PHONE) as page:
        await page.add_init_script(NOTHING_IS_HEARD)
        await connect_at(scene.url, page, MASTER_KEY)
        await scene.provider.hang_up(scene.provider.calls[0])
        await expect(status(page)).to_have_attribute("data-state", "ended")
        await expect(failure(page)).to_have_count(0)
        await view(page, "Steps")
        await expect(page.get_by_text("Not reached: First audio")).to_be_visible()
        red = page.locator('[data-step]:is([data-state="failed"], [data-state="lost"])')
        await expect(red).to_have_count(0)


async def test_a_service_that_dies_in_a_call(page: Page) -> None:
    """What still works is told at once, and it does work."""
    async with provider_alone() as (_, provider_url):
        async with serving(create_app(settings(deployment(provider_url)))) as url:
            await connect_at(url, page, MASTER_KEY)
        await expect(failure(page)).to_contain_text("does not answer", timeout=SOON_MS)
        for text in ("Your call goes on", "new calls have to wait"):
            await expect(failure(page)).to_contain_text(text)
        await write(page, "Are you still there?")
        await expect(turns(page, "model", "You wrote: Are you still there?").first).to_be_visible()
        await expect(status(page)).to_have_attribute("data-state", "connected")


async def test_a_service_that_comes_back(scene: Scene, page: Page) -> None:
    """There is nothing to tell any more; the call has gone on."""
    await connect_at(scene.url, page, MASTER_KEY)
    await page.context.set_offline(True)
    await expect(failure(page)).to_contain_text("Your call goes on")
    await page.context.set_offline(False)
    await expect(failure(page)).to_have_count(0)
    await expect(status(page)).to_have_attribute("data-state", "connected")


async def test_a_network_that_is_lost(page: Page) -> None:
    """First the page waits for it, then the last rung says what has happened; axe finds nothing."""
    await inspect(page)
    async with (
        provider_alone() as (process, provider_url),
        serving(create_app(settings(deployment(provider_url)))) as url,
    ):
        await connect_at(url, page, MASTER_KEY)
        await expect(step(page, "first-audio")).to_have_attribute("data-state", "done")
        process.kill()
        await expect(status(page)).to_contain_text(re.compile(r"Reconnecting \d+ s"))
        await expect(step(page, "first-audio")).to_contain_text("waiting for the network")
        assert await violations(page) == []
        await expect(status(page)).to_contain_text(re.compile(r"Reconnecting [2-9] s"))
        await expect(status(page)).to_contain_text("Ended", timeout=SLOW_MS)
        await opened(
            page,
            "first-audio",
            "The connection was lost",
            "ICE disconnected: nothing came through the network",
            mend="Connect again",
            state="lost",
        )
        assert await violations(page) == []


async def test_a_machine_that_is_lost(page: Page) -> None:
    """Neither the other side nor the service is heard of: it says both."""
    async with demo() as (process, url):
        await page.goto(url)
        await button(page, "Connect").click()
        await connected(page)
        process.kill()
        await expect(failure(page)).to_contain_text("Your call goes on")
        await expect(status(page)).to_contain_text("Ended", timeout=SLOW_MS)
        await expect(failure(page)).to_contain_text("the service does not answer either")


async def test_on_a_phone_a_failure_is_a_sheet(scene: Scene, browser: Browser) -> None:
    """Over the view in front, above the buttons; until another is chosen: the ladder has it too."""
    page = await browser.new_page(viewport=PHONE)
    scene.switches.on = Faults(provider_500=True)
    await press_connect(scene.url, page)
    sheet = failure(page)
    await expect(sheet).to_contain_text("The provider failed")
    box, bar = await sheet.bounding_box(), await button(page, "Connect").bounding_box()
    assert box is not None
    assert bar is not None
    assert box["y"] + box["height"] <= bar["y"]
    await view(page, "Setup")
    await expect(sheet).to_have_count(0)
    await view(page, "Steps")  # there it is in its place
    await expect(sheet).to_have_count(1)
    await expect(step(page, "answer").get_by_role("alert")).to_be_visible()
    scene.switches.on = Faults()
    await step(page, "answer").get_by_role("button", name="Try again").click()
    await connected(page)
    await page.close()
