"""Nothing moves under the hand, and nobody is shut out: at every width, in every state."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.e2e.conftest import KEEP_PEERS
from tests.e2e.looks import SHIFTS, inspected, nothing_moved, violations
from tests.e2e.tester import (
    button,
    connect_at,
    connected,
    failure,
    field,
    fill_in,
    hang_up,
    status,
    view,
    write,
    write_only,
)
from tests.support.service import MASTER_KEY, MODEL
from tests.support.stage import Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

REFUSED = ("Failed to load resource: the server responded with a status of 401",)
"""Chromium itself writes down every answer that is an error."""
INSPECTED = ("Steps", "Events", "Health", "Usage", "Token", "Code", "Update")
WIDTHS = (320, 390, 820, 1024, 1280, 1920)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    """The service and the loopback provider."""
    async with staged() as stage:
        yield stage


@pytest.mark.parametrize(("width", "height"), [(1280, 650), (1440, 900), (390, 844), (320, 740)])
async def test_nothing_moves(stage: Stage, browser: Browser, width: int, height: int) -> None:
    """Failing, connecting, muting, a conversation, an interruption, hanging up; nor is scrolled."""
    page = await browser.new_page(viewport={"width": width, "height": height})
    await page.add_init_script(SHIFTS)
    await page.add_init_script(KEEP_PEERS)
    await page.goto(stage.url)
    await fill_in(page, "not-a-key")
    await button(page, "Connect").click()
    await expect(failure(page)).to_be_visible()
    await nothing_moved(page)

    await fill_in(page, MASTER_KEY)
    await button(page, "Connect").click()
    await connected(page)
    for pressed in ("true", "false"):
        await button(page, "Mute").click()
        await expect(button(page, "Mute")).to_have_attribute("aria-pressed", pressed)
    await write_only(page)
    await write(page, "Something to interrupt. " * 20)
    await button(page, "Interrupt").click()
    for number in range(12):  # more than fits, so that it scrolls
        await write(page, f"Sentence {number}: " + "what a long way to say it. " * 6)
    await expect(page.locator("#transcript li").nth(12)).to_be_attached()
    await nothing_moved(page)
    await stays(page)
    await hang_up(page)
    await nothing_moved(page)
    await page.close()


async def stays(page: Page) -> None:
    """The bar with the model's name is at the top, and the page itself is not scrolled."""
    screen = page.viewport_size
    assert screen
    bar = page.get_by_role("banner")
    height = 72 if screen["width"] >= 820 else 64
    box: Any = await bar.bounding_box()
    assert box == {"x": 0, "y": 0, "width": screen["width"], "height": height}
    await expect(bar.get_by_text(MODEL, exact=True)).to_be_visible(visible=height == 72)
    assert await page.evaluate("document.documentElement.scrollHeight") == screen["height"]


@pytest.mark.parametrize(
    ("width", "height", "tab"),
    [
        *((1280, 650, tab) for tab in INSPECTED),
        pytest.param(1024, 768, "Token", id="in the drawer"),
    ],
)
async def test_nothing_moves_in_the_inspector(
    stage: Stage, browser: Browser, width: int, height: int, tab: str
) -> None:
    """From Connect to the end, whatever is in front: what a call tells has its place before."""
    page = await browser.new_page(viewport={"width": width, "height": height})
    await page.add_init_script(SHIFTS)
    await page.goto(stage.url)
    await fill_in(page, MASTER_KEY)
    if width < 1240:
        await button(page, "Inspector").click()
    await view(page, tab)
    await button(page, "Connect").click()
    await connected(page)
    await expect(page.locator(".call-bar-clock")).to_have_text("0:02")
    await hang_up(page)
    await nothing_moved(page)
    await page.close()


async def seen(page: Page, state: str) -> None:
    """At every width, and with every view in front."""
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 800})
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        if width < 820:
            for name in ("Talk", "Setup", "Steps", "Events", "More"):
                await view(page, name)
                assert await violations(page) == [], (state, width, name)
            continue
        for face, name in (("Setup", "Steps"), ("Talk", "Events"), ("Talk", "Update")):
            await view(page, face)
            if width < 1240:
                await button(page, "Inspector").click()
            await view(page, name)
            assert await violations(page) == [], (state, width, face, name)
            if width < 1240:
                await page.keyboard.press("Escape")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(stage: Stage, browser: Browser, scheme: Any) -> None:
    """Idle, failed, live and ended; without a console error or a violation of the policy."""
    written: list[str] = []
    async with inspected(browser, tolerated=REFUSED, color_scheme=scheme) as page:
        page.on("console", lambda message: written.append(message.text))
        await page.goto(stage.url)
        await fill_in(page, MASTER_KEY)
        await seen(page, "idle")

        await connect_at(stage.url, page, MASTER_KEY)
        await view(page, "Talk")
        await write(page, "Good morning")
        await expect(page.locator("#transcript li").first).to_be_visible()
        await seen(page, "live")
        await hang_up(page)
        await seen(page, "ended")
        assert written == []

        await fill_in(page, "not-a-key")
        await button(page, "Connect").click()
        await expect(failure(page)).to_be_visible()
        await seen(page, "failed")


@pytest.mark.in_firefox
async def test_focus_is_never_lost(stage: Stage, browser: Browser) -> None:
    """By keyboard alone, through a call and a failure: something of the page has the focus."""
    page = await browser.new_page(viewport={"width": 1280, "height": 650})
    await page.goto(stage.url)
    await fill_in(page, MASTER_KEY)
    # The last focus is noted whenever the body has it for a frame.
    await page.evaluate(
        """() => {
          globalThis.lost = [];
          let last = "";
          const look = () => {
            if (document.activeElement === document.body) lost.push(last);
            else last = document.activeElement.id || document.activeElement.textContent;
            requestAnimationFrame(look);
          };
          look();
        }"""
    )
    await field(page, "Model").press("Enter")
    await connected(page)
    await button(page, "Mute").press("Enter")
    await write(page, "Good morning, and a long answer, please. " * 9)
    await expect(button(page, "Interrupt")).to_be_enabled()
    await button(page, "Interrupt").press("Enter")
    await expect(button(page, "Interrupt")).to_be_disabled()
    await button(page, "Hang up").press("Enter")
    await expect(status(page)).to_have_attribute("data-state", "ended")
    await view(page, "Setup")
    await field(page, "Key").fill("not-a-key")
    await field(page, "Key").press("Enter")
    await button(page, "Dismiss").press("Enter")
    await expect(failure(page)).to_have_count(0)
    assert await page.evaluate("lost") == []
    await page.close()
