"""`signaller demo`, as a newcomer meets it: one command, one page, one button."""

import asyncio
import signal

import pytest
from playwright.async_api import expect

from tests.e2e.tester import button, step
from tests.support.browser import WHOLE, chromium, tab
from tests.support.demo import demo
from tests.support.stage import PATIENCE_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop


async def test_one_button_is_enough() -> None:
    """Key and model are filled in; Connect leads to a session that is heard; SIGTERM ends it."""
    async with (
        demo() as (process, url),
        chromium("--allow-loopback-in-peer-connection", kind=WHOLE) as browser,
        tab(browser, timeout_seconds=PATIENCE_SECONDS) as page,
    ):
        await page.goto(url)
        await expect(page.locator("#demo-note")).to_be_visible()
        await button(page, "Connect").click()
        for name in ("session-created", "first-audio"):
            await expect(step(page, name)).to_have_attribute("data-state", "done")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await process.wait() == 0


async def test_what_it_logs_is_the_services() -> None:
    """The provider beside it is a server too, and starts and ends without a word."""
    async with demo() as (process, _):
        process.send_signal(signal.SIGTERM)
        _, said = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    for event in (b"Started server process", b"startup complete", b"Finished server process"):
        assert said.count(event) == 1
