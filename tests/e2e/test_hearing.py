"""I hear nothing: the tests stop at the first that fails, and one button mends it."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.e2e.tester import button, connect, connected, failure, field, step
from tests.support.stage import Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

TESTS = ["microphone", "level", "sent", "received", "heard", "playing", "output", "started"]
SEEN: dict[str, Any] = {
    "live": True,
    "muted": False,
    "microphone": {"ended": False, "silenced": False},
    "loudest": 0.1,
    "packetsSent": 5,
    "packetsReceived": 5,
    "energyReceived": 1,
    "element": {"there": True, "paused": False, "silent": False},
    "output": {"known": True, "any": True, "found": True},
    "started": True,
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    """The service and the loopback provider; one for all."""
    async with staged() as stage:
        yield stage


async def examined(page: Page, **changes: object) -> dict[str, Any]:
    """What the tests make of this."""
    result: dict[str, Any] = await page.evaluate(
        "async seen => (await import('/js/call/hearing.js')).examine(seen)", {**SEEN, **changes}
    )
    return result


CASES: list[tuple[int, dict[str, Any], str, str]] = [
    (0, {"muted": True}, "muted", "unmute"),
    (0, {"microphone": {"ended": True, "silenced": False}}, "unplugged", "reconnect"),
    (0, {"microphone": {"ended": False, "silenced": True}}, "silenced", "again"),
    (1, {"loudest": 0.001}, "silence", "devices"),
    (2, {"packetsSent": 0}, "notSent", "reconnect"),
    (3, {"packetsReceived": 0}, "notReceived", "reconnect"),
    (4, {"energyReceived": 0}, "nothingInIt", "ask"),
    (5, {"element": {"there": True, "paused": True, "silent": False}}, "notPlaying", "play"),
    (5, {"element": {"there": True, "paused": False, "silent": True}}, "turnedDown", "play"),
    (6, {"output": {"known": True, "any": True, "found": False}}, "noOutput", "output"),
    (6, {"output": {"known": True, "any": False, "found": False}}, "noSpeaker", "again"),
    (7, {"started": False}, "notStarted", "ask"),
]


async def test_the_first_that_fails_is_the_cause(stage: Stage, page: Page) -> None:
    """Those before it are good, those after it are not looked at."""
    await page.goto(stage.url)
    for at, changes, why, mend in CASES:
        found = await examined(page, **changes)
        assert (found["failed"], found["why"], found["mend"]) == (TESTS[at], why, mend)
        verdicts = ["good"] * at + ["bad"] + ["untested"] * (7 - at)
        assert [found["verdicts"][name] for name in TESTS] == verdicts
    without = await examined(page, microphone=None, loudest=0, packetsSent=0)
    assert list(without["verdicts"].values()) == ["skipped"] * 3 + ["good"] * 5


async def ask(page: Page) -> Locator:
    """Press the button; the dialog it opens."""
    await button(page, "I hear nothing").click()
    return page.get_by_role("dialog", name="I hear nothing")


async def test_without_a_call_it_says_so(stage: Stage, page: Page) -> None:
    """And connects; Escape gives the focus back."""
    await page.goto(stage.url)
    dialog = await ask(page)
    await expect(dialog).to_contain_text("There is no call.")
    await expect(dialog.get_by_role("button", name="Connect now")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(button(page, "I hear nothing")).to_be_focused()


@pytest.mark.in_firefox
async def test_what_does_not_come_is_told(stage: Stage, page: Page) -> None:
    """The tests come when they are asked for; once the service is back they do."""
    gone = re.compile(r"/hearing\.(css|js)$")
    await page.route(gone, lambda route: route.abort())
    await page.goto(stage.url)
    await button(page, "I hear nothing").click()
    await expect(failure(page)).to_contain_text("This could not be loaded")
    await expect(failure(page)).to_contain_text("Check that the service is there")
    await page.unroute(gone)
    await expect(await ask(page)).to_contain_text("There is no call.")


@pytest.mark.in_firefox
async def test_what_is_wrong_is_mended_by_one_button(stage: Stage, page: Page) -> None:
    """Muted; then the sound is held back; then all eight are good, each in the real call."""
    await connect(stage, page)
    await expect(step(page, "first-audio")).to_have_attribute("data-state", "done")
    await button(page, "Mute").click()
    await page.evaluate("document.querySelector('audio').pause()")
    dialog = await ask(page)
    await expect(dialog).to_contain_text("You are muted")
    await dialog.get_by_role("button", name="Unmute").click()
    await expect(page.locator("#mute")).to_have_attribute("aria-pressed", "false")
    await expect(dialog).to_contain_text("The browser holds the sound back.")
    for name in TESTS[:5]:
        await expect(dialog.locator(f'[data-test="{name}"]')).to_have_attribute(
            "data-verdict", "good"
        )
    await dialog.get_by_role("button", name="Play it").click()
    # The loopback greets with a tone before it says anything on the channel.
    started = dialog.get_by_text("has not said that it began")
    good = dialog.get_by_text("All eight are in order.")
    await expect(started.or_(good)).to_be_visible()
    while await started.is_visible():  # each time it listens again, which takes a moment
        await dialog.get_by_role("button", name="Ask the model to speak").click()
        await expect(started.or_(good)).to_be_visible()
    await expect(good).to_be_visible()
    await dialog.get_by_role("button", name="Close").click()
    await expect(button(page, "I hear nothing")).to_be_focused()
    await field(page, "Volume").press("Home")
    await expect(await ask(page)).to_contain_text("The sound is turned off on this page.")
    await dialog.get_by_role("button", name="Play it").click()
    await expect(field(page, "Volume")).not_to_have_value("0")
    await connected(page)


async def test_a_microphone_without_a_sound_is_found(stage: Stage, page: Page) -> None:
    """A real stream with silence in it."""
    await page.add_init_script(
        """
        navigator.mediaDevices.getUserMedia = async () =>
          new MediaStreamAudioDestinationNode(new AudioContext()).stream;
        """
    )
    await connect(stage, page)
    dialog = await ask(page)
    await expect(dialog).to_contain_text("Nothing was heard from the microphone.")
    await dialog.get_by_role("button", name="Choose a device").click()
    await expect(page.get_by_role("tab", name="Setup")).to_have_attribute("aria-selected", "true")


async def test_without_a_speaker_no_microphone_is_accused(stage: Stage, page: Page) -> None:
    """Where a machine has none, Firefox runs no AudioContext: it hears nothing of anybody."""
    await page.add_init_script(
        """
        globalThis.AudioContext = class extends AudioContext {
          get state() { return "suspended"; }
        };
        AnalyserNode.prototype.getFloatTimeDomainData = (samples) => samples.fill(0);
        const all = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
        navigator.mediaDevices.enumerateDevices = async () =>
          (await all()).filter(({ kind }) => kind !== "audiooutput");
        """
    )
    await connect(stage, page)
    await expect(step(page, "first-audio")).to_have_attribute("data-state", "done")
    dialog = await ask(page)
    await expect(dialog).to_contain_text("The browser finds no speaker.")
    await expect(dialog.locator('[data-test="level"]')).to_have_attribute("data-verdict", "skipped")
