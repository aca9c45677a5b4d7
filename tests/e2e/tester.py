"""The tester page as a person uses it."""

import json

from playwright.async_api import Locator, Page, expect

from tests.support.service import MASTER_KEY, MODEL
from tests.support.stage import Stage


async def connect(stage: Stage, page: Page) -> None:
    """Open the page, fill in key and model, press Connect, and wait for the session."""
    await connect_at(stage.url, page, MASTER_KEY)


async def connect_at(url: str, page: Page, key: str) -> None:
    """The same with any key, at any service."""
    await page.goto(url)
    await expect(page.locator("input#model")).to_be_visible()
    await page.fill("#key", key)
    await page.fill("#model", MODEL)
    await page.click("#connect")
    await connected(page)


async def connected(page: Page) -> None:
    """Wait for the session, and for the status to say so."""
    await expect(step(page, "session-created")).to_have_attribute("data-state", "done")
    await expect(page.locator("#status")).to_have_attribute("data-state", "connected")


def step(page: Page, name: str) -> Locator:
    """One rung of the ladder."""
    return page.locator(f'[data-step="{name}"]')


def turns(page: Page, who: str, text: str) -> Locator:
    """What one side has said, as far as it has this text."""
    return page.locator(f'#transcript li[data-who="{who}"]').filter(has_text=text)


async def update_session(page: Page, session: dict[str, object]) -> None:
    """Send session.update from the editor, and wait until the provider has taken it."""
    await page.fill("#session-editor", json.dumps({"type": "realtime", **session}))
    await page.click("#session-send")
    await expect(page.locator("#session-note")).to_have_attribute("data-state", "good")
