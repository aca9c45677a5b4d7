"""What panels and what feeds them do without a call."""

import pytest
from playwright.async_api import Page, expect

from tests.e2e.tester import button, view
from tests.page.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{'type': 1}", "Line 1, column 2: a name in double quotes should stand here"),
        ("", "a value should stand here, but it ends"),
        ("[1]", "A session is an object: {…}."),
        ('{"a":' * 9000 + "1" + "}" * 9000, "nested too deeply"),
    ],
    ids=["quotes", "empty", "array", "deep"],
)
async def test_the_session_editor_refuses_what_is_no_session(
    service: Service, page: Page, text: str, complaint: str
) -> None:
    """The fault is named, the field marked and focused; typing takes the mark away."""
    await page.goto(service.url)
    await view(page, "Update")
    editor, note = page.locator("#session-editor"), page.locator("#session-note")
    await editor.fill(text)
    await button(page, "Send session.update").click()
    await expect(note).to_contain_text(complaint)
    await expect(editor).to_have_attribute("aria-invalid", "true")
    await expect(editor).to_be_focused()
    await editor.press("a")
    await expect(editor).not_to_have_attribute("aria-invalid", "true")
    await expect(note).to_be_empty()


@pytest.mark.in_firefox
async def test_a_preset_fills_the_editor_and_needs_a_call(service: Service, page: Page) -> None:
    """Presets are valid JSON; sending one without a call says what is missing."""
    await page.goto(service.url)
    await view(page, "Update")
    await button(page, "Transcribe me").click()
    assert "transcription" in await page.locator("#session-editor").input_value()
    await button(page, "Send session.update").click()
    await expect(page.locator("#session-note")).to_contain_text("Connect first")


@pytest.mark.parametrize("content", ["a text", [{"text": {"toString": 1}}, None, 7], {}, None])
async def test_a_message_of_any_shape_is_no_fault(
    service: Service, page: Page, content: object
) -> None:
    """Whatever somebody composes: what is no text is no turn."""
    await page.goto(service.url)
    turns = await page.evaluate(
        """async (content) => {
          const { Hub } = await import("/js/hub.js");
          const { followTurns } = await import("/js/call/turns.js");
          const hub = new Hub();
          const told = [];
          hub.on("turn", (turn) => told.push(turn));
          followTurns(hub);
          hub.emit("state", { state: "checking" });
          const item = { type: "message", role: "user", content };
          const event = { type: "conversation.item.create", item };
          hub.emit("event", { direction: "out", event, at: 1 });
          return told.length;
        }""",
        content,
    )
    assert turns == 0
