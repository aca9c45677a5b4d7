"""Who speaks, as the page tells it in words; and the buttons that change it."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.e2e.looks import inspect, violations
from tests.e2e.tester import (
    button,
    connect,
    connected,
    failure,
    field,
    fill_in,
    hang_up,
    logged,
    quiet,
    refuse_microphone,
    status,
    turns,
    update_session,
    view,
    write,
    write_only,
)
from tests.support.service import MASTER_KEY
from tests.support.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

TRACK = "peers.at(-1).getSenders().find(({ track }) => track?.kind === 'audio').track.enabled"
BETWEEN_BEEPS: dict[str, object] = {
    "audio": {"input": {"turn_detection": {"silence_duration_ms": 200}}}
}
LONG = "Please read this to me. " * 20


async def sent(page: Page) -> list[str]:
    """The types of what was sent, in order."""
    return [each["event"]["type"] for each in await logged(page) if each["direction"] == "out"]


async def test_the_state_follows_who_speaks(stage: Stage, page: Page) -> None:
    """You by the microphone's beeps, the model by its answer, each in words."""
    await page.goto(stage.url)
    await expect(status(page)).to_contain_text("Ready")
    await page.evaluate(
        """() => {
          const word = document.querySelector("[role=status] strong");
          globalThis.said = [word.textContent];
          new MutationObserver(() => said.push(word.textContent))
            .observe(word, { childList: true, characterData: true, subtree: true });
        }"""
    )
    await fill_in(page, MASTER_KEY)
    await button(page, "Connect").click()
    await connected(page)
    await update_session(page, BETWEEN_BEEPS)
    for words in ("Connecting", "Listening", "You are speaking", "Model is speaking"):
        await page.wait_for_function("words => said.includes(words)", arg=words)
    await hang_up(page)
    await expect(status(page)).to_contain_text(re.compile(r"Ended You hung up after \d+:\d\d"))


@pytest.mark.in_firefox
async def test_muted_shows_in_the_state(stage: Stage, page: Page) -> None:
    """By the button, and by its key."""
    await quiet(stage, page)
    await button(page, "Mute").click()
    await expect(status(page)).to_contain_text("Muted")
    await page.keyboard.press("m")
    await expect(status(page)).to_contain_text("Listening")
    assert await page.evaluate(TRACK) is True


@pytest.mark.in_firefox
async def test_talk_opens_the_microphone_while_held(stage: Stage, page: Page) -> None:
    """The button under a pointer, and Space; released, the microphone is off."""
    await quiet(stage, page)
    talk = button(page, "Talk")
    await talk.hover()
    await page.mouse.down()
    await expect(talk).to_have_attribute("aria-pressed", "true")
    assert await page.evaluate(TRACK) is True
    await page.mouse.up()
    await expect(status(page)).to_contain_text("Muted")
    assert await page.evaluate(TRACK) is False

    await page.locator("body").click(position={"x": 400, "y": 300})
    await page.keyboard.down(" ")
    await expect(status(page)).to_contain_text("Listening")
    assert await page.evaluate(TRACK) is True
    await page.keyboard.up(" ")
    await expect(status(page)).to_contain_text("Muted")
    assert await page.evaluate(TRACK) is False

    await button(page, "Mute").click()
    await expect(button(page, "Mute")).to_have_attribute("aria-pressed", "false")
    assert await page.evaluate(TRACK) is True


async def test_letters_are_keys_where_nothing_is_typed(stage: Stage, page: Page) -> None:
    """In fields a space is a space, and i an i; elsewhere I interrupts and H hangs up."""
    await quiet(stage, page)
    await field(page, "Message").press_sequentially("m h i")
    await expect(field(page, "Message")).to_have_value("m h i")
    await page.keyboard.down(" ")
    await page.locator("#stage").focus()  # the key is still down, and was never for talking
    await page.keyboard.down(" ")
    await page.keyboard.up(" ")
    await expect(status(page)).to_contain_text("Listening")
    assert await page.evaluate(TRACK) is True
    await write(page, LONG)
    await expect(status(page)).to_contain_text("Model is speaking")
    await page.locator("#stage").focus()
    await page.keyboard.press("i")
    await expect(button(page, "Interrupt")).to_be_disabled()
    assert (await sent(page))[-2:] == ["response.cancel", "output_audio_buffer.clear"]
    await page.keyboard.press("h")
    await expect(status(page)).to_contain_text("You hung up")


@pytest.mark.in_firefox
async def test_interrupt_stops_the_model(stage: Stage, page: Page) -> None:
    """Offered only while it speaks; what is being made and what is not yet heard are both ended."""
    await quiet(stage, page)
    await expect(button(page, "Interrupt")).to_be_disabled()
    before = len(await sent(page))
    await write(page, LONG)
    await expect(status(page)).to_contain_text("Model is speaking")
    await button(page, "Interrupt").click()
    await expect(status(page)).to_contain_text("Listening")
    await expect(button(page, "Interrupt")).to_be_disabled()
    await expect(button(page, "Talk")).to_be_focused()  # not lost with the button that went
    made = ["conversation.item.create", "response.create"]
    ended = ["response.cancel", "output_audio_buffer.clear"]
    assert (await sent(page))[before:] == [*made, *ended]


async def test_without_a_microphone_mute_is_not_offered(stage: Stage, page: Page) -> None:
    """Nor is Talk; the state says what can be done instead."""
    await inspect(page)
    await refuse_microphone(page)

    await page.goto(stage.url)
    await fill_in(page, MASTER_KEY)
    await button(page, "Connect").click()
    await failure(page).get_by_role("button", name="Connect without a microphone").click()
    await connected(page)
    for name in ("Mute", "Talk"):
        await expect(button(page, name)).to_be_disabled()
    await expect(button(page, "Hang up")).to_be_focused()
    await page.locator("#stage").focus()
    for key in ("m", " "):
        await page.keyboard.press(key)
        await expect(status(page)).not_to_contain_text("Muted")
        await expect(button(page, "Mute")).to_have_attribute("aria-pressed", "false")
    await view(page, "Talk")
    await write(page, "Good morning")
    await expect(status(page)).to_contain_text("No microphone: write a message.")
    assert await violations(page) == []


@pytest.mark.in_firefox
async def test_space_talks_after_connecting_by_keyboard(stage: Stage, page: Page) -> None:
    """Focus goes from Connect over Cancel to Talk: Space does not hang up."""
    await page.goto(stage.url)

    await fill_in(page, MASTER_KEY)
    await button(page, "Connect").press("Enter")
    await connected(page)
    await expect(button(page, "Talk")).to_be_focused()
    await page.keyboard.down(" ")
    await expect(button(page, "Talk")).to_have_attribute("aria-pressed", "true")
    await page.keyboard.up(" ")
    await expect(status(page)).to_have_attribute("data-state", "connected")
    assert await page.evaluate(TRACK) is False


@pytest.mark.in_firefox
async def test_what_is_written_while_the_model_answers_is_answered_next(
    stage: Stage, page: Page
) -> None:
    """There is one response at a time: the next one is asked for when it is done."""
    await connect(stage, page)
    await write_only(page)
    await write(page, LONG)
    await expect(status(page)).to_contain_text("Model is speaking")
    await write(page, "And now?")
    await expect(turns(page, "model", "You wrote: And now?")).to_be_visible()
    assert "error" not in [each["event"].get("type") for each in await logged(page)]
    await hang_up(page)
