"""A real Chromium with a fake microphone, for as long as a test needs it.

It is Debian's headless shell: the same engine without the browser's own windows, whose drawing
takes a third of the tests' time.
"""

import contextlib
import shutil
from collections.abc import AsyncIterator

from playwright.async_api import Browser, async_playwright

FLAGS = (
    "--no-sandbox",  # the tests may run as root in a container
    "--use-fake-ui-for-media-stream",  # permission is granted without a prompt
    "--use-fake-device-for-media-stream",  # a microphone that beeps once a second
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextlib.asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Browser]:
    """A headless browser that ends with the block; further command line flags may be given."""
    binary = shutil.which("chromium-headless-shell")
    if binary is None:
        raise RuntimeError(
            "chromium-headless-shell is not installed: run 'make test', "
            "or 'apt-get install chromium-headless-shell'"
        )
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=binary, args=[*FLAGS, *flags])
        try:
            yield browser
        finally:
            await browser.close()
