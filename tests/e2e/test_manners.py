"""What holds wherever the page is used: by keyboard, on any screen, and without telling the key."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.e2e.looks import inspected, violations
from tests.e2e.tester import (
    button,
    connect,
    connected,
    field,
    fill_in,
    hang_up,
    held_back,
    status,
    step,
    view,
    write,
)
from tests.support.service import MASTER_KEY, MODEL
from tests.support.stage import PATIENCE_SECONDS, Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

VIEWS = ("Steps", "Events", "Health", "Usage", "Token", "Code", "Update")
MOST_TABS = 60
"""Presses of Tab from one end of the page to the other, and some more."""
FIRST_LOAD_MS = 300
SHOWN = """
new MutationObserver((_, observer) => {
  if (!document.querySelector("#setup[data-settings]")) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => { globalThis.shownAt = performance.now(); }));
}).observe(document, { subtree: true, attributeFilter: ["data-settings"] });
"""
"""When the form is on the screen, from the start of the navigation."""
LOADED_AT = "performance.getEntriesByType('navigation')[0].loadEventEnd"
LOADS = 5
"""The fastest of them is the page's own time: all others waited for this machine, too."""
STORED = """
async () => JSON.stringify([
  { ...localStorage }, { ...sessionStorage }, document.cookie,
  await indexedDB.databases(), await caches.keys(), history.state, location.href,
])
"""
REACHED = """
(button) => {
  const { left, top, width, height } = button.getBoundingClientRect();
  return button.contains(document.elementFromPoint(left + width / 2, top + height / 2));
}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    """The service and the loopback provider."""
    async with staged() as stage:
        yield stage


async def tab_to(page: Page, name: str, *, back: bool = False) -> None:
    """Press Tab until what has this name has the focus."""
    for _ in range(MOST_TABS):
        await page.keyboard.press("Shift+Tab" if back else "Tab")
        if await page.evaluate(
            """(name) => {
              const { activeElement: at } = document;
              const label = at.labels?.[0] ?? at;
              return (at.ariaLabel ?? label.textContent).trim() === name;
            }""",
            name,
        ):
            return
    raise AssertionError(f"no way to {name} by Tab")


async def saved(page: Page, name: str) -> str:
    """The text of a file that a button saves."""
    async with page.expect_download() as downloading:
        await button(page, name).click()
    download = await downloading.value
    return download.suggested_filename + Path(await download.path()).read_text()  # noqa: ASYNC240 - small


@pytest.mark.in_firefox
async def test_the_key_stays_in_the_page(stage: Stage, page: Page) -> None:
    """It is in no URL, no storage, no download, and not in the page's own text."""
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    await connect(stage, page)
    await view(page, "Talk")
    await write(page, "Good morning")
    await expect(page.locator('#transcript li[data-who="model"]').first).to_be_visible()
    told = []
    for name in VIEWS:
        await view(page, name)
        await expect(page.get_by_role("tabpanel", name=name)).to_be_visible()
        told.append(await page.locator("body").inner_text())
    await view(page, "Steps")
    told.append(await saved(page, "Save diagnostics"))
    await view(page, "Events")
    told.append(await saved(page, "Save"))
    await hang_up(page)
    await view(page, "Talk")
    told += [await saved(page, name) for name in ("Save transcript", "Save as JSON")]
    told += [*urls, await page.evaluate(STORED), await page.content()]
    assert len(urls) > 30
    assert [text for text in told if MASTER_KEY in text] == []


@pytest.mark.in_firefox
async def test_a_whole_call_by_keyboard(stage: Stage, page: Page) -> None:
    """From the key to the record of a call that was hung up, without a pointer."""
    await page.goto(stage.url)
    await expect(page.locator("input#model")).to_be_attached()
    await tab_to(page, "Key")
    await page.keyboard.type(MASTER_KEY)
    await tab_to(page, "Model")
    await page.keyboard.type(MODEL)
    await page.keyboard.press("Enter")
    await connected(page)
    await tab_to(page, "Mute", back=True)
    await page.keyboard.press("Enter")
    await expect(button(page, "Mute")).to_have_attribute("aria-pressed", "true")
    await tab_to(page, "Message")
    await page.keyboard.type("Good morning")
    await page.keyboard.press("Enter")
    await expect(page.locator('#transcript li[data-who="model"]').first).to_be_visible()
    await tab_to(page, "Steps")
    for name in VIEWS[1:]:
        await page.keyboard.press("ArrowRight")
        await expect(page.get_by_role("tabpanel", name=name)).to_be_visible()
    await page.keyboard.press("Home")
    await expect(step(page, "session-created")).to_be_visible()
    await tab_to(page, "Hang up", back=True)
    await page.keyboard.press("Enter")
    await expect(status(page)).to_have_attribute("data-state", "ended")
    await tab_to(page, "Calls", back=True)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("region", name="Calls", exact=True)).to_be_visible()


@pytest.mark.parametrize(
    ("width", "height", "scale"),
    [
        pytest.param(320, 640, 1, id="the smallest phone"),
        pytest.param(1280, 650, 1, id="a laptop"),
        pytest.param(640, 325, 2, id="that laptop at 200 %"),
        pytest.param(1920, 1080, 1, id="a desktop"),
        pytest.param(3840, 2160, 1, id="4K"),
    ],
)
async def test_it_fits_every_screen(
    stage: Stage, browser: Browser, width: int, height: int, scale: int
) -> None:
    """Nothing is scrolled sideways, and no button of the call is covered or out of sight."""
    page = await browser.new_page(
        viewport={"width": width, "height": height}, device_scale_factor=scale
    )
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    await page.goto(stage.url)
    await fill_in(page, MASTER_KEY)
    await expect(button(page, "Connect")).to_be_in_viewport(ratio=1)
    await button(page, "Connect").click()
    await connected(page)
    for name in ("Mute", "Talk", "Hang up"):
        await expect(button(page, name)).to_be_in_viewport(ratio=1)
        assert await button(page, name).evaluate(REACHED), name
    for name in ("Talk", "Setup", "Steps", "Events"):
        if await page.get_by_role("tab", name=name, exact=True).is_visible():
            await view(page, name)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, name
    await hang_up(page)
    await page.close()


@pytest.mark.parametrize("width", [390, 820, 1024, 1239, 1240])
async def test_i_hear_nothing_is_always_in_reach(
    stage: Stage, browser: Browser, width: int
) -> None:
    """Once, whatever is in front: a view, an open drawer, the operators' page in a call."""
    page = await browser.new_page(viewport={"width": width, "height": 800})
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    opener = button(page, "I hear nothing")
    await connect(stage, page)
    drawer = button(page, "Inspector")
    has_drawer = 820 <= width < 1240
    for name in ("Setup", "Talk", "Steps", "Events"):
        if has_drawer and name == "Steps":
            await drawer.click()
        await view(page, name)
        assert await opener.evaluate(REACHED), name
    if has_drawer:
        assert await drawer.evaluate(REACHED)
        await drawer.click()
        await expect(drawer).to_have_attribute("aria-expanded", "false")
    await page.get_by_role("link", name="Calls", exact=True).click()
    await expect(page.get_by_role("region", name="Calls", exact=True)).to_be_visible()
    assert await opener.evaluate(REACHED)
    await opener.click()
    await expect(page.get_by_role("dialog", name="I hear nothing")).to_be_visible()
    word = page.locator(".call-state-word")
    assert await word.evaluate("word => word.scrollWidth <= word.clientWidth")
    await page.close()


async def test_in_forced_colours_axe_finds_nothing(stage: Stage, browser: Browser) -> None:
    """Where the system chooses all colours, what is pressed and what is chosen still shows."""
    async with inspected(browser, forced_colors="active") as page:
        await connect(stage, page)
        await button(page, "Mute").click()
        border = "button => getComputedStyle(button).borderTopStyle"
        assert await button(page, "Mute").evaluate(border) == "double"
        for name in VIEWS:
            await view(page, name)
            assert await violations(page) == [], name
        colours: list[Any] = [
            await page.get_by_role("tab", name=name, exact=True).evaluate(
                "tab => getComputedStyle(tab).borderBottomColor"
            )
            for name in ("Update", "Steps")
        ]
        assert colours[0] != colours[1]


async def test_the_first_load_is_quick(stage: Stage, browser: Browser) -> None:
    """Shown within 300 ms from this machine, or soon after its bare markup if that is busy."""
    shown, bare = [], []
    for _ in range(LOADS):
        async with await browser.new_context() as context:
            await context.add_init_script(SHOWN)
            page = await context.new_page()
            await page.goto(stage.url)
            at = await page.wait_for_function("() => globalThis.shownAt")
            shown.append(await at.json_value())
        async with await browser.new_context(java_script_enabled=False) as context:
            page = await context.new_page()
            await page.goto(stage.url)
            bare.append(await page.evaluate(LOADED_AT))
    assert min(shown) < max(FIRST_LOAD_MS, 5 * min(bare)), (shown, bare)


async def test_a_double_click_is_meant_for_one_button(stage: Stage, page: Page) -> None:
    """Connect and Hang up lie in one place: neither the second click nor a held key hits both."""
    begun = len(stage.provider.calls)
    await page.goto(stage.url)
    await fill_in(page, MASTER_KEY)
    await button(page, "Connect").dblclick()
    await connected(page)
    await page.locator("#hangup").dblclick()
    await expect(status(page)).to_have_attribute("data-state", "ended")
    await page.locator("#connect").focus()
    for _ in range(5):
        await page.keyboard.down("Enter")
    await page.keyboard.up("Enter")
    await connected(page)
    assert len(stage.provider.calls) == begun + 2
    await hang_up(page)


async def test_no_second_call_begins_beside_the_first(stage: Stage, page: Page) -> None:
    """Whatever offers to connect ends first what is under way."""
    answers = await held_back(page, "**/v1/realtime/calls", times=1)
    begun = len(stage.provider.calls)
    await page.goto(stage.url)
    await fill_in(page, MASTER_KEY)
    await button(page, "Connect").click()
    await expect(step(page, "answer")).to_have_attribute("data-state", "active")
    await button(page, "I hear nothing").click()
    await page.get_by_role("dialog").get_by_role("button", name="Connect now").click()
    await connected(page)
    answers.set()
    await hang_up(page)
    live = "peers.filter(({ connectionState }) => connectionState !== 'closed').length"
    assert await page.evaluate(live) == 0
    assert len(stage.provider.calls) == begun + 1


async def test_a_call_ended_among_the_calls_says_so(stage: Stage, page: Page) -> None:
    """By keyboard, on the operators' page: the end is told, and the focus is not lost."""
    await connect(stage, page)
    await page.get_by_role("link", name="Calls").click()
    await button(page, "Hang up").press("Enter")
    await expect(status(page)).to_be_visible()
    await expect(status(page)).to_contain_text("Ended")
    assert await page.evaluate("document.activeElement !== document.body")


async def test_on_a_phone_a_call_fills_the_screen(stage: Stage, page: Page) -> None:
    """Both lanes and what is said, from the bar with the state down to the call's buttons."""
    await page.set_viewport_size({"width": 390, "height": 844})
    await connect(stage, page)
    said = page.locator("#transcript li").last
    for shown in (status(page), *await page.locator(".lane canvas").all(), said):
        await expect(shown).to_be_in_viewport(ratio=1)
    bar, talk, buttons = [
        await each.bounding_box()
        for each in (
            page.get_by_role("banner"),
            page.locator("#talk"),
            page.get_by_role("group", name="Call controls"),
        )
    ]
    assert bar
    assert talk
    assert buttons
    assert (talk["x"], talk["width"]) == (0, 390)
    assert (talk["y"], talk["y"] + talk["height"]) == (bar["height"], buttons["y"])


async def test_on_a_phone_a_call_and_all_calls_have_room(stage: Stage, page: Page) -> None:
    """Whose call it is stands above the list of all, and its buttons at the edge of the screen."""
    await page.set_viewport_size({"width": 390, "height": 844})
    await connect(stage, page)
    await page.get_by_role("link", name="Calls", exact=True).click()
    heading = page.get_by_role("heading", name="Calls")
    await expect(heading).to_be_visible()
    buttons = await page.get_by_role("group", name="Call controls").bounding_box()
    assert buttons
    assert buttons["y"] + buttons["height"] == 844
    await page.locator("#hangup").click()
    await expect(status(page)).to_have_attribute("data-state", "ended")
    above, below = await status(page).bounding_box(), await heading.bounding_box()
    assert above
    assert below
    assert above["y"] + above["height"] <= below["y"]


async def test_typing_leaves_hang_up_in_reach(stage: Stage, browser: Browser) -> None:
    """Where a keyboard leaves a phone hardly any height, and a laptop at 200 % on its side."""
    page = await browser.new_page(viewport={"width": 390, "height": 844})
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    await connect(stage, page)
    await view(page, "Talk")
    for width, height in ((390, 420), (360, 380), (320, 300), (640, 325)):
        await field(page, "Message").blur()
        await page.set_viewport_size({"width": width, "height": height})
        await field(page, "Message").focus()
        await expect(button(page, "Hang up")).to_be_in_viewport(ratio=1)
        assert await button(page, "Hang up").evaluate(REACHED), (width, height)
        assert await field(page, "Message").evaluate(REACHED), (width, height)
    await page.close()
