"""The tester page, from the running service, on a real call to the loopback provider."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.e2e.sound import HEARD
from tests.e2e.tester import (
    button,
    connect,
    connected,
    copied,
    field,
    fill_in,
    logged,
    may_copy,
    status,
    step,
    turns,
    update_session,
    write,
)
from tests.support.service import MASTER_KEY
from tests.support.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

STEPS = [
    "key",
    "microphone",
    "token",
    "offer",
    "answer",
    "apply",
    "ice",
    "dtls",
    "data-channel",
    "session-created",
    "first-audio",
]
BETWEEN_BEEPS: dict[str, object] = {
    "audio": {"input": {"turn_detection": {"silence_duration_ms": 200}}}
}
"""The fake microphone beeps once a second: half a second of silence would seldom end a turn."""


PRESETS = {
    "Short answers": {"instructions"},
    "Interpreter": {"instructions"},
    "Voice": {"audio"},
    "Transcribe me": {"audio"},
    "Patient turns": {"audio"},
    "Text only": {"output_modalities"},
}
"""Of the session's editor, and what each changes."""


async def test_the_page_is_light(stage: Stage, page: Page) -> None:
    """All that is sent until it can be used: under 150 KiB; what opens later comes later."""
    await page.goto(stage.url)
    await expect(page.locator("input#model")).to_be_visible()
    await page.wait_for_load_state("networkidle")
    sent = await page.evaluate(
        """() => [...performance.getEntriesByType("navigation"),
                  ...performance.getEntriesByType("resource")]
                 .reduce((sum, { transferSize }) => sum + transferSize, 0)"""
    )
    assert 10_000 < sent < 150 * 1024


async def test_sound_and_events_flow(stage: Stage, page: Page) -> None:
    """The channel is open, the session created, and packets with energy arrive: every step done."""
    await connect(stage, page)
    heard = await page.evaluate(HEARD)
    assert heard["packets"] > 0
    for name in STEPS:
        await expect(step(page, name)).to_have_attribute("data-state", "done")
        await expect(step(page, name)).to_have_attribute("data-ms", re.compile(r"^\d+\.\d$"))
    assert await page.evaluate("peers.at(-1).channels[0].readyState") == "open"
    assert await page.evaluate("peers.at(-1).connectionState") == "connected"
    types = [each["event"].get("type") for each in await logged(page) if each["direction"] == "in"]
    assert types.count("session.created") == 1
    assert len(stage.provider.calls) == 1


async def test_the_times_of_gateway_and_provider_are_told_apart(stage: Stage, page: Page) -> None:
    """Figures from the service's Server-Timing, and our own id of the call."""
    await connect(stage, page)
    for name in ("gateway", "provider", "network"):
        await expect(page.locator(f"#time-{name}")).to_have_text(re.compile(r"^\d+(\.\d)? ms$"))
    await expect(page.locator("#call-id")).to_have_text(re.compile(r"^rtc_[\w-]{20,}$"))
    (call,) = stage.provider.calls
    call_id = await page.locator("#call-id").inner_text()
    assert call_id != call.rpartition("/")[2]
    await may_copy(page)
    await button(page, "Copy the call id").click()
    assert await copied(page) == call_id


async def test_what_the_browser_does_with_the_answer_is_not_the_networks(
    stage: Stage, page: Page
) -> None:
    """Applying is a step of its own: while it lasts, the answer's exchange is over."""
    await page.add_init_script(
        """
        const real = RTCPeerConnection.prototype.setRemoteDescription;
        globalThis.released = new Promise((release) => { globalThis.release = release; });
        RTCPeerConnection.prototype.setRemoteDescription = async function (answer) {
          await released;
          return real.call(this, answer);
        };
        """
    )
    await page.goto(stage.url)
    await fill_in(page, MASTER_KEY)
    await button(page, "Connect").click()
    await expect(step(page, "apply")).to_have_attribute("data-state", "active")
    await expect(step(page, "answer")).to_have_attribute("data-state", "done")
    await expect(step(page, "answer")).to_contain_text(
        re.compile(r"gateway [\d.]+ · provider [\d.]+ · network [\d.]+ m?s")
    )
    await page.evaluate("release()")
    await connected(page)
    await expect(step(page, "apply")).to_have_attribute("data-state", "done")


async def test_a_session_update_is_answered(stage: Stage, page: Page) -> None:
    """Each that is proposed, too: the note turns good with the provider's session.updated."""
    await connect(stage, page)
    await update_session(page, {"instructions": "Be brief."})
    for preset in PRESETS:
        await button(page, preset).click()
        await expect(page.locator("#session-note")).to_have_attribute("data-state", "quiet")
        await button(page, "Send session.update").click()
        await expect(page.locator("#session-note")).to_have_attribute("data-state", "good")
    events = [(each["direction"], each["event"]) for each in await logged(page)]
    updates = [event for direction, event in events if direction == "out"]
    assert {event["type"] for event in updates} == {"session.update"}
    assert [{*event["session"]} - {"type"} for event in updates[1:]] == [*PRESETS.values()]
    answers = [event for direction, event in events if event.get("type") == "session.updated"]
    assert len(answers) == len(updates) == 1 + len(PRESETS)


async def test_what_is_typed_and_answered_is_written_down(stage: Stage, page: Page) -> None:
    """The message, whether Enter or Send was pressed, and the model's words."""
    await connect(stage, page)
    await write(page, "Good morning")
    await expect(turns(page, "you", "Good morning")).to_have_count(1)
    await expect(turns(page, "model", "You wrote: Good morning").first).to_be_visible()
    await field(page, "Message").fill("Good night")
    await button(page, "Send").click()
    await expect(turns(page, "you", "Good night")).to_have_count(1)
    await expect(field(page, "Message")).to_have_value("")


async def test_what_is_said_and_answered_is_written_down(stage: Stage, page: Page) -> None:
    """The microphone's beeps are heard, transcribed and answered."""
    await connect(stage, page)
    await update_session(page, BETWEEN_BEEPS)
    await expect(turns(page, "you", "seconds of sound").first).to_be_visible()
    await expect(turns(page, "model", "You spoke for").first).to_be_visible()


async def test_mute_silences_the_microphone(stage: Stage, page: Page) -> None:
    """The track that is sent is off, and comes back on."""
    await connect(stage, page)
    track = "peers.at(-1).getSenders().find(({ track }) => track?.kind === 'audio').track.enabled"
    assert await page.evaluate(track) is True
    for muted in (True, False):
        await button(page, "Mute").click()
        await expect(button(page, "Mute")).to_have_attribute("aria-pressed", str(muted).lower())
        assert await page.evaluate(track) is not muted
    await expect(status(page)).to_have_attribute("data-state", "connected")
