"""Failures in place, the eight tests, the ten calls: nothing moves, and axe finds nothing."""

from typing import Any

import pytest
from playwright.async_api import Browser, expect

from signaller.loopback.switches import Faults
from tests.e2e.looks import SHIFTS, inspected, nothing_moved, violations
from tests.e2e.test_failures import Scene, press_connect, scene_of
from tests.e2e.tester import button, connected, failure, status, step, view
from tests.support.browser import CHROMIUMS_OWN
from tests.support.stage import LoopbackProvider

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop


async def fails(scene: Scene, page: Any) -> None:
    """The provider's 500, somewhere in the middle of the ladder."""
    scene.switches.on = Faults(provider_500=True)
    await press_connect(scene.url, page)
    await expect(failure(page)).to_contain_text("The provider failed")
    scene.switches.on = Faults()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_axe_finds_nothing(browser: Browser, width: int, scheme: Any) -> None:
    """A failure as rung and as sheet, ten calls under way, eight tests, a call that was lost."""
    desk = {"width": width, "height": 800}
    async with (
        scene_of(LoopbackProvider()) as scene,
        inspected(browser, tolerated=CHROMIUMS_OWN, color_scheme=scheme, viewport=desk) as page,
    ):
        await fails(scene, page)
        assert await violations(page) == []
        await view(page, "Steps")
        assert await violations(page) == []

        await button(page, "Connect 10 times").click()
        await expect(page.get_by_role("table")).to_contain_text(" ms")
        assert await violations(page) == []
        await button(page, "Stop").click()
        await expect(page.get_by_text("Stopped after")).to_be_visible()

        await button(page, "Connect").click()
        await connected(page)
        await button(page, "Mute").click()
        await button(page, "I hear nothing").click()
        await expect(page.get_by_role("dialog")).to_contain_text("You are muted")
        assert await violations(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
        await page.keyboard.press("Escape")

        await scene.provider.hang_up(scene.provider.calls[-1])
        await expect(status(page)).to_have_attribute("data-state", "ended")
        assert await violations(page) == []


@pytest.mark.parametrize(("width", "height"), [(1280, 650), (390, 844)])
async def test_nothing_moves(browser: Browser, width: int, height: int) -> None:
    """Below a rung that opens nothing is pushed aside; nor when a call is lost."""
    async with scene_of(LoopbackProvider()) as scene:
        page = await browser.new_page(viewport={"width": width, "height": height})
        await page.add_init_script(SHIFTS)
        await fails(scene, page)
        await nothing_moved(page)
        await button(page, "Dismiss").click()
        await nothing_moved(page)
        await view(page, "Steps")
        await button(page, "Connect").click()
        await connected(page)
        await expect(step(page, "first-audio")).to_have_attribute("data-state", "done")
        await view(page, "Steps")
        await scene.provider.hang_up(scene.provider.calls[-1])
        await expect(page.get_by_text("The other side ended the call")).to_be_visible()
        await nothing_moved(page)
        await page.close()
