"""Debian's Firefox, unpatched: what is shown in Chromium at length holds in it as well."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.e2e.conftest import KEEP_PEERS
from tests.e2e.sound import HEARD
from tests.e2e.tester import (
    button,
    connect,
    failure,
    field,
    fill_in,
    hang_up,
    logged,
    status,
    step,
    turns,
    view,
    write,
    write_only,
)
from tests.support.browser import tab
from tests.support.firefox import firefox
from tests.support.service import MASTER_KEY
from tests.support.stage import PATIENCE_SECONDS, Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

# The empty page before ours has no microphone to ask for.
ASKED = """
globalThis.asked = [];
const { mediaDevices } = navigator;
const opens = mediaDevices?.getUserMedia.bind(mediaDevices);
if (opens) mediaDevices.getUserMedia = (wanted) => {
  asked.push(wanted);
  return opens(wanted);
};
"""
STEPS = (
    *("key", "microphone", "token", "offer", "answer", "apply"),
    *("ice", "dtls", "data-channel", "session-created", "first-audio"),
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    """The service and the loopback provider."""
    async with staged(supervision="best_effort") as stage:
        yield stage


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Firefox for all: it takes seconds to start."""
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    async with firefox() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A tab that has nothing to complain about: no error, no violation of the policy."""
    desk = {"width": 1280, "height": 800}
    async with tab(browser, timeout_seconds=PATIENCE_SECONDS, viewport=desk) as page:
        await page.add_init_script(KEEP_PEERS)
        yield page


async def test_a_whole_call(stage: Stage, page: Page) -> None:
    """Each step of the ladder, a message and its answer, figures of the line, sound, the end."""
    await connect(stage, page)
    await write_only(page)
    await write(page, "Good morning")
    await expect(turns(page, "model", "You wrote: Good morning")).to_be_visible()
    for name in STEPS:
        await expect(step(page, name)).to_have_attribute("data-state", "done")
    await expect(step(page, "ice")).to_contain_text("host")
    saved = await logged(page)
    assert {each["direction"] for each in saved} == {"in", "out", "http"}
    assert MASTER_KEY not in str(saved)
    await view(page, "Health")
    health = page.get_by_role("tabpanel", name="Health")
    await expect(health).to_contain_text("opus/48000/2")
    for name in ("roundTrip", "jitter", "buffer", "loss", "bitrate"):
        figure = health.locator(f'[data-chart="{name}"] .health-now')
        await expect(figure).to_have_text(re.compile(r"\d (ms|%|kbit/s)"))
    await hang_up(page)
    await expect(status(page)).to_contain_text("You hung up after")
    async with page.expect_download() as saving:
        await button(page, "Save sound").click()
    assert (await (await saving.value).path()).stat().st_size > 0


async def test_mute_and_interrupt(stage: Stage, page: Page) -> None:
    """Muted shows in the state, and the model stops in the midst of a sentence."""
    await connect(stage, page)
    await write_only(page)
    await button(page, "Mute").click()
    await expect(status(page)).to_contain_text("Muted")
    await button(page, "Mute").click()
    await write(page, "Please read this to me. " * 20)
    await expect(status(page)).to_contain_text("Model is speaking")
    await button(page, "Interrupt").click()
    await expect(status(page)).to_contain_text("Listening")
    cleared = [each for each in await logged(page) if "cleared" in each["event"].get("type", "")]
    assert len(cleared) == 1
    await hang_up(page)


async def test_no_microphone_is_opened_for_a_call_that_is_over(stage: Stage, page: Page) -> None:
    """What is switched afterwards is for the next call."""
    await page.add_init_script(ASKED)
    await connect(stage, page)
    await hang_up(page)
    await view(page, "Setup")
    await page.get_by_role("switch", name="Noise suppression").uncheck()
    assert await page.evaluate("asked.length") == 1


async def test_i_hear_nothing_finds_all_in_order(stage: Stage, page: Page) -> None:
    """Its eight tests go by what this browser tells."""
    await connect(stage, page)
    await write_only(page)
    await write(page, "Please read this to me. " * 20)
    await page.evaluate(HEARD)  # its jitter buffer may hold sound back for seconds
    sent = page.get_by_role("meter", name="Sound sent")
    await expect(sent).not_to_have_attribute("aria-valuenow", "0")
    await button(page, "I hear nothing").click()
    await expect(page.get_by_role("dialog")).to_contain_text("All eight are in order.")


async def test_a_key_that_is_refused_is_said_beside_it(stage: Stage, page: Page) -> None:
    """The microphone is not asked for."""
    await page.goto(stage.url)
    await fill_in(page, "not-a-key")
    await button(page, "Connect").click()
    await expect(failure(page)).to_contain_text("key")
    await expect(step(page, "key")).to_have_attribute("data-state", "failed")
    await expect(step(page, "microphone")).not_to_have_attribute("data-state", "done")


async def test_operators_see_a_call_and_hang_it_up(
    stage: Stage, page: Page, browser: Browser
) -> None:
    """It appears as it begins; its browser hears of its end."""
    await page.goto(f"{stage.url}/#/calls")
    await field(page, "Master key or a caller's key").fill(MASTER_KEY)
    await page.keyboard.press("Enter")
    await expect(page.locator(".calls-feed")).to_have_text("Following")
    talking = await browser.new_page()
    await connect(stage, talking)
    call_id = await talking.locator("#call-id").inner_text()
    row = page.get_by_role("row").filter(has_text=call_id)
    await expect(row).to_contain_text("Live")
    await row.get_by_role("button", name="Hang up").click()
    await row.get_by_role("button", name="Hang up now").click()
    await expect(row).to_contain_text("Ended: operator")
    await expect(status(talking)).to_contain_text("Ended")
    await talking.close()
