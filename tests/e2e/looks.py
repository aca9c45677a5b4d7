"""How the page looks to everybody: what axe finds in it, whether it fits, and what moves."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page

from tests.e2e.tester import view
from tests.support.browser import tab
from tests.support.stage import PATIENCE_SECONDS

AXE = Path(__file__).parents[1] / "support/axe/node_modules/axe-core/axe.min.js"
RULES = """() => axe.run(document, {
  resultTypes: ["violations"],
  // The dark theme has other colours, and nothing else: all else is looked at in the light one.
  ...(matchMedia("(prefers-color-scheme: dark)").matches && {
    runOnly: ["color-contrast", "link-in-text-block"],
  }),
})"""
SHIFTS = """
globalThis.shifts = [];
new PerformanceObserver((list) => {
  for (const { value, sources } of list.getEntries())
    shifts.push({ value, sources: sources.map(({ node }) => node?.outerHTML?.slice(0, 160)) });
}).observe({ type: "layout-shift", buffered: true });
"""
# Reading it ends Firefox's process for pages, where a script gave an element its aria-labelledby
# before it stood in the page. Ours labels by attribute alone, and axe reads that.
UNREAD = "delete Element.prototype.ariaLabelledByElements;"
PAINTED = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
MOST_SHIFT = 0.02
PHONE, DESK = WIDTHS = (390, 1280)
ON_PHONE = ("Talk", "Setup", "Steps", "Events")
"""What is no tab of its own there is found under More."""


@contextlib.asynccontextmanager
async def inspected(
    browser: Browser, *, tolerated: tuple[str, ...] = (), **looks: Any
) -> AsyncIterator[Page]:
    """A tab that axe looks at, and in whose console nothing may stand but what is tolerated."""
    async with tab(
        browser,
        timeout_seconds=PATIENCE_SECONDS,
        tolerated=tolerated,
        **looks,
    ) as page:
        await inspect(page)
        yield page


async def inspect(page: Page) -> None:
    """Let axe look at what this page opens from now on; nothing moves meanwhile."""
    await page.emulate_media(reduced_motion="reduce")
    await page.add_init_script(UNREAD)
    await page.add_init_script(path=AXE)


async def violations(page: Page) -> list[Any]:
    """What axe finds, in a page that has AXE: the rule, and where."""
    result = await page.evaluate(RULES)
    return [
        (each["id"], [node["html"][:200] for node in each["nodes"]])
        for each in result["violations"]
    ]


async def clean(page: Page, state: str, tab: str | None = None) -> None:
    """On a phone and on a desk, with this tab in front: what is shown fits, axe finds nothing."""
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 800})
        if tab:
            if width == PHONE and tab not in ON_PHONE:
                await view(page, "More")
            await view(page, tab)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, (state, width)
        assert await violations(page) == [], (state, width)


async def nothing_moved(page: Page) -> None:
    """No layout shift to speak of, those after a click counted too, in a page that has SHIFTS."""
    await page.evaluate(PAINTED)  # an observer hears of a frame after it is painted
    shifts = await page.evaluate("shifts")
    assert sum(each["value"] for each in shifts) <= MOST_SHIFT, shifts
