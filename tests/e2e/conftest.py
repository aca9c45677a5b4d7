"""The service, a provider with real media, and a browser."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.support.browser import chromium, tab
from tests.support.stage import PATIENCE_SECONDS, Stage, staged

KEEP_PEERS = """
globalThis.peers = [];
globalThis.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...settings) {
    super(...settings);
    this.channels = [];
    peers.push(this);
  }
  createDataChannel(...settings) {
    const channel = super.createDataChannel(...settings);
    this.channels.push(channel);
    return channel;
  }
};
"""


@pytest_asyncio.fixture(loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    """The service and the loopback provider, each on a port of its own."""
    async with staged() as stage:
        yield stage


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium_browser() -> AsyncIterator[Browser]:
    """With a microphone; one for all tests, it takes seconds to start."""
    async with chromium("--allow-loopback-in-peer-connection") as browser:
        yield browser


@pytest.fixture(scope="session")
def browser(request: pytest.FixtureRequest) -> Browser:
    """Chromium; Firefox as well for what is marked with `in_firefox`."""
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    chosen: Browser = request.getfixturevalue(getattr(request, "param", "chromium_browser"))
    return chosen


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A tab without a past, whose peer connections are within reach as `peers`."""
    async with tab(browser, timeout_seconds=PATIENCE_SECONDS) as page:
        await page.add_init_script(KEEP_PEERS)
        yield page
