"""A real Chromium with a fake microphone, for as long as a test needs it."""

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
async def chromium(*flags: str, without: str | None = None) -> AsyncIterator[Browser]:
    """A headless browser that ends with the block, with further flags, or without one of ours."""
    binary = shutil.which("chromium")
    if binary is None:
        raise RuntimeError(
            "chromium is not installed: run 'make test', or 'apt-get install chromium'"
        )
    async with async_playwright() as playwright:
        args = [*(flag for flag in FLAGS if flag != without), *flags]
        browser = await playwright.chromium.launch(executable_path=binary, args=args)
        try:
            yield browser
        finally:
            await browser.close()
