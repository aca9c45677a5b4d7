"""A real Chromium with a fake microphone, for as long as a test needs it."""

import contextlib
import shutil
from collections.abc import AsyncIterator
from typing import Any

from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

FLAGS = (
    "--no-sandbox",  # the tests may run as root in a container
    "--use-fake-ui-for-media-stream",  # permission is granted without a prompt
    "--use-fake-device-for-media-stream",  # a microphone that beeps once a second
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CHROMIUMS_OWN = ("Failed to load resource", "Permissions policy violation")
"""It writes down each answer that is an error or fails, and each device that is kept from it."""
WHOLE, SHELL = "chromium", "chromium-headless-shell"
"""Debian's browser as people use it, and the same engine without the browser's own windows, whose
drawing would take a third of the tests' time."""


@contextlib.asynccontextmanager
async def chromium(
    *flags: str, without: str | None = None, kind: str = SHELL
) -> AsyncIterator[Browser]:
    """A headless browser that ends with the block, with further flags, or without one of ours."""
    binary = shutil.which(kind)
    if binary is None:
        raise RuntimeError(f"{kind} is not installed: run 'make test', or 'apt-get install {kind}'")
    async with async_playwright() as playwright:
        args = [*(flag for flag in FLAGS if flag != without), *flags]
        browser = await playwright.chromium.launch(executable_path=binary, args=args)
        try:
            yield browser
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def tab(
    browser: Browser,
    *,
    timeout_seconds: float,
    tolerated: tuple[str, ...] = CHROMIUMS_OWN,
    **looks: Any,
) -> AsyncIterator[Page]:
    """A tab without a past; at its end nothing may stand in its console that is not tolerated.

    `tolerated` is how messages begin; `looks` are options of a page, such as `viewport`.
    """
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if not message.text.startswith(tolerated):
            complaints.append(message.text)

    page = await browser.new_page(**looks)
    page.set_default_timeout(timeout_seconds * 1000)
    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        yield page
    finally:
        await page.close()
    assert complaints == [], complaints
