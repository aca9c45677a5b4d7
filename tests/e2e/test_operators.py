"""The operators' view: live calls as they happen, their records, and their end."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from signaller.secret import Secret
from tests.e2e.looks import inspect, inspected, violations
from tests.e2e.tester import button, connect_at, copied, field, may_copy, status
from tests.support.provider import error as provider_error
from tests.support.proxy import forward_proxy
from tests.support.redis import redis_server
from tests.support.service import MASTER_KEY, MODEL, Service, bearer, named, running
from tests.support.stage import staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

KEY, OTHER_KEY = "sk-canary-web-0123456789abcdef", "sk-canary-two-0123456789abcdef"
CALLERS = (named("web", KEY), named("kiosk", OTHER_KEY))
ASKED = "Master key or a caller's key"
PRICES = {"input_cost_per_token": "0.01", "output_cost_per_token": "0.01"}
"""So high that the shortest answer shows."""
ANOTHER_WINDOW = """() => {
  document.hasFocus = () => false;
  document.activeElement.dispatchEvent(new FocusEvent("focusout", { bubbles: true }));
  delete document.hasFocus;
}"""
"""What a page is told when another window comes to the front; no browser without a head has two."""
SHIFTS = """
globalThis.shifts = [];
new PerformanceObserver((list) => {
  for (const { value, hadRecentInput, sources } of list.getEntries())
    if (!hadRecentInput) shifts.push({ value, at: sources.map(({ node }) => node?.className) });
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest_asyncio.fixture(loop_scope="session")
async def service() -> AsyncIterator[Service]:
    """The service before a provider without media, with two callers."""
    async with running(callers=CALLERS) as service:
        yield service


async def called(service: Service, key: str = KEY, **metadata: str) -> str:
    """The id of a call that a caller has begun."""
    minted = await service.mint({"model": MODEL, "metadata": metadata}, headers=bearer(key))
    begun = await service.call(minted.json()["value"])
    assert begun.status_code == 201, begun.text
    return begun.headers["location"].rpartition("/")[2]


async def opened(page: Page, url: str, key: str = MASTER_KEY, *, path: str = "") -> None:
    """The view, once it follows the calls of a key."""
    await page.goto(f"{url}/#/calls{path}")
    await field(page, ASKED).fill(key)
    await field(page, ASKED).press("Enter")
    await expect(feed(page)).to_have_text("Following")


def feed(page: Page) -> Locator:
    """Whether calls are followed, in words."""
    return page.locator(".calls-feed")


def rows(page: Page) -> Locator:
    """Each call's row, without the one of the columns' names."""
    return (
        page.get_by_role("table", name="Calls")
        .get_by_role("row")
        .filter(has=page.get_by_role("rowheader"))
    )


def record(page: Page) -> Locator:
    """The record that is open."""
    return page.get_by_role("complementary", name="Record of a call")


def band(page: Page) -> Locator:
    """How the service stands."""
    return page.locator(".band")


async def rises(page: Page, name: str) -> None:
    """A figure of the open record grows while one looks at it."""
    label = page.get_by_role("term").filter(has_text=re.compile(f"^{name}$"))
    figure = record(page).locator("dl > div").filter(has=label).get_by_role("definition")
    await expect(figure).to_have_text(re.compile(r"\d"))
    before = await figure.inner_text()
    await expect(figure).not_to_have_text(before)
    first, then = (float(each.strip("≥ $")) for each in (before, await figure.inner_text()))
    assert then > first


@pytest.mark.in_firefox
async def test_two_browsers_calls_are_seen_and_one_is_hung_up(browser: Browser) -> None:
    """Both appear without a reload; whose Hang up is pressed ends, and its browser hears of it."""
    paid = staged(callers=CALLERS, supervision="best_effort", prices=PRICES)
    async with paid as stage:
        operator, one, other = [await browser.new_page() for _ in range(3)]
        await opened(operator, stage.url)
        await expect(operator.get_by_text("No live call.")).to_be_visible()
        await connect_at(stage.url, one, KEY)
        await connect_at(stage.url, other, OTHER_KEY)
        await expect(rows(operator)).to_have_count(2)
        row = rows(operator).filter(has_text="kiosk")
        costs = r"\$\d+\.\d{4}Watched"
        await expect(row).to_contain_text(
            re.compile(rf"voice.*\d:\d\d.*in \d+:\d\d.*{costs}.*Live")
        )
        sum_of_both = re.compile(r"^2 live · \$(?!0\.00)\d+\.\d\d$")  # the microphone beeps
        await expect(operator.get_by_text(sum_of_both)).to_be_visible()
        await expect(row.get_by_role("button", name="Hang up")).to_have_accessible_description(
            re.compile("^kiosk call rtc_.* voice$")
        )
        await rows(operator).filter(has_text="web").get_by_role("link").click()
        await asyncio.gather(rises(operator, "Responses"), rises(operator, "Cost"))
        await button(operator, "Close the record").click()

        await row.get_by_role("button", name="Hang up").dblclick()  # by mistake
        await expect(row.get_by_role("button", name="Hang up", exact=True)).to_be_visible()
        await row.get_by_role("button", name="Hang up").click()
        await row.get_by_role("button", name="Hang up now").click()
        await expect(row).to_contain_text("Ended: operator")
        await expect(status(other)).to_contain_text("Ended")
        await expect(status(one)).to_have_attribute("data-state", "connected")
        await expect(rows(operator).filter(has_text="web")).to_contain_text("Live")
        await expect(operator.get_by_text("1 live, 1 ended meanwhile")).to_be_visible()
        await button(operator, "Clear ended").click()
        await expect(rows(operator)).to_have_count(1)
        for page in (operator, one, other):
            await page.close()


async def test_a_caller_sees_its_own_calls_and_no_band(service: Service, page: Page) -> None:
    """Not even that there are others."""
    await called(service, OTHER_KEY)
    await opened(page, service.url, KEY)
    await expect(page.get_by_text("No live call.")).to_be_visible()
    await called(service)
    await called(service, OTHER_KEY)
    await called(service)
    await expect(rows(page)).to_have_count(2)
    await expect(rows(page).filter(has_text="kiosk")).to_have_count(0)
    await expect(band(page)).to_be_hidden()


async def test_the_band_tells_the_operator_how_the_service_stands(
    service: Service, page: Page
) -> None:
    """Replays, live calls, the store, and a deployment that rests with the time that is left."""
    token = await service.token()
    assert (await service.call(token)).status_code == 201
    assert (await service.call(token)).status_code == 401
    limited = {"Retry-After": "50"}
    service.provider.mint.answers(429, provider_error("Slow down."), headers=limited, times=1)
    await service.mint()
    await opened(page, service.url)
    await expect(band(page)).to_contain_text(re.compile(r"Deployments1 of 1 restvoice for 0:\d\d"))
    await expect(band(page)).to_contain_text(re.compile(r"Store\d+\.\d msmemory of one process"))
    await expect(band(page)).to_contain_text("Replays1")
    await expect(band(page)).to_contain_text("Live calls1")


async def test_the_band_tells_that_the_store_is_gone(browser: Browser) -> None:
    """By itself, while the operator looks on; how many calls there are, nobody knows then."""
    with contextlib.ExitStack() as lives:
        port = lives.enter_context(redis_server())
        async with running(redis_url=Secret(f"redis://127.0.0.1:{port}/0")) as service:
            page = await browser.new_page()
            await opened(page, service.url)
            await expect(band(page)).to_contain_text(re.compile(r"Store\d+\.\d msRedis"))
            await asyncio.to_thread(lives.close)
            await expect(band(page)).to_contain_text("StoreNot reachableRedis")
            await expect(band(page)).to_contain_text("Live calls?")
            await page.close()


@pytest.mark.parametrize(
    ("key", "words"),
    [("not-a-key", "This service does not know the key."), ("", "Enter a key first.")],
)
async def test_a_wrong_key_is_told_beside_its_field(
    service: Service, page: Page, key: str, words: str
) -> None:
    """Nothing of any call is shown; the right one opens, and is that of the whole page."""
    await called(service)
    await inspect(page)
    await page.goto(f"{service.url}/#/calls")
    await field(page, ASKED).fill(key)
    await button(page, "Show the calls").click()
    await expect(page.get_by_text(words)).to_be_visible()
    await expect(field(page, ASKED)).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_role("table")).to_have_count(0)
    assert await violations(page) == []
    await expect(band(page)).to_be_hidden()
    await field(page, ASKED).fill(MASTER_KEY)
    await field(page, ASKED).press("Enter")
    await expect(rows(page)).to_have_count(1)
    await page.get_by_role("link", name="Tester", exact=True).click()
    await expect(field(page, "Key")).to_have_value(MASTER_KEY)
    assert MASTER_KEY not in page.url


async def test_a_feed_that_is_cut_off_goes_on_where_it_was(
    service: Service, browser: Browser
) -> None:
    """It says so, and tries again; what happened meanwhile is there then, and nothing twice."""
    async with forward_proxy() as proxy:
        proxy.routes["operators.example"] = service.url
        context = await browser.new_context(proxy={"server": proxy.url})
        page = await context.new_page()
        await inspect(page)
        ended, stays = await called(service), await called(service)
        await opened(page, "http://operators.example")
        await expect(rows(page)).to_have_count(2)
        lists = [each for each in proxy.asked if "status=live" in each]

        del proxy.routes["operators.example"]  # a name that leads nowhere now
        await proxy.cut()
        await expect(feed(page)).to_contain_text(re.compile(r"Cut off, again in \d+ s"))
        assert await violations(page) == []
        assert await service.ended(f"/v1/realtime/calls/{ended}", MASTER_KEY) == 200
        begun = await called(service)
        proxy.routes["operators.example"] = service.url
        await button(page, "Try now").click()
        await expect(feed(page)).to_have_text("Following")
        await expect(rows(page)).to_have_count(3)
        for call_id, words in ((ended, "Ended: operator"), (stays, "Live"), (begun, "Live")):
            await expect(rows(page).filter(has_text=call_id)).to_contain_text(words)
        assert [each for each in proxy.asked if "status=live" in each] == lists
        await context.close()


async def test_an_end_that_is_not_confirmed_is_told_in_the_row(
    service: Service, page: Page
) -> None:
    """The call stays live, and is shown as ended once the provider has confirmed it."""
    call_id = await called(service)
    service.provider.hangup.answers(500, provider_error("Oops."))
    await opened(page, service.url)
    row = rows(page).filter(has_text=call_id)
    await row.get_by_role("button", name="Hang up").click()
    await row.get_by_role("button", name="Hang up now").click()
    await expect(row).to_contain_text("Not confirmed yet: asked again until it is")
    await row.get_by_role("link").click()
    await expect(record(page)).to_contain_text(re.compile("asked for by operator"))
    service.provider.hangup.behaves()
    await expect(row).to_contain_text("Ended: operator")
    await expect(record(page).get_by_role("status")).to_have_text("Ended: operator")


async def test_a_row_shows_which_call_it_is_and_that_it_opens(service: Service, page: Page) -> None:
    """Of one caller and model all look alike: each has the end of its id, which is a link."""
    await page.set_viewport_size({"width": 1280, "height": 800})
    await may_copy(page)
    both = [await called(service), await called(service)]
    await opened(page, service.url)
    for call_id in both:
        row = rows(page).filter(has_text=call_id)
        shown = row.get_by_text(f"…{call_id[-6:]}", exact=True)
        await expect(shown).to_have_css("text-decoration-line", "underline")
        await shown.click()
        await expect(record(page)).to_contain_text(call_id)
        await button(page, "Copy the id").click()
        assert await copied(page) == call_id
        await button(page, "Close the record").click()
        await expect(row.get_by_role("link")).to_be_focused()


async def test_who_turns_away_from_the_question_has_not_meant_it(
    service: Service, page: Page
) -> None:
    """By Escape, Keep, going elsewhere, or doing nothing for a while: it has to be asked anew.

    To look at another window is no turning away: the page keeps its focus for the way back.
    """
    await page.clock.install()
    await called(service)
    await opened(page, service.url)
    ask, sure = button(page, "Hang up"), button(page, "Hang up now")

    await ask.click()
    await page.keyboard.press("Escape")
    await expect(ask).to_be_focused()
    await expect(sure).to_be_hidden()

    await ask.click()
    await button(page, "Keep").click()
    await expect(ask).to_be_focused()
    await expect(sure).to_be_hidden()

    await ask.click()
    await page.keyboard.press("Shift+Tab")
    await expect(sure).to_be_focused()
    await field(page, "Caller").focus()
    await expect(sure).to_be_hidden()
    await expect(field(page, "Caller")).to_be_focused()

    await page.clock.pause_at(await page.evaluate("Date.now() / 1000 + 1"))
    await ask.click()
    await expect(sure).to_be_visible()
    await page.evaluate(ANOTHER_WINDOW)
    await expect(button(page, "Keep")).to_be_focused()
    await page.clock.fast_forward(9_999)
    await expect(sure).to_be_visible()
    await page.clock.fast_forward(1)
    await expect(ask).to_be_focused()
    await expect(sure).to_be_hidden()
    assert service.provider.hangup.requests == []


@pytest.mark.in_firefox
async def test_a_record_is_shown_as_it_changes(service: Service, page: Page) -> None:
    """By its own address; all of it; and by keyboard there and back."""
    call_id = await called(service, order="4711")
    await opened(page, service.url, path=f"/{call_id}")
    shown = record(page)
    for words in (call_id, "web", MODEL, "Clock only", "unknown: nobody counted", "order4711"):
        await expect(shown).to_contain_text(words)
    await shown.get_by_text("As JSON").click()
    await expect(shown).to_contain_text('"object": "realtime.call"')
    assert await service.ended(f"/v1/realtime/calls/{call_id}", KEY) == 200
    await expect(shown.get_by_role("status")).to_have_text("Ended: caller's key")
    await expect(shown).to_contain_text("Ended bycaller's key")
    await shown.press("Escape")
    await expect(page).to_have_url(re.compile("#/calls$"))
    link = rows(page).get_by_role("link")
    await expect(link).to_be_focused()
    await link.press("Enter")
    await expect(page.get_by_role("heading", name="web")).to_be_focused()


async def test_an_unknown_call_is_told(service: Service, page: Page) -> None:
    """Another's is as unknown as none."""
    theirs = await called(service, OTHER_KEY)
    await opened(page, service.url, KEY, path=f"/{theirs}")
    await expect(record(page)).to_contain_text("not known here, or not to this key")
    await expect(record(page)).not_to_contain_text("kiosk")


@pytest.mark.in_firefox
async def test_filters_and_pages(service: Service, page: Page) -> None:
    """Live ones as one types, ended ones as the service lists them, fifty at a time."""
    kept = [await called(service), await called(service, OTHER_KEY)]
    for key in [KEY] * 60 + [OTHER_KEY]:
        path = f"/v1/realtime/calls/{await called(service, key)}"
        assert await service.ended(path, MASTER_KEY) == 200
    await opened(page, service.url)
    await expect(rows(page)).to_have_count(2)
    await field(page, "Caller").fill("kio")
    await expect(rows(page)).to_have_count(1)
    await expect(page.get_by_text("1 of 2 shown")).to_be_visible()
    await field(page, "Caller").fill("nobody")
    await expect(page.get_by_text("No live call matches the filters.")).to_be_visible()
    await field(page, "Caller").fill("")
    for model, count in (("another", 0), (MODEL[1:], 2), ("", 2)):
        await field(page, "Served model").fill(model)
        await expect(rows(page)).to_have_count(count)
    await field(page, "Status").select_option("Unknown")
    await expect(page.get_by_text("No call of which nobody knows what became.")).to_be_visible()
    await field(page, "Status").select_option("Ended")
    await expect(rows(page)).to_have_count(50)
    await button(page, "Show earlier calls").click()
    await expect(rows(page)).to_have_count(61)
    await expect(button(page, "Show earlier calls")).to_be_hidden()
    await field(page, "Caller").press_sequentially("kiosk")
    await field(page, "Caller").press("Enter")
    await expect(rows(page)).to_have_count(1)
    await expect(rows(page).get_by_role("button")).to_have_count(0)
    await field(page, "Caller").fill("")
    await field(page, "Status").select_option("Live")
    for call_id in kept:
        await expect(rows(page).filter(has_text=call_id)).to_have_count(1)


async def test_three_hundred_calls_stay_smooth(service: Service, browser: Browser) -> None:
    """One call's end writes to its own row only, and whatever begins moves nothing."""
    page = await browser.new_page(viewport={"width": 1280, "height": 650})
    await page.add_init_script(SHIFTS)
    await opened(page, service.url)
    await asyncio.gather(*(called(service) for _ in range(20)))
    await expect(rows(page)).to_have_count(20)
    await page.evaluate("shifts.length = 0")
    ids = [
        call
        for _ in range(14)
        for call in await asyncio.gather(*(called(service) for _ in range(20)))
    ]
    await expect(rows(page)).to_have_count(300)
    await page.evaluate(
        """() => {
          globalThis.written = new Set();
          const ticking = ".calls-age, .calls-endsBy";
          new MutationObserver((all) => {
            for (const { target, addedNodes } of all) {
              const node = target.nodeType === Node.TEXT_NODE ? target.parentElement : target;
              if (node.closest(ticking)) continue;
              if ([...addedNodes].some(({ tagName }) => tagName === "TR")) written.add("added");
              written.add(node.closest("tr")?.innerText.match(/rtc_\\S+/)?.[0] ?? node.tagName);
            }
          }).observe(document.querySelector("tbody"), {
            subtree: true, childList: true, characterData: true, attributes: true,
          });
        }"""
    )
    row = rows(page).filter(has_text=ids[140])
    assert await service.ended(f"/v1/realtime/calls/{ids[140]}", MASTER_KEY) == 200
    await expect(row).to_contain_text("Ended: operator")
    assert await page.evaluate("[...written]") == [ids[140]]
    assert sum(each["value"] for each in await page.evaluate("shifts")) <= 0.02
    await page.close()


async def test_it_is_fetched_when_it_is_opened(service: Service, page: Page) -> None:
    """The first load is the tester's alone; the way there and back is a link."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(service.url)))
    await page.goto(service.url)
    await page.wait_for_load_state("networkidle")
    assert [path for path in asked if "operators" in path or "calls" in path] == []
    calls = page.get_by_role("navigation", name="Pages").get_by_role("link", name="Calls")
    await calls.click()
    await expect(field(page, ASKED)).to_be_visible()
    await expect(calls).to_have_attribute("aria-current", "page")
    await expect(button(page, "Connect")).to_be_hidden()
    await page.get_by_role("link", name="Tester", exact=True).click()
    await expect(button(page, "Connect")).to_be_visible()
    await expect(field(page, ASKED)).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_axe_finds_nothing(
    service: Service, browser: Browser, scheme: Any, width: int
) -> None:
    """Asked for a key, following, asked in place, a record, an end, and a list; nor a complaint."""
    desk = {"width": width, "height": 800}
    async with inspected(browser, color_scheme=scheme, viewport=desk) as page:

        async def seen(state: str) -> None:
            assert await violations(page) == [], state
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, state

        await page.goto(f"{service.url}/#/calls")
        await expect(field(page, ASKED)).to_be_visible()
        await seen("gate")
        ids = [await called(service, order="4711"), await called(service, OTHER_KEY)]
        await opened(page, service.url)
        await expect(rows(page)).to_have_count(2)
        await expect(band(page)).to_contain_text("Live calls2")
        await seen("following")
        row = rows(page).filter(has_text=ids[0])
        await row.get_by_role("button", name="Hang up").click()
        await seen("asked")
        await page.keyboard.press("Escape")
        await expect(row.get_by_role("button", name="Hang up")).to_be_focused()
        await row.get_by_role("link").click(position={"x": 4, "y": 4})
        await expect(record(page)).to_contain_text(ids[0])
        await seen("record")
        await record(page).press("Escape")
        assert await service.ended(f"/v1/realtime/calls/{ids[0]}", MASTER_KEY) == 200
        await expect(row).to_contain_text("Ended")
        await seen("ended")
        await field(page, "Status").select_option("Ended")
        await expect(rows(page)).to_have_count(1)
        await seen("listed")
