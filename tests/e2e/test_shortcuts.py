"""The keys, and where they are told."""

from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.looks import AXE, clean
from tests.e2e.tester import button, connect, field, status
from tests.support.browser import tab
from tests.support.stage import PATIENCE_SECONDS, Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop


@pytest.mark.in_firefox
async def test_a_question_mark_tells_the_keys(page: Page) -> None:
    """Closed by Escape with the focus where it was; while it is open no key does anything."""
    async with staged() as stage:
        await connect(stage, page)
        dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
        opener = button(page, "Keyboard shortcuts")
        await opener.press("?")
        for key in ("Space", "M", "I", "H", "?"):
            await expect(dialog.get_by_text(key, exact=True)).to_be_visible()
        await page.keyboard.press("h")
        await page.keyboard.press("m")
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await expect(opener).to_be_focused()
        await expect(button(page, "Mute")).to_have_attribute("aria-pressed", "false")
        await expect(status(page)).to_have_attribute("data-state", "connected")

        await opener.click()
        await button(page, "Close").click()
        await expect(dialog).to_be_hidden()
        await opener.press("m")
        await expect(button(page, "Mute")).to_have_attribute("aria-pressed", "true")

        await field(page, "Message").press("?")
        await expect(field(page, "Message")).to_have_value("?")
        await expect(dialog).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_in_the_dialog(browser: Browser, scheme: Any) -> None:
    """And the console stays empty."""
    async with staged() as stage:
        await told_plainly(stage, browser, scheme)


async def told_plainly(stage: Stage, browser: Browser, scheme: Any) -> None:
    """The dialog, open on a desk and on a phone."""
    async with tab(
        browser,
        timeout_seconds=PATIENCE_SECONDS,
        color_scheme=scheme,
        viewport={"width": 1280, "height": 800},
    ) as page:
        await page.add_init_script(path=AXE)
        await page.goto(stage.url)
        await button(page, "Keyboard shortcuts").click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        await clean(page, "open")
        await button(page, "Close").click()
        await expect(page.get_by_role("dialog")).to_be_hidden()
