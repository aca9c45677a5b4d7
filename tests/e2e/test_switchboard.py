"""The demo's faults, switched on in its page: each is seen, explained, and over by one press."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, Route, expect

from signaller.loopback.switches import NAMES
from tests.e2e.looks import PAINTED, SHIFTS, clean, inspected, nothing_moved
from tests.e2e.tester import button, connected, failure, status, step, turns, view, write
from tests.support.browser import CHROMIUMS_OWN
from tests.support.demo import demo
from tests.support.stage import PATIENCE_SECONDS, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

SPOKEN = {
    "expired_token": "Expired token",
    "provider_500": "Provider fails",
    "udp_blocked": "UDP blocked",
    "slow_answer_seconds": "Slow answer",
    "dead_sideband": "Dead sideband",
}
"""How each is called on the page."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def started() -> AsyncIterator[str]:
    """The address of one demo for all."""
    async with demo() as (_, url):
        yield url


@pytest_asyncio.fixture(loop_scope="session")
async def url(started: str) -> str:
    """Of the demo without a fault."""
    await put(started)
    return started


async def put(url: str, **on: object) -> None:
    """Switch by hand, as the manual shows it."""
    await asked(url, "PUT", json=on)


async def on(url: str) -> dict[str, Any]:
    """What each is set to, as the service has it."""
    return await asked(url, "GET")


async def asked(url: str, method: str, **request: Any) -> dict[str, Any]:
    """The faults, with the demo's key."""
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS) as client:
        key = (await client.get("/tester.json")).json()["key"]
        client.headers["authorization"] = f"Bearer {key}"
        answer = await client.request(method, "/demo/faults", **request)
    faults: dict[str, Any] = answer.raise_for_status().json()
    return faults


async def switch_on(url: str, page: Page, name: str) -> Locator:
    """Open the page and press a switch; the ladder's line about it."""
    await page.goto(url)
    await button(page, "See it fail").click()
    await button(page, SPOKEN[name]).click()
    await expect(button(page, SPOKEN[name])).to_have_attribute("aria-pressed", "true")
    await expect(status(page)).to_have_text(f"Ready Fault on: {SPOKEN[name]}")
    return page.get_by_role("tabpanel", name="Steps").get_by_text(f"Fault on: {SPOKEN[name]}")


@pytest.mark.parametrize(
    ("name", "rung", "said"),
    [
        ("expired_token", "answer", "401 token_rejected"),
        ("provider_500", "answer", "The provider fails or is over its limits"),
        ("udp_blocked", "ice", "is probably blocking UDP"),
    ],
)
async def test_a_fault_is_explained_and_over_by_one_press(
    url: str, page: Page, name: str, rung: str, said: str
) -> None:
    """On the rung that fails, with its name below; the next call is good."""
    await page.clock.install()
    line = await switch_on(url, page, name)
    await button(page, "Connect").click()
    if rung == "ice":
        await expect(step(page, rung)).to_have_attribute("data-state", "active")
        await page.clock.fast_forward(15_000)
    card = step(page, rung).get_by_role("alert")
    await expect(card).to_contain_text(said)
    await expect(line).to_be_visible()
    await button(page, "Turn off").press("Enter")
    await expect(line).to_be_hidden()
    await expect(button(page, "Connect")).to_be_focused()
    await card.get_by_role("button", name=re.compile("Try again|Get a fresh token")).click()
    await connected(page)


async def test_a_slow_answer_is_counted_down(url: str, page: Page) -> None:
    """The board names it meanwhile; nobody has to wait for it."""
    line = await switch_on(url, page, "slow_answer_seconds")
    await button(page, "Connect").click()
    await expect(step(page, "answer")).to_contain_text(re.compile(r"gives up in \d+ s"))
    await expect(line).to_be_visible()
    await button(page, "Cancel").click()
    await expect(status(page)).to_contain_text("You hung up")


async def test_a_dead_sideband_leaves_a_good_call(url: str, page: Page) -> None:
    """The service finds out after a while, and then Usage says what it may have missed."""
    line = await switch_on(url, page, "dead_sideband")
    await button(page, "Connect").click()
    await connected(page)
    await expect(line).to_be_visible()
    await write(page, "Good morning")
    await expect(turns(page, "model", "You wrote: Good morning").first).to_be_visible()
    await view(page, "Usage")
    note = page.locator('.usage-note[data-why="gaps"]')
    await expect(note).to_contain_text("cut off", timeout=90_000)  # its pings, and time


async def holding(page: Page, method: str) -> Callable[[], Awaitable[Route]]:
    """Hold the first such request for the faults; to wait until it is asked."""
    held: asyncio.Queue[Route] = asyncio.Queue()
    free = True

    async def hold(route: Route) -> None:
        nonlocal free
        if free and route.request.method == method:
            free = False
            await held.put(route)
        else:
            await route.continue_()

    await page.route("**/demo/faults", hold)
    return lambda: asyncio.wait_for(held.get(), PATIENCE_SECONDS)


async def test_every_press_counts(url: str, page: Page) -> None:
    """One after another, however long each takes."""
    await page.goto(url)
    await button(page, "See it fail").click()
    first = await holding(page, "PUT")
    for each in ("Expired token", "UDP blocked", "Slow answer", "UDP blocked"):
        await button(page, each).click()
    await (await first()).continue_()
    await expect(status(page)).to_have_text("Ready Fault on: Expired token, Slow answer")


@pytest.mark.parametrize("fails", [False, True], ids=["late", "lost"])
async def test_a_press_before_they_are_known_changes_no_other(
    url: str, page: Page, fails: bool
) -> None:
    """What somebody else has set stays as it is set, to the second."""
    await put(url, udp_blocked=True, slow_answer_seconds=3)
    first = await holding(page, "GET")
    await page.goto(url)
    await button(page, "See it fail").click()
    known = await first()
    if fails:
        await known.abort()
        await expect(page.get_by_text("is the demo still running?")).to_be_visible()
    await button(page, "Expired token").click()
    if not fails:
        await known.continue_()
    for each in ("Expired token", "UDP blocked", "Slow answer"):
        await expect(button(page, each)).to_have_attribute("aria-pressed", "true")
    faults = await on(url)
    assert faults["udp_blocked"] is faults["expired_token"] is True
    assert faults["slow_answer_seconds"] == 3


async def test_a_call_right_after_a_press_shows_what_it_will_meet(url: str, page: Page) -> None:
    """Though the service is still asked to switch when Connect is pressed."""
    await page.goto(url)
    await button(page, "See it fail").click()
    await expect(button(page, "Dead sideband")).to_have_attribute("aria-pressed", "false")
    switching = await holding(page, "PUT")
    await button(page, "Dead sideband").click()
    held = await switching()
    await button(page, "Connect").click()
    await connected(page)
    await held.continue_()
    await expect(page.get_by_text("Fault on: Dead sideband")).to_be_visible()
    await expect(page.locator(".fault", has_text="Dead")).to_have_attribute("aria-pressed", "true")


@pytest.mark.in_firefox
async def test_each_is_switched_by_itself(url: str, page: Page) -> None:
    """Whatever else is on, and whoever has switched that on."""
    await put(url, udp_blocked=True, dead_sideband=True)
    await page.goto(url)
    await button(page, "See it fail").click()
    await expect(button(page, "Dead sideband")).to_have_attribute("aria-pressed", "true")
    await button(page, "UDP blocked").click()
    await expect(status(page)).to_have_text("Ready Fault on: Dead sideband")
    await button(page, "Expired token").click()
    await expect(status(page)).to_have_text("Ready Fault on: Expired token, Dead sideband")
    for each in ("Dead sideband", "Expired token"):
        await button(page, each).click()
        await expect(button(page, each)).to_have_attribute("aria-pressed", "false")
    await expect(status(page)).to_contain_text("Press Connect and speak.")
    await expect(page.get_by_text("Fault on:")).to_have_count(0)


async def test_what_was_switched_by_hand_is_told(url: str, page: Page) -> None:
    """When the page is opened, and when it connects."""
    await put(url, udp_blocked=True, dead_sideband=True)
    await page.goto(url)
    await expect(status(page)).to_contain_text("Fault on: UDP blocked, Dead sideband")
    await put(url, expired_token=True)
    await button(page, "Connect").click()
    await expect(step(page, "answer").get_by_role("alert")).to_contain_text("token_rejected")
    await expect(page.get_by_text("Fault on: Expired token")).to_be_visible()


async def test_every_switch_of_the_demo_has_its_words(url: str, page: Page) -> None:
    """A name, and what will be seen."""
    await page.goto(url)
    words = await page.evaluate("async () => (await import('/js/words.js')).words.faults")
    assert words["names"] == SPOKEN
    assert {*SPOKEN} == {*words["shown"]} == {*NAMES}


async def test_a_demo_that_has_gone_switches_nothing(page: Page) -> None:
    """The board says so; nothing is shown as on that is not."""
    async with demo() as (_, url):
        await page.goto(url)
        await button(page, "See it fail").click()
    await button(page, "UDP blocked").click()
    await expect(page.get_by_text("is the demo still running?")).to_be_visible()
    await expect(button(page, "UDP blocked")).to_have_attribute("aria-pressed", "false")


async def test_no_other_service_has_them(page: Page) -> None:
    """Nothing is asked for them, and nothing of them is loaded."""
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    async with staged() as stage:
        await page.goto(stage.url)
        await expect(status(page)).to_contain_text("Enter the service's key")  # it is told by now
        await expect(button(page, "See it fail")).to_have_count(0)
    assert [each for each in requested if "fault" in each and "fault-line" not in each] == []


async def test_on_a_phone_the_failure_says_that_it_is_on(url: str, browser: Browser) -> None:
    """In its sheet, over whatever is in front; it is switched off there."""
    page = await browser.new_page(viewport={"width": 390, "height": 844})
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    await switch_on(url, page, "provider_500")
    await button(page, "Connect").click()
    sheet = failure(page)
    await expect(sheet).to_contain_text("Fault on: Provider fails")
    await sheet.get_by_role("button", name="Turn off").click()
    await expect(sheet).not_to_contain_text("Fault on")
    await sheet.get_by_role("button", name="Try again").click()
    await connected(page)
    await page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_in_the_board(url: str, browser: Browser, scheme: Any) -> None:
    """Closed, with one on, with its failure, and while a call connects."""
    async with inspected(browser, tolerated=CHROMIUMS_OWN, color_scheme=scheme) as page:
        await page.goto(url)
        await expect(button(page, "See it fail")).to_be_visible()
        await clean(page, "closed", "Setup")
        await button(page, "See it fail").click()
        await button(page, "Provider fails").click()
        await expect(status(page)).to_contain_text("Fault on")
        await clean(page, "on", "Setup")
        await button(page, "Connect").click()
        await expect(failure(page).first).to_be_visible()
        await clean(page, "failed", "Steps")
        await put(url, slow_answer_seconds=PATIENCE_SECONDS)
        await button(page, "Connect").click()
        await expect(step(page, "answer")).to_contain_text("gives up in")
        await clean(page, "connecting", "Steps")
        await button(page, "Cancel").click()


@pytest.mark.parametrize("width", [390, 1280, 1920])
async def test_the_way_to_the_board_stands_beside_the_note(
    url: str, page: Page, width: int
) -> None:
    """Whose words keep the same distance from its edges all around, or more."""
    await page.set_viewport_size({"width": width, "height": 900})
    await page.goto(url)
    opener = await button(page, "See it fail").bounding_box()
    words = await page.locator("#demo-note").evaluate(
        """(note) => {
          const range = document.createRange();
          range.selectNode(note.firstChild);
          const [words, box] = [range, note].map((each) => each.getBoundingClientRect());
          const [above, below] = [words.top - box.top, box.bottom - words.bottom];
          return { right: words.right, above, below };
        }"""
    )
    assert opener is not None
    assert opener["x"] >= words["right"]
    assert min(words["above"], words["below"]) >= 8


@pytest.mark.parametrize("width", [320, 390, 1280])
async def test_nothing_moves_once_the_board_is_open(url: str, page: Page, width: int) -> None:
    """All are switched on one after another, and off but one; that is met, and turned off."""
    await page.set_viewport_size({"width": width, "height": 800})
    await page.add_init_script(SHIFTS)
    await page.goto(url)
    await button(page, "See it fail").click()
    await expect(button(page, "Provider fails")).to_be_visible()
    await page.evaluate(PAINTED)
    await page.evaluate("shifts.length = 0")  # the board makes itself room, as it was asked to
    below = await button(page, "Copy link").bounding_box()
    first, *others = SPOKEN.values()
    switched = [first, *others, *reversed(others)]
    for at, each in enumerate(switched):
        pressed = "true" if at < len(SPOKEN) else "false"
        await button(page, each).click()
        await expect(button(page, each)).to_have_attribute("aria-pressed", pressed)
        assert await button(page, "Copy link").bounding_box() == below, each
    await button(page, "Connect").click()
    await expect(failure(page)).to_contain_text("Fault on" if width < 820 else "token_rejected")
    await button(page, "Turn off").click()
    await expect(page.get_by_text("Fault on:")).to_have_count(0)
    await nothing_moved(page)
