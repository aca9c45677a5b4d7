"""Debian's Firefox, unpatched: what is tried in it alone; in both, what is `in_firefox`."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.e2e.looks import clean, inspected
from tests.e2e.tester import (
    button,
    connect,
    connected,
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


@pytest.fixture(scope="module")
def browser(firefox_browser: Browser) -> Browser:
    """Firefox alone."""
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    return firefox_browser


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


async def test_no_microphone_is_opened_for_a_call_that_is_over(stage: Stage, page: Page) -> None:
    """What is switched afterwards is for the next call."""
    await page.add_init_script(ASKED)
    await connect(stage, page)
    await hang_up(page)
    await view(page, "Setup")
    await page.get_by_role("switch", name="Noise suppression").uncheck()
    assert await page.evaluate("asked.length") == 1


async def test_the_devices_are_checked_before_a_call(stage: Stage, page: Page) -> None:
    """Allowed, heard, chosen, switched and played: it has one microphone and one speaker."""
    await page.goto(stage.url)
    check = page.get_by_role("region", name="Devices", exact=True)
    await expect(check).to_contain_text("has not been allowed yet")
    await button(page, "Allow microphone").click()
    await expect(check).to_contain_text("The microphone is allowed.")
    await expect(button(page, "Allow microphone")).to_be_hidden()
    await field(page, "Microphone").select_option("Default Audio Device")
    await field(page, "Speaker").select_option("Null Output")
    await button(page, "Test microphone").click()
    await expect(check).to_contain_text("We hear you.")
    await button(page, "Stop the test").click()
    await button(page, "Play a tone").click()
    await expect(check).to_contain_text("Played on Null Output.")
    names = ("Echo cancellation", "Noise suppression", "Automatic gain")
    for name in names:
        await page.get_by_role("switch", name=name).uncheck()
    await page.reload()
    for name in names:
        await expect(page.get_by_role("switch", name=name)).not_to_be_checked()
    await fill_in(page, MASTER_KEY)
    await button(page, "Connect").click()
    await connected(page)
    await hang_up(page)


async def looked_at(stage: Stage, page: Page) -> None:
    """Ready, in a call with each tab in front, ended, failed, and the operators' view."""
    await page.goto(stage.url)
    await fill_in(page, MASTER_KEY)
    await clean(page, "ready", "Setup")
    await button(page, "Connect").click()
    await connected(page)
    await view(page, "Talk")
    await write(page, "Good morning")
    await expect(turns(page, "model", "You wrote").first).to_be_visible()
    for name in ("Talk", "Steps", "Events", "Health", "Usage", "Token", "Code", "Update"):
        await clean(page, f"connected: {name}", name)
    await hang_up(page)
    await clean(page, "ended", "Talk")
    await fill_in(page, "not-a-key")
    await button(page, "Connect").click()
    await expect(failure(page)).to_be_visible()
    await clean(page, "failed", "Setup")
    await page.get_by_role("link", name="Calls", exact=True).click()
    await field(page, "Master key or a caller's key").fill(MASTER_KEY)
    await page.keyboard.press("Enter")
    await expect(page.locator(".calls-feed")).to_have_text("Following")
    await clean(page, "operators")


async def test_axe_finds_nothing(stage: Stage, browser: Browser) -> None:
    """In the light; nor is anything said on the console."""
    async with inspected(browser) as page:
        await looked_at(stage, page)


async def test_axe_finds_nothing_in_the_dark(stage: Stage) -> None:
    """The theme is chosen when this browser starts."""
    async with firefox("dark") as browser, inspected(browser, color_scheme="dark") as page:
        await looked_at(stage, page)
