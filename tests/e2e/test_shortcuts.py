"""The keys, and where they are told."""

from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.looks import AXE, clean
from tests.e2e.tester import button, connect, connected, field, fill_in, held_back, status, step
from tests.support.browser import tab
from tests.support.service import MASTER_KEY
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


@pytest.mark.in_firefox
async def test_a_call_goes_on_behind_the_dialog(page: Page) -> None:
    """Closed, it leaves the focus where Space talks, not where it hangs up; nor is it lost."""
    answers = await held_back(page, "**/v1/realtime/calls", times=1)
    async with staged() as stage:
        await page.goto(stage.url)
        await fill_in(page, MASTER_KEY)
        await button(page, "Connect").press("Enter")
        await expect(step(page, "answer")).to_have_attribute("data-state", "active")
        await expect(button(page, "Cancel")).to_be_focused()
        await page.keyboard.press("?")
        dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
        await expect(dialog).to_be_visible()
        answers.set()
        await connected(page)
        await page.keyboard.press("Escape")
        await expect(button(page, "Talk")).to_be_focused()

        for opener in ("Keyboard shortcuts", "I hear nothing"):
            await button(page, "Hang up").focus()
            await button(page, opener).evaluate("(opener) => opener.click()")
            await expect(page.get_by_role("dialog", name=opener)).to_be_visible()
            await page.evaluate("peers.at(-1).channels[0].close()")
            await expect(status(page)).to_have_attribute("data-state", "ended")
            await page.keyboard.press("Escape")
            await expect(button(page, "Connect")).to_be_focused()
            await button(page, "Connect").click()
            await connected(page)


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
