"""The session form on real calls: what it asks for is what the provider makes of the session."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.e2e.looks import SHIFTS, inspected, nothing_moved, violations
from tests.e2e.tester import (
    button,
    connected,
    example,
    failure,
    field,
    fill_in,
    hang_up,
    logged,
    view,
)
from tests.support.service import MASTER_KEY, MODEL
from tests.support.stage import PATIENCE_SECONDS, Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

TURNS = {
    "type": "server_vad",
    "threshold": 0.7,
    "silence_duration_ms": 900,
    "prefix_padding_ms": 200,
}
TRANSCRIPTION = {"model": "gpt-4o-transcribe", "language": "de"}
# The page was there before this listener: it has followed the link when the promise is kept.
FOLLOW = """(hash) => new Promise((followed) => {
  addEventListener("hashchange", () => followed(), { once: true });
  location.hash = hash;
})"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    """The service and the loopback provider."""
    async with staged() as stage:
        yield stage


async def more(page: Page) -> None:
    """Open or close what is seldom needed."""
    await page.locator(".session-more summary").click()


async def fill_in_all(page: Page) -> None:
    """A value in each field."""
    await fill_in(page, MASTER_KEY)
    await field(page, "Voice").fill("cedar")
    await field(page, "Instructions").fill("Be brief.")
    await field(page, "Turn detection").select_option("server_vad")
    await field(page, "Threshold").fill("0.7")
    await field(page, "Silence").fill("900")
    await field(page, "Prefix").fill("200")
    await field(page, "Transcription").fill("gpt-4o-transcribe")
    await field(page, "Language").fill("de")
    await more(page)
    await field(page, "Output").select_option("text")
    await field(page, "Reasoning effort").select_option("low")
    await button(page, "Add an example").click()


async def created(page: Page) -> Any:
    """The session as the provider made it."""
    (event,) = [
        each["event"]
        for each in await logged(page)
        if each["event"].get("type") == "session.created"
    ]
    return event["session"]


@pytest.mark.in_firefox
async def test_all_that_is_filled_in_reaches_the_provider(stage: Stage, page: Page) -> None:
    """With the mint, before a word is said."""
    await page.goto(stage.url)
    await fill_in_all(page)
    await button(page, "Connect").click()
    await connected(page)
    session = await created(page)
    assert session["instructions"] == "Be brief."
    assert session["audio"]["output"]["voice"] == "cedar"
    assert session["audio"]["input"]["turn_detection"].items() >= TURNS.items()
    assert session["audio"]["input"]["transcription"] == TRANSCRIPTION
    assert session["output_modalities"] == ["text"]
    assert session["reasoning"] == {"effort": "low"}
    assert [tool["name"] for tool in session["tools"]] == ["get_weather"]
    assert not [each for each in await logged(page) if each["direction"] == "out"]


async def test_json_reaches_the_provider(stage: Stage, page: Page) -> None:
    """What no field has, too; turns are ended by hand."""
    wanted = {
        "model": MODEL,
        "audio": {"input": {"turn_detection": None, "noise_reduction": {"type": "far_field"}}},
        "tool_choice": "none",
    }
    await page.goto(stage.url)
    await fill_in(page, MASTER_KEY)
    await button(page, "JSON").click()
    await field(page, "Session as JSON").fill(json.dumps(wanted))
    await button(page, "Connect").click()
    await connected(page)
    session = await created(page)
    assert session["audio"]["input"]["turn_detection"] is None
    assert session["audio"]["input"]["noise_reduction"] == {"type": "far_field"}
    assert session["tool_choice"] == "none"


async def test_in_a_call_the_fields_are_fixed(stage: Stage, page: Page) -> None:
    """It is said that the next call takes them; a link followed meanwhile waits until then."""
    await page.goto(stage.url)
    await fill_in_all(page)
    note = page.locator(".session-note")
    await button(page, "Connect").click()
    await connected(page)
    await view(page, "Setup")
    for name in ("Key", "Model", "Instructions", "Turn detection", "Tools"):
        await expect(field(page, name)).to_be_disabled()
    await expect(note).to_have_text("In a call these are fixed; they are sent with the next one.")
    await page.evaluate(FOLLOW, "#/talk?voice=sage")
    assert await field(page, "Voice").input_value() == "cedar"
    await button(page, "Copy link").click()  # of the session that this call has
    assert "voice=cedar" in page.url
    await hang_up(page)
    await view(page, "Setup")
    await expect(field(page, "Voice")).to_have_value("sage")
    await expect(field(page, "Voice")).to_be_enabled()
    await expect(field(page, "Model")).to_have_value(MODEL)
    await expect(note).to_have_text("Sent with the token. What is empty is left to the provider.")


async def test_what_the_provider_refuses_is_shown_in_the_json(stage: Stage, page: Page) -> None:
    """A member that no field has; corrected, the call begins."""
    await page.goto(stage.url)
    await fill_in(page, MASTER_KEY)
    await button(page, "JSON").click()
    await field(page, "Session as JSON").fill(json.dumps({"model": MODEL, "mood": "good"}))
    await button(page, "JSON").click()
    await button(page, "Connect").click()
    await expect(failure(page)).to_be_visible()
    editor = field(page, "Session as JSON")
    await expect(editor).to_have_accessible_description("Unknown parameter: 'session.mood'.")
    await button(page, "Correct the session").click()
    await expect(editor).to_be_focused()
    await editor.fill(json.dumps({"model": MODEL}))
    await button(page, "Connect").click()
    await connected(page)


async def test_the_key_is_in_no_address(stage: Stage, page: Page) -> None:
    """Of the page, of what it asks for, of what it copies, and of its history."""
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.on("framenavigated", lambda frame: addresses.append(frame.url))
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=stage.url)
    await page.goto(f"{stage.url}/#/talk?key={MASTER_KEY}&voice=sage")
    await expect(page.locator(".session-note")).to_contain_text("“key” is no setting.")
    given = len(addresses)
    assert MASTER_KEY not in page.url
    await fill_in_all(page)
    await field(page, "Key").press("Enter")
    await connected(page)
    await view(page, "Setup")
    await button(page, "Copy link").click()
    await expect(button(page, "Copy link")).to_have_text("Copied")
    addresses += [page.url, await page.evaluate("navigator.clipboard.readText()")]
    await hang_up(page)
    assert len(addresses) > given + 3
    assert not [each for each in addresses[given:] if MASTER_KEY in each]
    await page.reload()
    await expect(field(page, "Instructions")).to_have_value("Be brief.")
    await expect(field(page, "Key")).to_have_value("")


async def test_the_examples_of_code_have_all_of_it(stage: Stage, page: Page) -> None:
    """Each field, in the language's own words; what opens doors is masked."""
    await page.goto(stage.url)
    await fill_in_all(page)
    await view(page, "Code")
    python = await example(page, "Python")
    for said in (
        '"voice": "cedar"',
        '"instructions": "Be brief."',
        '"threshold": 0.7',
        '"silence_duration_ms": 900',
        '"language": "de"',
        '"effort": "low"',
        '"name": "get_weather"',
    ):
        assert said in python
    tools = [{"type": "mcp", "server_url": "https://tools.example", "authorization": "secret"}]
    await field(page, "Tools").fill(json.dumps(tools))
    curl = await example(page, "curl")
    assert "https://tools.example" in curl
    assert '"authorization":"***"' in curl
    assert "secret" not in curl.replace("client_secrets", "")


@pytest.mark.parametrize(("width", "height"), [(1280, 650), (390, 844)])
async def test_nothing_moves(stage: Stage, browser: Browser, width: int, height: int) -> None:
    """Refused with a field pointed out, connected, and hung up."""
    page = await browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    await page.add_init_script(SHIFTS)
    await page.goto(f"{stage.url}/#/talk?model=no-such-model&voice=sage&turns=semantic_vad")
    await expect(field(page, "Voice")).to_have_value("sage")
    await field(page, "Key").fill(MASTER_KEY)
    await button(page, "Connect").click()
    await expect(failure(page)).to_be_visible()
    await expect(field(page, "Model")).to_have_attribute("aria-invalid", "true")
    await nothing_moved(page)
    await field(page, "Model").fill(MODEL)
    await button(page, "Connect").click()
    await connected(page)
    await view(page, "Setup")
    await hang_up(page)
    await nothing_moved(page)
    await page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing(stage: Stage, browser: Browser, scheme: Any) -> None:
    """Filled in, at fault, as JSON, and after a wrong link; without a word on the console."""
    async with inspected(browser, color_scheme=scheme) as page:
        for width in (390, 1280):
            await page.set_viewport_size({"width": width, "height": 800})
            await page.goto("about:blank")
            await page.goto(f"{stage.url}/#/talk?key=no&loud=yes")
            await expect(page.locator(".session-note")).to_contain_text("“loud” is no setting.")
            assert await violations(page) == [], (width, "link")
            await fill_in_all(page)
            assert await violations(page) == [], (width, "filled in")
            await field(page, "Threshold").fill("7")
            await field(page, "Tools").fill("[")
            await button(page, "JSON").click()
            await expect(field(page, "Threshold")).to_be_focused()
            assert await violations(page) == [], (width, "at fault")
            await field(page, "Threshold").fill("")
            await field(page, "Tools").fill("")
            await button(page, "JSON").click()
            await field(page, "Session as JSON").fill("{")
            await field(page, "Session as JSON").blur()
            assert await violations(page) == [], (width, "JSON")
            assert await page.evaluate("document.documentElement.scrollWidth") <= width
