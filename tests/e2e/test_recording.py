"""Both sides' sound in a file, made in the browser."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.e2e.sound import QUIET, saved, sides
from tests.e2e.tester import (
    button,
    connect,
    connected,
    failure,
    fill_in,
    hang_up,
    refuse_microphone,
    status,
    view,
    write,
    write_only,
)
from tests.support.service import MASTER_KEY
from tests.support.stage import staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop


async def test_both_sides_are_in_the_saved_sound(page: Page) -> None:
    """The microphone's beeps on the left, the model's melody on the right, as long as the call."""
    async with staged() as stage:
        await connect(stage, page)
        await write_only(page)
        await view(page, "Talk")
        await write(page, "Sing me a song, as long as you can")
        await expect(status(page)).to_contain_text("Model is speaking")
        await expect(status(page)).to_contain_text("Listening")
        call = await page.locator("#call-id").inner_text()
        await hang_up(page)
        name, path = await saved(page)
        assert name == f"{call}.webm"
        left, right, seconds = sides(path)
        assert left > QUIET
        assert right > QUIET
        said = re.search(r"after (\d+):(\d\d)", await status(page).inner_text())
        assert said
        assert 1 < seconds < int(said[1]) * 60 + int(said[2]) + 5


async def test_without_a_microphone_the_model_alone_is_recorded(page: Page) -> None:
    """On the right; the left is silent."""
    await refuse_microphone(page)
    async with staged() as stage:
        await page.goto(stage.url)
        await fill_in(page, MASTER_KEY)
        await button(page, "Connect").click()
        await failure(page).get_by_role("button", name="Connect without a microphone").click()
        await connected(page)
        await write(page, "Sing me a song")
        await expect(status(page)).to_contain_text("Model is speaking")
        await expect(status(page)).to_contain_text("No microphone")
        await hang_up(page)
        left, right, _ = sides((await saved(page))[1])
        assert left < QUIET < right


async def test_a_browser_that_cannot_record_says_so(page: Page) -> None:
    """The conversation can be saved, its sound cannot."""
    await page.add_init_script("delete globalThis.MediaRecorder")
    async with staged() as stage:
        await connect(stage, page)
        await hang_up(page)
        await expect(page.get_by_text("This browser cannot record")).to_be_visible()
        await expect(button(page, "Save sound")).to_be_disabled()
        await expect(button(page, "Save transcript")).to_be_enabled()


async def test_what_was_recorded_goes_with_the_next_call(page: Page) -> None:
    """Each call has its own file: nothing of the one before is in it."""
    async with staged() as stage:
        await connect(stage, page)
        await write_only(page)
        await view(page, "Talk")
        await write(page, "Sing me a song. " * 10)
        await expect(status(page)).to_contain_text("Model is speaking")
        await expect(status(page)).to_contain_text("Listening")
        await hang_up(page)
        _, first = await saved(page)
        await button(page, "Connect").click()
        await connected(page)
        await hang_up(page)
        name, second = await saved(page)
        assert name == f"{await page.locator('#call-id').inner_text()}.webm"
        assert sides(second)[2] < sides(first)[2]
