"""The page as it arrives."""

import re

import pytest
from playwright.async_api import Browser, Page, expect

from tests.page.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop


async def test_the_page_loads_without_a_complaint(service: Service, page: Page) -> None:
    """No console message, no script error, no violation of the policy, nothing from elsewhere."""
    complaints: list[str] = []
    requested: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requested.append(request.url))
    await page.goto(service.url)
    await expect(page.locator("#key")).to_have_value("sk-page")
    await page.wait_for_load_state("networkidle")
    assert complaints == []
    assert len(requested) > 30
    assert [url for url in requested if not url.startswith(service.url)] == []


async def test_the_page_is_filled_from_what_the_operator_tells(
    service: Service, page: Page
) -> None:
    """Key, models and the demo's note come from /tester.json."""
    service.demo = True
    await page.goto(service.url)
    await expect(page.locator("#key")).to_have_value("sk-page")
    assert await page.locator("#model option").all_inner_texts() == service.models
    await expect(page.locator("#demo-note")).to_be_visible()


async def test_outside_the_demo_the_key_is_empty(service: Service, page: Page) -> None:
    """Without a key nothing is sent; the field is pointed out instead."""
    service.key = None
    await page.goto(service.url)
    await expect(page.locator("#model option")).to_have_count(2)
    await page.click("#connect")
    await expect(page.locator("#key")).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("#key")).to_be_focused()
    await expect(page.locator("#demo-note")).to_be_hidden()
    assert service.minted == []


async def test_a_pattern_among_the_models_asks_for_a_name(service: Service, page: Page) -> None:
    """What a wildcard matches cannot be listed, so any name may be typed."""
    service.models = ["gpt-realtime", "*"]
    await page.goto(service.url)
    model = page.locator("input#model")
    await expect(model).to_have_attribute("list", "model-names")
    assert await page.locator("#model-names option").count() == 1
    await model.fill("gpt-realtime-next")
    await page.click("#connect")
    await expect(page.locator("#error")).to_be_visible()
    assert service.minted == [{"session": {"type": "realtime", "model": "gpt-realtime-next"}}]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_phone_needs_no_sideways_scrolling(
    service: Service, browser: Browser, scheme: str
) -> None:
    """360 pixels are enough, by day and by night."""
    dark = scheme == "dark"
    page = await browser.new_page(
        viewport={"width": 360, "height": 740}, color_scheme="dark" if dark else "light"
    )
    await page.goto(service.url)
    await expect(page.locator("#model option")).to_have_count(2)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    await page.fill("#session-editor", "x" * 400)
    await page.click("#session-send")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    background = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    red = int(re.findall(r"\d+", background)[0])
    assert (red < 40) is dark
    await page.close()


async def test_every_control_is_reached_by_keyboard_in_reading_order(
    service: Service, page: Page
) -> None:
    """Tab visits key, model and Connect first, and shows where it is."""
    await page.goto(service.url)
    await expect(page.locator("#model option")).to_have_count(2)
    order = []
    for _ in range(18):
        await page.keyboard.press("Tab")
        order.append(await page.evaluate("document.activeElement.id"))
    wanted = ["key", "key-show", "model", "connect", "transcript-scroll", "session-editor"]
    wanted += ["session-send", "events-copy", "events-clear", "events-filter", "events-scroll"]
    assert [name for name in order if name in wanted] == wanted
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


async def test_every_control_has_a_name(service: Service, page: Page) -> None:
    """A screen reader finds a name on each field, button, meter and region."""
    await page.goto(service.url)
    await expect(page.locator("#model option")).to_have_count(2)
    for role, name in [
        ("textbox", "Key"),
        ("combobox", "Model"),
        ("button", "Connect"),
        ("meter", "You"),
        ("meter", "Model"),
        ("log", "Transcript of both sides"),
        ("textbox", "Message to the model"),
        ("region", "Events"),
    ]:
        assert await page.get_by_role(role, name=name).count() >= 1, (role, name)  # type: ignore[arg-type]  # from a list, roles are plain str
    await expect(page.get_by_role("status").first).to_have_text("Not connected")


async def test_the_key_can_be_shown_and_hidden(service: Service, page: Page) -> None:
    """A password field by default, readable on request."""
    await page.goto(service.url)
    await expect(page.locator("#key")).to_have_attribute("type", "password")
    await page.click("#key-show")
    await expect(page.locator("#key")).to_have_attribute("type", "text")
    await expect(page.locator("#key-show")).to_have_attribute("aria-pressed", "true")
    await page.click("#key-show")
    await expect(page.locator("#key")).to_have_attribute("type", "password")
