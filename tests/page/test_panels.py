"""The session editor and the event log, without a call."""

import pytest
from playwright.async_api import Page, expect

from tests.e2e.tester import button, field, view
from tests.page.conftest import Service, failure

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("{'type': 1}", "Not valid JSON:"), ("", "Not valid JSON:"), ("[1]", "a JSON object")],
    ids=["quotes", "empty", "array"],
)
async def test_the_session_editor_refuses_what_is_no_session(
    service: Service, page: Page, text: str, complaint: str
) -> None:
    """The fault is named, the field marked and focused; typing takes the mark away."""
    await page.goto(service.url)
    await view(page, "Session")
    editor, note = page.locator("#session-editor"), page.locator("#session-note")
    await editor.fill(text)
    await button(page, "Send session.update").click()
    await expect(note).to_contain_text(complaint)
    await expect(editor).to_have_attribute("aria-invalid", "true")
    await expect(editor).to_be_focused()
    await editor.press("a")
    await expect(editor).not_to_have_attribute("aria-invalid", "true")
    await expect(note).to_be_empty()


async def test_a_preset_fills_the_editor_and_needs_a_call(service: Service, page: Page) -> None:
    """Presets are valid JSON; sending one without a call says what is missing."""
    await page.goto(service.url)
    await view(page, "Session")
    await button(page, "Transcribe me").click()
    assert "transcription" in await page.locator("#session-editor").input_value()
    await button(page, "Send session.update").click()
    await expect(page.locator("#session-note")).to_contain_text("Connect first")


async def test_the_event_log_filters_opens_and_clears(service: Service, page: Page) -> None:
    """Words filter, a minus hides, an entry opens to its JSON, Clear empties."""
    service.mint = failure(429, "rate_limited", "Slowly.")
    await page.goto(service.url)
    await expect(field(page, "Key")).to_have_value("sk-page")
    await view(page, "Events")
    for expected in (2, 4):
        await button(page, "Connect").click()
        await expect(page.locator("#events li")).to_have_count(expected)
    await field(page, "Search").fill("client_secrets")
    await expect(page.locator("#events li:visible")).to_have_count(2)
    await expect(page.get_by_text("2 of 4")).to_be_visible()
    await field(page, "Search").fill("-client_secrets -calls")
    await expect(page.locator("#events li:visible")).to_have_count(0)
    await expect(page.get_by_text("No event matches the search.")).to_be_visible()
    await expect(page.get_by_text("0 of 4")).to_be_visible()
    await field(page, "Search").fill("")
    await page.locator("#events summary").nth(1).click()
    await expect(page.locator("#events pre")).to_contain_text('"status": 429')
    await button(page, "Clear").click()
    await expect(page.locator("#events li")).to_have_count(0)


async def test_the_event_log_is_bounded(service: Service, page: Page) -> None:
    """A long call cannot fill the browser's memory: the newest 500 stay."""
    await page.goto(service.url)
    await page.evaluate(
        """async () => {
          const { Hub } = await import("/js/hub.js");
          const { mount } = await import("/js/panels/events.js");
          const [hub, root] = [new Hub(), document.querySelector("#events").closest(".panel")];
          root.replaceChildren();
          mount(root, hub);
          for (let n = 1; n <= 520; n++)
            hub.emit("event", { direction: "in", event: { type: `event-${n}` }, at: n });
        }"""
    )
    await expect(page.locator("#events li")).to_have_count(500)
    await expect(page.locator("#events li").first).to_contain_text("event-21")
