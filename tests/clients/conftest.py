"""A browser for the clients that run in one."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.support.browser import WHOLE, chromium
from tests.support.pages.serving import pages
from tests.support.serving import serving
from tests.support.stage import PATIENCE_SECONDS


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium with a microphone; one for all tests, it takes seconds to start."""
    async with chromium("--allow-loopback-in-peer-connection", kind=WHOLE) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def origin() -> AsyncIterator[str]:
    """An application's own web server: another origin than the service's."""
    async with serving(pages()) as url:
        yield url


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, origin: str) -> AsyncIterator[Page]:
    """A tab at that origin."""
    page = await browser.new_page()
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    await page.goto(origin)
    yield page
    await page.close()
