"""Events written by hand, and functions that the model calls, in a real call."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.e2e.tester import button, connect, field, hang_up, logged, turns, view, write
from tests.support.stage import Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}
QUIET = {"input": {"turn_detection": None}}
"""The fake microphone beeps: it shall not be answered."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    """The service and the loopback provider."""
    async with staged() as stage:
        yield stage


def note(page: Page) -> Locator:
    """What the composer says about what was sent."""
    return page.locator("#compose-note")


async def compose(page: Page, text: str) -> None:
    """Write an event by hand and send it."""
    await field(page, "Event as JSON").fill(text)
    await button(page, "Send event").click()


async def composing(stage: Stage, page: Page) -> None:
    """In a call, with the composer open."""
    await connect(stage, page)
    await view(page, "Events")
    await button(page, "Compose").click()
    await expect(field(page, "Event as JSON")).to_be_visible()


async def with_a_tool(stage: Stage, page: Page, choice: str) -> None:
    """In a call whose session has a function; the tools are in sight."""
    session: dict[str, Any] = {"type": "realtime", "tools": [TOOL], "tool_choice": choice}
    await composing(stage, page)
    update = {"type": "session.update", "session": {**session, "audio": QUIET}}
    await compose(page, json.dumps(update))
    await expect(note(page)).to_contain_text("session.updated after")
    await button(page, "Tools").click()
    await expect(button(page, "Add rule")).to_be_visible()


async def sent(page: Page) -> list[dict[str, Any]]:
    """What the page sent, in its order."""
    return [each["event"] for each in await logged(page) if each["direction"] == "out"]


PROPOSED = [
    ("session.update", "session.updated after"),
    ("conversation.item.create", "conversation.item.added after"),
    ("conversation.item.create: system", "conversation.item.added after"),
    ("input_audio_buffer.clear", "input_audio_buffer.cleared after"),
    ("input_audio_buffer.commit", "input_audio_buffer.committed after"),
    ("conversation.item.retrieve", "Refused: No item"),
    ("conversation.item.truncate", "Refused: No item"),
    ("conversation.item.delete", "Refused: No item"),
    ("response.cancel", "Refused: Cancellation failed"),
    ("session.update: a tool", "session.updated after"),
    ("response.create: beside the conversation", "response.created after"),
    ("response.create", "response.created after"),
    ("output_audio_buffer.clear", "output_audio_buffer.cleared after"),
]


async def test_each_proposed_event_is_answered(stage: Stage, page: Page) -> None:
    """Beside it stands what answered, or why it was refused; and the event itself."""
    await composing(stage, page)
    await compose(page, json.dumps({"type": "session.update", "session": {"audio": QUIET}}))
    await expect(note(page)).to_contain_text("session.updated after")
    await write(page, "Please read this to me. " * 20)
    await expect(turns(page, "model", "You wrote").first).to_be_visible()
    await button(page, "Interrupt").click()
    for preset, answer in PROPOSED:
        if "buffer.clear" not in preset:  # it ends what the last one began
            await expect(button(page, "Interrupt")).to_be_disabled()
        await field(page, "Preset").select_option(preset)
        await button(page, "Send event").click()
        await expect(note(page)).to_contain_text(answer)
        shown = page.get_by_role("group", name="Answer", exact=True)
        type_ = "error" if answer.startswith("Refused") else answer.removesuffix(" after")
        await expect(shown).to_contain_text(f'"{type_}"')
    offered = await field(page, "Preset").get_by_role("option").all_inner_texts()
    assert {*offered} == {preset for preset, _ in PROPOSED}


async def test_what_is_no_event_is_not_sent(stage: Stage, page: Page) -> None:
    """The fault is named, the field marked and focused; typing takes the mark away."""
    await composing(stage, page)
    before = len(await sent(page))
    for text, complaint in [
        ("{'type': 1}", "Line 1, column 2: a name in double quotes should stand here"),
        ('{"type": "x", "a":' + "[" * 9000 + "]" * 9000 + "}", "nested too deeply"),
        ('{"type": "x", "a": 1e999}', "“1e999” is too large a number"),
        ("[1]", "a JSON object is needed"),
        ('{"session": {}}', "needs a “type”"),
        ('{"type": "response.create", "event_id": 1}', "“event_id” must be a text"),
    ]:
        await compose(page, text)
        await expect(note(page)).to_contain_text(complaint)
        await expect(field(page, "Event as JSON")).to_have_attribute("aria-invalid", "true")
        await expect(field(page, "Event as JSON")).to_be_focused()
        await page.keyboard.press("End")
        await page.keyboard.type(" ")
        await expect(field(page, "Event as JSON")).not_to_have_attribute("aria-invalid", "true")
    assert len(await sent(page)) == before


@pytest.mark.in_firefox
async def test_an_event_keeps_the_id_it_was_given(stage: Stage, page: Page) -> None:
    """A refusal is known by it; one that is sent again has a new one; after the call none goes."""
    await composing(stage, page)
    await compose(page, '{"type": "made.up", "event_id": "mine"}')
    await expect(note(page)).to_contain_text("Refused: Invalid value: 'made.up'")
    await field(page, "Search").fill("made.up -error")
    await page.get_by_role("option").filter(has_text="made.up").first.click()
    await button(page, "Edit and send").click()
    await expect(field(page, "Event as JSON")).to_be_focused()
    await expect(field(page, "Event as JSON")).to_have_value('{\n  "type": "made.up"\n}')
    await button(page, "Send event").click()
    await expect(note(page)).to_contain_text("Refused:")
    ids = [each["event_id"] for each in await sent(page) if each["type"] == "made.up"]
    assert ids[0] == "mine"
    assert ids[1].startswith("page_")
    await hang_up(page)
    await button(page, "Send event").click()
    await expect(note(page)).to_contain_text("Connect first")


@pytest.mark.in_firefox
async def test_a_function_is_answered_by_hand(stage: Stage, page: Page) -> None:
    """Its call waits, however long; the result and then response.create are sent, and spoken."""
    await with_a_tool(stage, page, "required")
    await write(page, "How is it outside?")
    result = field(page, "Result of get_weather, as JSON")
    await expect(page.get_by_role("tab", name="Events")).to_contain_text("ƒ 1")
    await result.fill("sunny")
    await button(page, "Send result").click()
    await expect(page.get_by_text("a value should stand here, not “sunny”")).to_be_visible()
    await expect(result).to_be_focused()
    await result.fill('{ "sky": "blue" }')
    await button(page, "Send result").click()
    await expect(turns(page, "model", 'The function says: {"sky":"blue"}')).to_be_visible()
    await expect(result).to_have_count(0)
    await expect(page.get_by_role("list", name="Answered")).to_contain_text("by hand")
    types = [(each["type"], each.get("item", {}).get("type")) for each in await sent(page)]
    returned = ("conversation.item.create", "function_call_output")
    assert types[-2:] == [returned, ("response.create", None)]
    assert await page.evaluate("document.activeElement !== document.body")


@pytest.mark.in_firefox
async def test_a_rule_answers_from_then_on(stage: Stage, page: Page) -> None:
    """One made by hand, and one made of a result; removed, calls wait again."""
    await with_a_tool(stage, page, "auto")
    await field(page, "Function").fill("get_weather")
    await field(page, "Gives back, as JSON").fill('{"sky": "grey"}')
    await button(page, "Add rule").click()
    await write(page, "And the weather?")
    await expect(turns(page, "model", 'says: {"sky":"grey"}')).to_be_visible()
    await expect(page.get_by_role("list", name="Answered")).to_contain_text("by rule")
    await button(page, "Remove the rule for get_weather").click()
    await expect(button(page, "Interrupt")).to_be_disabled()
    await write(page, "The weather, please")
    await field(page, "Result of get_weather, as JSON").fill('{"sky": "clear"}')
    await button(page, "Send, now and always").click()
    await expect(turns(page, "model", 'says: {"sky":"clear"}')).to_have_count(1)
    await expect(button(page, "Interrupt")).to_be_disabled()
    await write(page, "The weather once more")
    await expect(turns(page, "model", 'says: {"sky":"clear"}')).to_have_count(2)


async def test_a_call_that_ends_takes_what_waits_with_it(stage: Stage, page: Page) -> None:
    """It is said that it was not answered; rules stay for the next call."""
    await with_a_tool(stage, page, "required")
    await field(page, "Function").fill("other")
    await button(page, "Add rule").click()
    await write(page, "How is it outside?")
    await expect(button(page, "Send result")).to_be_visible()
    await hang_up(page)
    await expect(button(page, "Send result")).to_have_count(0)
    await expect(page.get_by_role("list", name="Answered")).to_contain_text("not answered")
    await expect(page.get_by_role("list", name="Rules")).to_contain_text("other")
