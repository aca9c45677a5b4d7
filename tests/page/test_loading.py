"""The page as it arrives."""

import re

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.tester import button, failure, field, held_back, status, view
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


@pytest.mark.in_firefox
async def test_calls_that_do_not_come_lead_back_to_talk(service: Service, page: Page) -> None:
    """With a sheet that says so; the way there tries again."""
    await page.goto(service.url)
    gone = re.compile(r"/calls\.(css|js)$")
    await page.route(gone, lambda route: route.abort())
    calls = page.get_by_role("link", name="Calls", exact=True)
    await calls.click()
    await expect(failure(page)).to_contain_text("This could not be loaded")
    await expect(page.locator("#key")).to_be_visible()
    await expect(calls).to_be_focused()
    await page.unroute(gone)
    await calls.click()
    await expect(page.get_by_role("heading", name="Calls")).to_be_visible()


async def test_diagnostics_that_do_not_come_are_told(service: Service, page: Page) -> None:
    """A service that is gone takes what is loaded late with it."""
    await page.goto(service.url)
    await page.route("**/diagnostics.js", lambda route: route.abort())
    await button(page, "Save diagnostics").click()
    await expect(failure(page)).to_contain_text("This could not be loaded")


@pytest.mark.parametrize(
    ("opener", "module", "within"),
    [
        ("Compose", "event-composer.js", "Event as JSON"),
        ("Tools", "tools.js", "No function call waits."),
    ],
)
async def test_a_pane_that_does_not_come_is_told_and_tried_again(
    service: Service, page: Page, opener: str, module: str, within: str
) -> None:
    """It is not empty for ever."""
    await page.goto(service.url)
    await page.route(f"**/panels/{module}", lambda route: route.abort())
    await view(page, "Events")
    await button(page, opener).click()
    await expect(failure(page).filter(has_text="This could not be loaded")).to_be_visible()
    await page.unroute(f"**/panels/{module}")
    await button(page, opener).click()
    await button(page, opener).click()
    await expect(page.get_by_role("tabpanel", name="Events")).to_contain_text(within)


async def test_a_call_that_nobody_would_follow_does_not_begin(service: Service, page: Page) -> None:
    """What a call needs comes after the page is painted: where it does not, it is tried again."""
    await page.route("**/call/company.js", lambda route: route.abort())
    await page.goto(service.url)
    await button(page, "Connect").click()
    await expect(failure(page)).to_contain_text("This could not be loaded")
    assert service.minted == []
    await page.unroute("**/call/company.js")
    await button(page, "Connect").click()
    await expect(failure(page)).to_contain_text("The provider failed")
    assert len(service.offers) == 1


async def test_a_call_without_its_panel_does_not_begin(service: Service, page: Page) -> None:
    """Nobody would hear the model: a sheet says so, and the next press tries again."""
    await page.route("**/panels/talk.js", lambda route: route.abort())
    await page.goto(service.url)
    await expect(page.locator("#key")).to_have_value("sk-page")
    await button(page, "Connect").click()
    await expect(failure(page)).to_contain_text("This could not be loaded")
    await expect(status(page)).to_contain_text("Ready")
    assert service.minted == []
    await page.unroute("**/panels/talk.js")
    await button(page, "Connect").click()
    await expect(failure(page)).to_contain_text("The provider failed")


async def test_what_a_call_needs_is_waited_for_in_sight(service: Service, page: Page) -> None:
    """A missing key is told at once; Connect shows that it was pressed, and begins one call."""
    service.key = None
    comes = await held_back(page, "**/call/company.js")
    await page.goto(service.url)
    await expect(page.locator("#model option")).to_have_count(2)
    connect = button(page, "Connect")
    await connect.click()
    await expect(page.locator("#key")).to_be_focused()
    await page.keyboard.type("sk-typed")
    await page.locator("#instructions").focus()
    await connect.click()
    await expect(connect).to_have_attribute("aria-busy", "true")
    await expect(status(page)).to_contain_text("Connecting")
    await connect.click()
    comes.set()
    await expect(failure(page)).to_contain_text("The provider failed")
    await expect(connect).to_have_attribute("aria-busy", "false")
    assert len(service.offers) == 1


async def test_the_keys_are_told_before_a_call_is_possible(service: Service, page: Page) -> None:
    """They need nothing of what a call needs."""
    await page.route("**/call/company.js", lambda route: route.abort())
    await page.goto(service.url)
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()


async def test_who_connects_at_once_is_not_asked_for_a_key_that_comes(
    service: Service, page: Page
) -> None:
    """Connect is there before the page knows what the operator tells it."""
    comes = await held_back(page, "**/tester.json")
    await page.goto(service.url)
    await button(page, "Connect").click()
    comes.set()
    await expect(failure(page)).to_contain_text("The provider failed")
    assert len(service.offers) == 1


@pytest.mark.in_firefox
async def test_the_calls_as_the_first_page_take_the_key_that_is_given(
    service: Service, page: Page
) -> None:
    """Nobody is asked for it while the service's answer is on its way."""
    comes = await held_back(page, "**/tester.json")
    await page.goto(f"{service.url}/#/calls")
    title = page.locator(".calls-title")
    await expect(title).to_be_attached()
    comes.set()
    await expect(title).to_be_visible()
    await expect(field(page, "Master key or a caller's key")).to_be_hidden()


async def test_settings_that_do_not_come_are_not_waited_for(service: Service, page: Page) -> None:
    """A sheet says so, and the form can be used."""
    await page.add_init_script(
        "const { timeout } = AbortSignal;"
        "AbortSignal.timeout = (ms) => timeout.call(AbortSignal, ms / 50);"
    )
    await page.route("**/tester.json", lambda _: None)  # no answer, ever
    await page.goto(service.url)
    await expect(failure(page)).to_contain_text("Nothing came back in time.")
    await expect(field(page, "Model")).to_be_visible()


@pytest.mark.in_firefox
async def test_the_focus_is_kept_when_the_window_takes_another_layout(
    service: Service, page: Page
) -> None:
    """Each layout has controls that the others have not."""
    await page.goto(service.url)
    await expect(page.locator("#model option")).to_have_count(2)
    tab = page.get_by_role("tab", selected=True)
    for before, after, control in [
        (1280, 390, page.get_by_role("separator")),
        (390, 1280, page.locator("#phone-tabs").get_by_role("tab", name="Setup")),
        (1024, 390, button(page, "Inspector")),
        (1280, 1024, page.locator("#inspector-tabs").get_by_role("tab", name="Steps")),
    ]:
        await page.set_viewport_size({"width": before, "height": 800})
        await control.focus()
        await page.set_viewport_size({"width": after, "height": 800})
        await expect(control).to_be_hidden()
        focused = page.locator(":focus")
        await expect(focused.and_(tab.or_(button(page, "Inspector")))).to_be_visible()


async def test_a_part_that_fails_is_not_said_to_be_missing(
    service: Service, browser: Browser
) -> None:
    """It did come: what is wrong with it stands in the console."""
    page = await browser.new_page()
    await page.goto(service.url)
    await page.evaluate(
        "() => { HTMLDialogElement.prototype.showModal = () => { throw new Error('broken'); }; }"
    )
    async with page.expect_event("pageerror") as failing:
        await button(page, "I hear nothing").click()
    assert str(await failing.value) == "broken"
    await expect(failure(page)).to_have_count(0)
    await page.close()


async def test_outside_the_demo_the_key_is_empty(service: Service, page: Page) -> None:
    """Without a key nothing is sent; the field is pointed out instead."""
    service.key = None
    await page.goto(service.url)
    await expect(page.locator("#model option")).to_have_count(2)
    await button(page, "Connect").click()
    await expect(page.locator("#key")).to_have_attribute("aria-invalid", "true")
    await expect(page.locator("#key")).to_be_focused()
    await expect(page.get_by_text("Enter this service's key first.")).to_be_visible()
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
    await button(page, "Connect").click()
    await expect(failure(page)).to_be_visible()
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
    await view(page, "More")
    await view(page, "Update")
    await page.fill("#session-editor", "x" * 400)
    await button(page, "Send session.update").click()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    background = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    red = int(re.findall(r"\d+", background)[0])
    assert (red < 40) is dark
    await page.close()


@pytest.mark.parametrize("width", [320, 360, 390, 1240])
async def test_the_largest_figure_fits_its_tile(service: Service, page: Page, width: int) -> None:
    """Of what a call has taken: below ten seconds it has four digits."""
    await page.set_viewport_size({"width": width, "height": 740})
    await page.goto(service.url)
    await view(page, "Steps")
    tile = page.locator("#time-ready")
    await tile.evaluate("(tile) => { tile.textContent = '8888\\u00a0ms'; }")
    assert await tile.evaluate("(tile) => tile.scrollWidth <= tile.clientWidth")


async def test_every_control_is_reached_by_keyboard_in_reading_order(
    service: Service, page: Page
) -> None:
    """Tab goes from the call bar through the stage into the inspector, and shows where it is."""
    await page.goto(service.url)
    await expect(page.locator("#model option")).to_have_count(2)
    at = ""
    wanted = [
        "Skip to the call",
        "Tester",
        "Calls",
        "Connect",
        "Setup",
        "Keyboard shortcuts",
        "I hear nothing",
    ]
    wanted += ["#key", "Show the key", "JSON", "Copy link", "#model", "#voice", "#instructions"]
    wanted += ["#session-turns", "#session-transcription", "More"]
    wanted += ["Microphone", "Test microphone", "Speaker", "Play a tone"]
    wanted += ["Echo cancellation", "Noise suppression", "Automatic gain"]
    wanted += ["Width of the call's side", "Steps", "Events", "#events-search"]
    wanted += ["Pause", "Copy", "Save", "Load", "Clear", "HTTP", "Session", "Input", "Item"]
    wanted += ["Response", "Output", "Tool", "Error", "Other", "Compose", "Tools"]
    for name in wanted:
        # Of a list of tabs one is in the order, arrows go on from there.
        await page.keyboard.press("ArrowRight" if name == "Events" and at == "Steps" else "Tab")
        at = name
        if name == "Events":
            await expect(page.locator("#events-search")).to_be_visible()  # it is loaded when shown
        focused = page.locator(":focus")
        if name.startswith("#"):
            await expect(focused).to_have_id(name[1:])
        else:
            await expect(focused).to_have_accessible_name(re.compile(f"^{name}\\s*$"))
        outline = "getComputedStyle(document.activeElement).outlineStyle"
        assert await page.evaluate(outline) == "solid", name


async def test_the_first_tab_stop_skips_to_the_call(service: Service, page: Page) -> None:
    """Past the bar; the address, which holds the settings, stays as it is."""
    await page.goto(f"{service.url}/#/talk?voice=cedar")
    await expect(field(page, "Voice")).to_have_value("cedar")
    address = page.url
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#stage")).to_be_focused()
    assert page.url == address
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("tab", name="Setup")).to_be_focused()


async def test_arrows_go_from_tab_to_tab(service: Service, page: Page) -> None:
    """One of the tabs is in the tab order; arrows choose, and show what was chosen."""
    await page.goto(service.url)
    await view(page, "Steps")
    tabs = page.get_by_role("tablist", name="Views of the inspector").get_by_role("tab")
    last = await tabs.last.inner_text()
    for key, name in [("ArrowRight", "Events"), ("End", last), ("ArrowRight", "Steps")]:
        await page.keyboard.press(key)
        tab = page.get_by_role("tab", name=name, exact=True)
        await expect(tab).to_be_focused()
        await expect(tab).to_have_attribute("aria-selected", "true")
        await expect(page.get_by_role("tabpanel", name=name, exact=True)).to_be_visible()


@pytest.mark.in_firefox
async def test_the_splitter_gives_the_inspector_more_room(service: Service, page: Page) -> None:
    """By keyboard, between 30 and 75 per cent; Enter gives it back what it had."""
    await page.goto(service.url)
    splitter = page.get_by_role("separator")
    for key, share in [("ArrowLeft", 58), ("Home", 30), ("ArrowLeft", 30), ("End", 75)]:
        await splitter.press(key)
        await expect(splitter).to_have_attribute("aria-valuenow", str(share))
    stage = await page.locator("#stage").bounding_box()
    assert stage is not None
    assert stage["width"] == pytest.approx(0.75 * 1280, abs=2)
    await splitter.press("Enter")
    await expect(splitter).to_have_attribute("aria-valuenow", "60")


WHOLE = """(node, text) => {
  if (text) node.textContent = text;
  return node.checkVisibility() && node.scrollWidth <= node.clientWidth;
}"""


@pytest.mark.parametrize("width", [820, 900, 1023, 1024, 1199, 1200, 1240, 1280, 1440])
async def test_the_state_stands_in_full(service: Service, page: Page, width: int) -> None:
    """Whatever stands beside it in the bar, while a call has a time and a cost."""
    await page.set_viewport_size({"width": width, "height": 800})
    await page.goto(service.url)
    await expect(page.locator("#model option")).to_have_count(2)
    await page.locator(".call-bar-cost").evaluate(WHOLE, "cost unknown")
    assert await page.locator(".call-state-word").evaluate(WHOLE, "Model is speaking")


@pytest.mark.parametrize("width", [1024, 1199, 1200, 1240, 1280, 1440])
async def test_the_model_stands_in_full(service: Service, page: Page, width: int) -> None:
    """Where the bar has room for it beside the state."""
    await page.set_viewport_size({"width": width, "height": 800})
    await page.goto(service.url)
    await expect(page.locator("#model option")).to_have_count(2)
    await page.locator(".call-bar-cost").evaluate(WHOLE, "cost unknown")
    assert await page.locator(".call-bar-model").evaluate(WHOLE)


async def test_a_very_wide_screen_shows_all_larger(service: Service, page: Page) -> None:
    """And no more of it than fits; the splitter stays under the pointer, a double click undoes."""
    heights = []
    for width, height in ((1920, 1080), (3840, 2160)):
        await page.set_viewport_size({"width": width, "height": height})
        await page.goto(service.url)
        await expect(page.locator("#setup[data-settings]")).to_be_visible()
        box = await button(page, "Connect").bounding_box()
        assert box is not None
        heights.append(box["height"])
        fits = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        assert await page.evaluate(fits) == [width, height]
    assert heights[1] == pytest.approx(1.5 * heights[0])
    splitter = page.get_by_role("separator", name="Width of the call's side")
    await splitter.hover()
    await page.mouse.down()
    await page.mouse.move(2000, 1000)
    await page.mouse.up()
    moved = await splitter.bounding_box()
    assert moved is not None
    assert abs(moved["x"] - 2000) < 4
    await splitter.dblclick()
    await expect(splitter).to_have_attribute("aria-valuenow", "60")


async def test_a_tablet_has_the_inspector_in_a_drawer(service: Service, browser: Browser) -> None:
    """It opens with the focus in it; Escape or its own button close it and give the focus back.

    A phone has none, and where there is room for both none is needed.
    """
    page = await browser.new_page(viewport={"width": 1024, "height": 768})
    await page.goto(service.url)
    opener = button(page, "Inspector")
    await expect(page.get_by_role("tab", name="Steps", exact=True)).to_be_hidden()
    await opener.press("Enter")
    await expect(opener).to_have_attribute("aria-expanded", "true")
    await expect(page.get_by_role("tab", name="Steps", exact=True)).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("tab", name="Steps", exact=True)).to_be_hidden()
    await expect(opener).to_be_focused()
    await opener.click()
    await button(page, "Close the inspector").click()
    await expect(page.get_by_role("tab", name="Steps", exact=True)).to_be_hidden()
    await expect(opener).to_be_focused()
    for width, drawer in ((819, False), (820, True), (1239, True), (1240, False)):
        await page.set_viewport_size({"width": width, "height": 768})
        await expect(opener).to_be_visible(visible=drawer)
    await page.close()


@pytest.mark.in_firefox
async def test_a_phone_has_the_calls_buttons_always_in_reach(
    service: Service, browser: Browser
) -> None:
    """Whatever view is chosen, Mute, Talk and Connect stand where they stood."""
    page = await browser.new_page(viewport={"width": 390, "height": 844})
    await page.goto(service.url)
    places = []
    for name in ("Talk", "Setup", "Steps", "Events", "More"):
        await view(page, name)
        boxes = [await button(page, each).bounding_box() for each in ("Mute", "Talk", "Connect")]
        assert all(box and box["y"] + box["height"] <= 844 for box in boxes)
        places.append(boxes)
    assert all(boxes == places[0] for boxes in places)
    await page.close()


async def test_every_control_has_a_name(service: Service, page: Page) -> None:
    """A screen reader finds a name on each field, button, meter and region."""
    await page.goto(service.url)
    await expect(page.locator("#model option")).to_have_count(2)
    tabs = {
        "Sound sent": ["Talk"],
        "Search": ["Events"],
        "Session to send with session.update, as JSON": ["Update"],
    }
    for role, name in [
        ("textbox", "Key"),
        ("combobox", "Model"),
        ("combobox", "Voice"),
        ("textbox", "Instructions"),
        ("combobox", "Turn detection"),
        ("combobox", "Transcription"),
        ("button", "Copy link"),
        ("button", "Connect"),
        ("button", "Mute"),
        ("button", "Talk"),
        ("button", "Interrupt"),
        ("meter", "Sound sent"),
        ("meter", "Sound received"),
        ("log", "Transcript of both sides"),
        ("textbox", "Message"),
        ("region", "Conversation"),
        ("searchbox", "Search"),
        ("group", "Families"),
        ("textbox", "Session to send with session.update, as JSON"),
        ("separator", "Width of the call's side"),
    ]:
        for tab in tabs.get(name, ()):
            await view(page, tab)
        named = page.get_by_role(role, name=name, exact=True)  # type: ignore[arg-type]  # from a list, roles are plain str
        await expect(named, f"{role} {name}").to_have_count(1)
    await expect(status(page)).to_contain_text("Ready")


async def test_no_two_places_have_one_name(service: Service, page: Page) -> None:
    """Pages, views and the headings in them: a name leads to one of them."""
    await page.goto(service.url)
    await expect(page.locator("#model option")).to_have_count(2)
    names = [
        re.sub(r"\d+$", "", name)
        for role in ("link", "tab", "heading")
        for name in await page.get_by_role(role).all_inner_texts()
    ]
    assert {"Calls", "Setup", "Steps", "Session"} <= {*names}
    assert len(names) == len({*names}), names


@pytest.mark.in_firefox
async def test_the_key_can_be_shown_and_hidden(service: Service, page: Page) -> None:
    """A password field by default, readable on request."""
    await page.goto(service.url)
    await expect(page.locator("#key")).to_have_attribute("type", "password")
    await button(page, "Show the key").click()
    await expect(page.locator("#key")).to_have_attribute("type", "text")
    await expect(button(page, "Show the key")).to_have_attribute("aria-pressed", "true")
    await button(page, "Show the key").click()
    await expect(page.locator("#key")).to_have_attribute("type", "password")
