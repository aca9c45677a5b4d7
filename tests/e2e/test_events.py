"""The events of a real call: read at a glance, by everyone, in small and large windows."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.e2e.conftest import KEEP_PEERS
from tests.e2e.looks import SHIFTS, clean, inspected, nothing_moved
from tests.e2e.tester import (
    button,
    connect,
    connect_at,
    connected,
    events,
    field,
    fill_in,
    hang_up,
    logged,
    turns,
    view,
    write,
    write_only,
)
from tests.support.service import MASTER_KEY
from tests.support.stage import Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    """The service and the loopback provider."""
    async with staged() as stage:
        yield stage


async def test_a_call_is_read_at_a_glance(stage: Stage, page: Page) -> None:
    """Each line has its gist, deltas are one line, the next call begins with a line of its own."""
    await connect(stage, page)
    await write(page, "Good morning")
    await expect(turns(page, "model", "You wrote: Good morning")).to_be_visible()
    await view(page, "Events")
    await field(page, "Search").fill("session.created")
    await expect(events(page).last).to_contain_text("voice: marin")
    await field(page, "Search").fill("transcript.delta You wrote")
    line = events(page).filter(has_text="You wrote: Good morning")
    await expect(line).to_contain_text("\N{MULTIPLICATION SIGN}")
    await field(page, "Search").fill("")
    await button(page, "HTTP").click()
    await expect(events(page).filter(has_text="POST /v1/realtime/calls")).to_contain_text("201 in")
    await hang_up(page)
    await expect(events(page).filter(has_text="DELETE")).to_contain_text("200 in")
    await button(page, "Connect").click()
    await expect(events(page).filter(has_text="Call 2")).to_have_count(1)


async def test_what_is_saved_has_no_key(stage: Stage, page: Page) -> None:
    """Of requests and events, all; of what authorises them, nothing."""
    await connect(stage, page)
    every = await logged(page)
    assert [each["at"] for each in every] == sorted(each["at"] for each in every)
    assert {each["direction"] for each in every} >= {"in", "http"}
    assert MASTER_KEY not in str(every)
    assert "ek_" not in str(every)


@pytest.mark.in_firefox
async def test_a_panel_that_cannot_be_loaded_says_so(stage: Stage, page: Page) -> None:
    """And is loaded when it is chosen again; what happened meanwhile is there."""
    gone = re.compile(r"/events\.(css|js)$")
    await page.route(gone, lambda route: route.abort())
    await page.goto(stage.url)
    await view(page, "Events")
    await expect(page.get_by_text("could not be loaded")).to_be_visible()
    await page.unroute(gone)
    await view(page, "Steps")
    await view(page, "Events")
    await expect(field(page, "Search")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(stage: Stage, browser: Browser, scheme: Any) -> None:
    """Empty, full, an event open and pinned, composing, a function that waits, a bad file."""
    async with inspected(browser, color_scheme=scheme) as page:
        await page.goto(stage.url)
        await view(page, "Events")
        await clean(page, "empty", "Events")
        await connect_at(stage.url, page, MASTER_KEY)
        await view(page, "Talk")
        await write(page, "Good morning")
        await expect(turns(page, "model", "You wrote").first).to_be_visible()
        await view(page, "Events")
        await button(page, "Item").click()
        await clean(page, "filtered", "Events")
        await page.get_by_role("listbox").press("End")
        await page.keyboard.press("Enter")
        await button(page, "Pin").click()
        await clean(page, "open and pinned", "Events")
        await button(page, "Compose").click()
        await field(page, "Preset").select_option("session.update: a tool")
        await button(page, "Send event").click()
        await expect(page.get_by_text("session.updated after")).to_be_visible()
        await clean(page, "answered", "Events")
        await view(page, "Talk")
        await write(page, "How is the weather?")
        await view(page, "Events")
        await page.locator("#events").get_by_role("button", name="Tools", exact=True).click()
        await expect(button(page, "Send result")).to_be_visible()
        await button(page, "Send, now and always").click()
        await expect(button(page, "Remove the rule for get_weather")).to_be_visible()
        await clean(page, "tools", "Events")
        async with page.expect_file_chooser() as chooser:
            await button(page, "Load").click()
        await (await chooser.value).set_files(
            {"name": "none.txt", "mimeType": "text/plain", "buffer": b"none"}
        )
        await expect(page.get_by_role("alert").get_by_text("Line 1 is not JSON.")).to_be_visible()
        await clean(page, "a bad file", "Events")


async def test_nothing_moves_while_events_come(stage: Stage, browser: Browser) -> None:
    """In a conversation, with the list and an event in sight."""
    page = await browser.new_page(viewport={"width": 1280, "height": 650})
    await page.add_init_script(SHIFTS)
    await page.add_init_script(KEEP_PEERS)
    await page.goto(stage.url)
    await view(page, "Events")
    await expect(field(page, "Search")).to_be_visible()
    await fill_in(page, MASTER_KEY)
    await button(page, "Connect").click()
    await connected(page)
    await write_only(page)
    for number in range(4):  # the model answers what it has not missed while it spoke
        await write(page, f"Sentence {number}: " + "what a long way to say it. " * 6)
    await expect(turns(page, "model", "You wrote").first).to_be_visible()
    await page.get_by_role("listbox").press("Home")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("region", name="Event", exact=True)).to_be_visible()
    await button(page, "Interrupt").click()
    await expect(button(page, "Interrupt")).to_be_disabled()
    await hang_up(page)
    await nothing_moved(page)
    await page.close()
