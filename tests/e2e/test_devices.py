"""The device check: permission in words, pickers that follow the plug, tests of both sides."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, expect

from tests.e2e.looks import SHIFTS, inspected, nothing_moved, violations
from tests.e2e.sound import QUIET, saved, sides
from tests.e2e.tester import (
    button,
    connect,
    connected,
    failure,
    field,
    fill_in,
    hang_up,
    quiet,
    refuse_microphone,
    status,
    step,
    view,
)
from tests.support.browser import WHOLE, chromium
from tests.support.service import MASTER_KEY
from tests.support.stage import PATIENCE_SECONDS, Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

MICROPHONES = ["Default: Fake Default Audio Input", "Fake Audio Input 1", "Fake Audio Input 2"]
SPEAKERS = ["Default: Fake Default Audio Output", "Fake Audio Output 1", "Fake Audio Output 2"]
SWITCHES = ["echoCancellation", "noiseSuppression", "autoGainControl"]
ASKS = "--use-fake-ui-for-media-stream"
"""Without it Chromium asks, and a browser without a window takes that for a no."""

KEEP_STREAMS = """
globalThis.streams = [];
const opens = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await opens(wanted);
  streams.push(stream);
  return stream;
};
"""
KEEP_ATTACHED = """
globalThis.attached = [];
const replaces = RTCRtpSender.prototype.replaceTrack;
RTCRtpSender.prototype.replaceTrack = function (track) {
  attached.push(track?.enabled);
  return replaces.call(this, track);
};
"""
"""Whether each track was heard in the moment in which it was attached."""

# Chromium's fake devices have no plug: what is unplugged is left out of what the browser tells.
PLUGS = """
globalThis.unplugged = new Set(JSON.parse(sessionStorage.unplugged ?? "[]"));
const tells = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
navigator.mediaDevices.enumerateDevices = async () =>
  (await tells()).filter(({ label }) => !unplugged.has(label));
globalThis.plug = (labels) => {
  unplugged = new Set(labels);
  navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
};
"""
# As older Firefox does: no word about permission, no names before the microphone was given once.
TELLS_NOTHING = """
navigator.permissions.query = () => Promise.reject(new TypeError("microphone"));
let given = false;
const tells = navigator.mediaDevices.enumerateDevices.bind(navigator.mediaDevices);
const opens = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.enumerateDevices = async () =>
  (await tells()).map(({ kind, deviceId, label }) =>
    ({ kind, deviceId: given ? deviceId : "", label: given ? label : "" }));
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await opens(wanted);
  given = true;
  return stream;
};
"""
# The first microphone is silent: whatever is heard later comes from another one.
SILENT_AT_FIRST = """
const opens = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
let first = true;
navigator.mediaDevices.getUserMedia = async (wanted) => {
  if (!first) return opens(wanted);
  first = false;
  return new MediaStreamAudioDestinationNode(new AudioContext()).stream;
};
"""
KEEP_CONTEXTS = """
globalThis.contexts = [];
globalThis.AudioContext = class extends AudioContext {
  constructor(...settings) {
    super(...settings);
    contexts.push(this);
  }
};
"""
# Where Chromium opens anew: Firefox changes an open track, and tells so.
OBEYS = """
const { getSettings } = MediaStreamTrack.prototype;
MediaStreamTrack.prototype.applyConstraints = async function (wanted) {
  const { deviceId, ...rest } = wanted;
  this.getSettings = () => ({ ...getSettings.call(this), ...rest });
};
"""
# Fake devices do as they are told.
NEVER_SUPPRESSES = """
const { getSettings } = MediaStreamTrack.prototype;
MediaStreamTrack.prototype.getSettings = function () {
  return { ...getSettings.call(this), noiseSuppression: false };
};
"""
# Another program has the microphone, for a moment: no fake device can be kept busy by one.
FAILS_ONCE = """() => {
  const { mediaDevices } = navigator;
  const opens = mediaDevices.getUserMedia.bind(mediaDevices);
  mediaDevices.getUserMedia = () => {
    mediaDevices.getUserMedia = opens;
    return Promise.reject(new DOMException("busy", "NotReadableError"));
  };
}"""
PLAYED = """
globalThis.played = [];
const { play } = HTMLMediaElement.prototype;
HTMLMediaElement.prototype.play = function () {
  played.push({ sink: this.sinkId, stream: this.srcObject });
  return play.call(this);
};
"""
SOUNDS = """() => {
  if (!played.length) return false;
  globalThis.analyser ??= (() => {
    const context = new AudioContext();
    const made = context.createAnalyser();
    context.createMediaStreamSource(played[0].stream).connect(made);
    return made;
  })();
  const samples = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(samples);
  return Math.max(...samples) > 0.05;
}"""
SPOKEN_INTO = "peers.at(-1).getSenders()[0].track"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The whole of Chromium: its shell has no permissions to ask for, and no devices to choose."""
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    async with chromium("--allow-loopback-in-peer-connection", kind=WHOLE) as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    """The service and the loopback provider; one for all."""
    async with staged() as stage:
        yield stage


@contextlib.asynccontextmanager
async def unasked(url: str) -> AsyncIterator[Page]:
    """The page in a browser in which nobody has allowed anything yet."""
    async with chromium("--allow-loopback-in-peer-connection", without=ASKS, kind=WHOLE) as browser:
        page = await browser.new_page()
        await page.goto(url)
        yield page


def picker(page: Page, name: str) -> Locator:
    """Microphone or Speaker."""
    return page.get_by_role("combobox", name=name, exact=True)


def check(page: Page) -> Locator:
    """The device check as a whole."""
    return page.get_by_role("region", name="Devices", exact=True)


async def labels(page: Page, name: str) -> list[str]:
    """What can be chosen there."""
    await expect(picker(page, name)).to_be_enabled()
    return await picker(page, name).get_by_role("option").all_inner_texts()


async def choose(page: Page, name: str, label: str) -> None:
    """In the face Setup, where the pickers are in a call, too."""
    await view(page, "Setup")
    await picker(page, name).select_option(label=label)


async def chosen(page: Page, name: str, label: str) -> None:
    """Wait until a picker shows this one."""
    await expect(picker(page, name).locator("option:checked")).to_have_text(label)


async def speaks_into(page: Page, label: str) -> None:
    """Wait until the call sends this microphone."""
    await page.wait_for_function(f"label => {SPOKEN_INTO}?.label === label", arg=label)


async def plays_on(page: Page, label: str) -> None:
    """Wait until the model is played there; "": the system's own."""
    await page.wait_for_function(
        """async label => {
          const { sinkId } = document.querySelector("audio");
          const found = await navigator.mediaDevices.enumerateDevices();
          const there = found.find(({ deviceId }) => deviceId === sinkId)?.label ?? "";
          return sinkId === "" ? label === "" : there === label;
        }""",
        arg=label,
    )


# 1. Permission.


async def test_nothing_asks_by_itself(stage: Stage) -> None:
    """It is said that nobody has been asked; once allowed elsewhere, that is seen at once."""
    async with unasked(stage.url) as page:
        await expect(check(page)).to_contain_text("has not been allowed yet")
        await expect(picker(page, "Microphone")).to_be_disabled()
        await expect(check(page)).to_contain_text("until then devices have no names.")
        state = await page.evaluate(
            "navigator.permissions.query({ name: 'microphone' }).then(({ state }) => state)"
        )
        assert state == "prompt"
        await page.context.grant_permissions(["microphone"])
        await expect(check(page)).to_contain_text("The microphone is allowed.")
        assert await labels(page, "Microphone") == MICROPHONES
        await expect(button(page, "Allow microphone")).to_be_hidden()


async def test_a_refusal_is_told_with_the_way_out_of_it(stage: Stage) -> None:
    """The button stays, and keeps the focus; allowed in the browser's settings, all is well."""
    async with unasked(stage.url) as page:
        await button(page, "Allow microphone").click()
        await expect(check(page)).to_contain_text("The microphone is refused. Allow it for this")
        await expect(button(page, "Allow microphone")).to_be_focused()
        await page.context.grant_permissions(["microphone"])
        await expect(check(page)).to_contain_text("The microphone is allowed.")
        assert await labels(page, "Speaker") == SPEAKERS


async def test_a_refusal_when_connecting_is_told_too(stage: Stage) -> None:
    """The same sentence, though it was the call that asked."""
    async with unasked(stage.url) as page:
        await fill_in(page, MASTER_KEY)
        await button(page, "Connect").click()
        await expect(step(page, "microphone")).to_have_attribute("data-state", "failed")
        await view(page, "Setup")
        await expect(check(page)).to_contain_text("The microphone is refused.")


async def test_a_browser_that_does_not_tell_is_asked(stage: Stage, page: Page) -> None:
    """What is known after asking counts: names come, and the focus goes on to the picker."""
    await page.add_init_script(TELLS_NOTHING)
    await page.goto(stage.url)
    await expect(check(page)).to_contain_text("has not been allowed yet")
    await button(page, "Allow microphone").press("Enter")
    await expect(check(page)).to_contain_text("The microphone is allowed.")
    await expect(picker(page, "Microphone")).to_be_focused()
    assert await labels(page, "Microphone") == MICROPHONES


async def test_without_a_microphone_it_says_so(stage: Stage, page: Page) -> None:
    """And one that is plugged in appears by itself."""
    await page.add_init_script(PLUGS)
    await page.goto(stage.url)
    every = ["Fake Default Audio Input", *MICROPHONES[1:]]
    await page.evaluate("labels => plug(labels)", every)
    await expect(check(page)).to_contain_text("No microphone was found.")
    await expect(button(page, "Test microphone")).to_be_disabled()
    await page.evaluate("plug([])")
    await expect(check(page)).to_contain_text("The microphone is allowed.")


async def test_an_allowed_microphone_that_cannot_be_opened_is_told(
    stage: Stage, page: Page
) -> None:
    """Another program has it while the page asks for permission."""
    await page.add_init_script(TELLS_NOTHING)
    await page.goto(stage.url)
    await expect(check(page)).to_contain_text("has not been allowed yet")
    await page.evaluate(FAILS_ONCE)
    await button(page, "Allow microphone").click()
    await expect(check(page)).to_contain_text("It cannot be opened. Close other programs")
    await button(page, "Allow microphone").click()
    await expect(check(page)).to_contain_text("The microphone is allowed.")


async def connect_on_another_speaker(stage: Stage, page: Page) -> None:
    """A call that plays on the first of those that are not the system's own."""
    await page.goto(stage.url)
    await choose(page, "Speaker", "Fake Audio Output 1")
    await fill_in(page, MASTER_KEY)
    await button(page, "Connect").click()
    await connected(page)
    await plays_on(page, "Fake Audio Output 1")


async def test_a_speaker_that_refuses_all_leaves_no_error(stage: Stage, page: Page) -> None:
    """Neither the chosen one nor the system's own: the page goes on."""
    await connect_on_another_speaker(stage, page)
    await page.evaluate(
        """() => {
          globalThis.tried = [];
          HTMLMediaElement.prototype.setSinkId = (id) => {
            tried.push(id);
            return Promise.reject(new DOMException("none", "AbortError"));
          };
        }"""
    )
    await choose(page, "Speaker", "Fake Audio Output 2")
    await page.wait_for_function("tried.at(-1) === ''")
    await hang_up(page)  # an error would stand in the console by now


async def test_an_insecure_page_says_so(stage: Stage) -> None:
    """By a name that is not this machine's, over http: nothing of it can work."""
    port = stage.url.rpartition(":")[2]
    async with chromium(
        "--host-resolver-rules=MAP tester.example 127.0.0.1", kind=WHOLE
    ) as browser:
        page = await browser.new_page()
        await page.goto(f"http://tester.example:{port}")
        await expect(check(page)).to_contain_text("to secure pages only: open this page over https")
        await expect(button(page, "Allow microphone")).to_be_hidden()


# 2. Pickers.


async def test_another_microphone_in_a_call_takes_over(stage: Stage, page: Page) -> None:
    """Still muted; then heard by the lanes and by the recorder, and the first one is let go."""
    await page.add_init_script(SILENT_AT_FIRST)
    await page.add_init_script(KEEP_ATTACHED)
    await connect(stage, page)
    first = await page.evaluate_handle(SPOKEN_INTO)
    await button(page, "Mute").click()
    await choose(page, "Microphone", "Fake Audio Input 2")
    await speaks_into(page, "Fake Audio Input 2")
    assert await first.evaluate("track => track.readyState") == "ended"
    assert await page.evaluate("attached") == [False]
    assert await page.evaluate(f"{SPOKEN_INTO}.enabled") is False

    await button(page, "Mute").click()
    assert await page.evaluate(f"{SPOKEN_INTO}.enabled") is True
    meter = page.get_by_role("meter", name="Sound sent")
    await view(page, "Talk")
    await expect(meter).not_to_have_attribute("aria-valuenow", "0")
    await expect(status(page)).to_contain_text("You are speaking")
    await hang_up(page)
    left, _, _ = sides((await saved(page))[1])
    assert left > QUIET


async def test_another_speaker_plays_the_model(stage: Stage, page: Page) -> None:
    """Chosen before the call, and again in it."""
    await connect_on_another_speaker(stage, page)
    await choose(page, "Speaker", "Fake Audio Output 2")
    await plays_on(page, "Fake Audio Output 2")
    await expect(step(page, "first-audio")).to_have_attribute("data-state", "done")


async def test_what_goes_is_replaced_and_said(stage: Stage, page: Page) -> None:
    """In a call: the system's own instead, a sheet that says so; back again, it is used again."""
    await page.add_init_script(PLUGS)
    await connect(stage, page)
    await choose(page, "Microphone", "Fake Audio Input 1")
    await choose(page, "Speaker", "Fake Audio Output 1")
    await speaks_into(page, "Fake Audio Input 1")
    await plays_on(page, "Fake Audio Output 1")

    await page.evaluate("plug(['Fake Audio Input 1'])")
    await expect(failure(page)).to_contain_text("The microphone has gone")
    await expect(failure(page)).to_contain_text("Fake Audio Input 1 is no longer there.")
    await speaks_into(page, "Fake Default Audio Input")
    await chosen(page, "Microphone", MICROPHONES[0])
    await failure(page).get_by_role("button", name="Choose another microphone").click()
    await expect(picker(page, "Microphone")).to_be_focused()
    await expect(failure(page)).to_have_count(0)

    await page.evaluate("plug(['Fake Audio Input 1', 'Fake Audio Output 1'])")
    await expect(failure(page)).to_contain_text("The speaker has gone")
    await plays_on(page, "")
    await expect(check(page)).to_contain_text("Speaker Fake Audio Output 1 is not there")

    await page.evaluate("plug([])")
    await expect(check(page)).to_contain_text("Speaker Fake Audio Output 1 is back")
    await speaks_into(page, "Fake Audio Input 1")
    await plays_on(page, "Fake Audio Output 1")
    await chosen(page, "Microphone", "Fake Audio Input 1")


async def test_a_track_that_ends_is_opened_anew(stage: Stage, page: Page) -> None:
    """The system's own microphone was unplugged: the call takes what is the system's own now."""
    await connect(stage, page)
    first = await page.evaluate_handle(SPOKEN_INTO)
    # A fake device does not go: its track is ended by hand, and tells so as a real one does.
    await first.evaluate("track => { track.stop(); track.dispatchEvent(new Event('ended')); }")
    await page.wait_for_function(
        f"first => {SPOKEN_INTO} !== first && {SPOKEN_INTO}.readyState === 'live'", arg=first
    )


async def test_a_microphone_that_cannot_be_opened_leaves_the_call_as_it_was(
    stage: Stage, page: Page
) -> None:
    """Somebody else has it: the call speaks into the one before, and the sheet says so."""
    await connect(stage, page)
    # No fake device can be kept busy by another program.
    await page.evaluate(
        """() => {
          navigator.mediaDevices.getUserMedia = () =>
            Promise.reject(new DOMException("busy", "NotReadableError"));
        }"""
    )
    await choose(page, "Microphone", "Fake Audio Input 1")
    await expect(failure(page)).to_contain_text("The microphone was not changed")
    await expect(failure(page)).to_contain_text("Close other programs that use it")
    assert await page.evaluate(f"{SPOKEN_INTO}.readyState") == "live"
    await connected(page)


async def test_switched_in_vain_the_microphone_is_opened_as_it_was(
    stage: Stage, page: Page
) -> None:
    """Chromium has to let it go before it opens it otherwise; if that fails, the call keeps it."""
    await connect(stage, page)
    first = await page.evaluate_handle(SPOKEN_INTO)
    await page.evaluate(FAILS_ONCE)
    await view(page, "Setup")
    await page.get_by_role("switch", name="Noise suppression").uncheck()
    await expect(failure(page)).to_contain_text("The microphone was not changed")
    assert await page.evaluate(f"first => {SPOKEN_INTO} !== first", first)
    assert await page.evaluate(f"{SPOKEN_INTO}.readyState") == "live"
    assert await settings_of(page) == dict.fromkeys(SWITCHES, True)
    await expect(button(page, "Mute")).to_be_enabled()


async def test_a_call_that_loses_its_microphone_says_so(stage: Stage, page: Page) -> None:
    """Meanwhile another program has taken it: nobody can be muted; another choice mends it."""
    await quiet(stage, page)
    await page.evaluate(
        """() => {
          const { mediaDevices } = navigator;
          globalThis.opens = mediaDevices.getUserMedia.bind(mediaDevices);
          mediaDevices.getUserMedia = () =>
            Promise.reject(new DOMException("busy", "NotReadableError"));
        }"""
    )
    await view(page, "Setup")
    await page.get_by_role("switch", name="Noise suppression").uncheck()
    await expect(failure(page)).to_contain_text("The call has no microphone")
    await expect(failure(page)).to_contain_text("The model does not hear you")
    await expect(status(page)).to_contain_text("No microphone: write a message.")
    await expect(button(page, "Mute")).to_be_disabled()
    await page.evaluate("void (navigator.mediaDevices.getUserMedia = opens)")
    await choose(page, "Microphone", "Fake Audio Input 1")
    await speaks_into(page, "Fake Audio Input 1")
    await expect(button(page, "Mute")).to_be_enabled()


async def test_a_browser_with_one_speaker_says_so(stage: Stage, page: Page) -> None:
    """Firefox before 116, and Safari: no picker is offered."""
    await page.add_init_script("delete HTMLMediaElement.prototype.setSinkId")
    await page.goto(stage.url)
    await expect(check(page)).to_contain_text("plays on the system's own speaker")
    await expect(picker(page, "Speaker")).to_have_count(0)
    await button(page, "Play a tone").click()
    await expect(check(page)).to_contain_text("Played on the system default.")


# 3. Test of the microphone.


async def open_streams(page: Page) -> int:
    """How many microphones are open: a red light for each."""
    count: int = await page.evaluate(
        "streams.filter((stream) => stream.getTracks()[0].readyState === 'live').length"
    )
    return count


async def test_a_microphone_that_hears_is_told(stage: Stage, page: Page) -> None:
    """With its level, from the one that was chosen; after ten seconds it stops by itself."""
    await page.add_init_script(KEEP_STREAMS)
    await page.clock.install()
    await page.goto(stage.url)
    await choose(page, "Microphone", "Fake Audio Input 1")
    await button(page, "Test microphone").click()
    await expect(check(page)).to_contain_text("We hear you.")
    meter = page.get_by_role("meter", name="Microphone level")
    await expect(meter).not_to_have_attribute("aria-valuenow", "0")
    assert await page.evaluate("streams[0].getTracks()[0].label") == "Fake Audio Input 1"
    await choose(page, "Microphone", "Fake Audio Input 2")
    await page.wait_for_function("() => streams[1]?.getTracks()[0].label === 'Fake Audio Input 2'")
    assert await open_streams(page) == 1
    await page.clock.run_for(11_000)
    await expect(button(page, "Test microphone")).to_be_visible()
    await expect(meter).to_have_attribute("aria-valuenow", "0")
    assert await open_streams(page) == 0


async def test_a_silent_microphone_is_told_after_three_seconds(stage: Stage, page: Page) -> None:
    """Not before; with what to do about it."""
    await page.add_init_script(SILENT_AT_FIRST)
    await page.add_init_script(KEEP_CONTEXTS)
    await page.clock.install(time=0)
    await page.goto(stage.url)
    await page.clock.pause_at(60_000)
    await button(page, "Test microphone").click()
    await page.wait_for_function(
        "contexts.length === 2 && contexts.every(({ state }) => state === 'running')"
    )
    await page.clock.run_for(2900)
    await expect(check(page)).to_contain_text("Say something.")
    await page.clock.run_for(200)
    await expect(check(page)).to_contain_text("We hear nothing. Speak up")
    await button(page, "Stop the test").click()
    await expect(button(page, "Test microphone")).to_be_focused()
    await expect(check(page)).to_contain_text("We hear nothing. Speak up")


async def test_without_a_speaker_no_microphone_is_accused(stage: Stage, page: Page) -> None:
    """The browser then runs nothing that could tell how loud it is."""
    await page.add_init_script(
        """
        Object.defineProperty(AudioContext.prototype, "state", { get: () => "suspended" });
        AnalyserNode.prototype.getFloatTimeDomainData = (samples) => samples.fill(0);
        """
    )
    await page.clock.install()
    await page.goto(stage.url)
    await button(page, "Test microphone").click()
    await expect(check(page)).to_contain_text("Say something.")
    await page.clock.fast_forward(3000)
    await expect(check(page)).to_contain_text("does not tell how loud it is.")
    await expect(check(page)).not_to_contain_text("We hear nothing")


async def test_a_microphone_whose_level_cannot_be_read_is_let_go(stage: Stage, page: Page) -> None:
    """No red light stays on."""
    await page.add_init_script(KEEP_STREAMS)
    await page.goto(stage.url)
    await page.evaluate(
        """() => {
          AudioContext.prototype.createMediaStreamSource = () => {
            throw new DOMException("none", "NotSupportedError");
          };
        }"""
    )
    await button(page, "Test microphone").click()
    await expect(check(page)).to_contain_text("It cannot be opened.")
    await expect(button(page, "Test microphone")).to_be_enabled()
    assert await page.evaluate("streams.length") == 1
    assert await open_streams(page) == 0


async def test_the_test_ends_when_a_call_begins(stage: Stage, page: Page) -> None:
    """One microphone is open then, and it is the call's; there is no test in a call."""
    await page.add_init_script(KEEP_STREAMS)
    await page.goto(stage.url)
    await fill_in(page, MASTER_KEY)
    await button(page, "Test microphone").click()
    await expect(check(page)).to_contain_text("We hear you.")
    await button(page, "Connect").click()
    await connected(page)
    assert await open_streams(page) == 1
    assert await page.evaluate(f"streams.at(-1).getTracks()[0] === {SPOKEN_INTO}")
    await view(page, "Setup")
    await expect(button(page, "Test microphone")).to_be_disabled()
    await expect(check(page)).to_contain_text("In a call its level is under Talk.")
    await hang_up(page)
    await expect(button(page, "Test microphone")).to_be_enabled()


# 4. Switches.


async def settings_of(page: Page) -> dict[str, bool]:
    """How the browser processes what is sent."""
    settings: dict[str, Any] = await page.evaluate(f"{SPOKEN_INTO}.getSettings()")
    return {name: settings[name] for name in SWITCHES}


async def test_switches_go_into_the_call(stage: Stage, page: Page) -> None:
    """And change it while it goes on, mute and all."""
    await page.goto(stage.url)
    for name in ("Echo cancellation", "Noise suppression", "Automatic gain"):
        await expect(page.get_by_role("switch", name=name)).to_be_checked()
    await page.get_by_role("switch", name="Noise suppression").uncheck()
    await fill_in(page, MASTER_KEY)
    await button(page, "Connect").click()
    await connected(page)
    assert await settings_of(page) == dict(zip(SWITCHES, (True, False, True), strict=True))

    await button(page, "Mute").click()
    await view(page, "Setup")
    await page.get_by_role("switch", name="Automatic gain").uncheck()
    await page.wait_for_function(f"() => !{SPOKEN_INTO}.getSettings().autoGainControl")
    assert await settings_of(page) == dict(zip(SWITCHES, (True, False, False), strict=True))
    assert await page.evaluate(f"{SPOKEN_INTO}.enabled") is False


async def test_a_browser_that_can_changes_the_open_track(stage: Stage, page: Page) -> None:
    """By constraints: the microphone is not opened a second time."""
    await page.add_init_script(KEEP_STREAMS)
    await page.add_init_script(OBEYS)
    await connect(stage, page)
    await view(page, "Setup")
    await page.get_by_role("switch", name="Echo cancellation").uncheck()
    await page.wait_for_function(f"() => !{SPOKEN_INTO}.getSettings().echoCancellation")
    await choose(page, "Speaker", "Fake Audio Output 1")
    await plays_on(page, "Fake Audio Output 1")
    assert await page.evaluate("streams.length") == 1


async def test_what_the_browser_does_otherwise_is_told(stage: Stage, page: Page) -> None:
    """A microphone whose noise is not suppressed, whatever one wishes."""
    await page.add_init_script(NEVER_SUPPRESSES)
    await connect(stage, page)
    await view(page, "Setup")
    await expect(check(page)).to_contain_text(
        "Not as chosen, by the browser's own decision: noise suppression."
    )


# 5. A tone.


async def test_a_tone_comes_from_the_chosen_speaker(stage: Stage, page: Page) -> None:
    """It sounds, there, and ends."""
    await page.add_init_script(PLAYED)
    await page.goto(stage.url)
    await choose(page, "Speaker", "Fake Audio Output 2")
    await button(page, "Play a tone").click()
    await page.wait_for_function(SOUNDS)
    assert await page.evaluate("played[0].sink") == await picker(page, "Speaker").input_value()
    await expect(check(page)).to_contain_text("Played on Fake Audio Output 2.")
    await page.wait_for_function(f"() => !({SOUNDS})()")


async def test_a_tone_that_nobody_can_play_is_told(stage: Stage, page: Page) -> None:
    """The browser refuses it, and then waits for ever: the button can be pressed again."""
    await page.clock.install()
    await page.goto(stage.url)
    await page.evaluate(
        """() => {
          globalThis.plays = HTMLMediaElement.prototype.play;
          HTMLMediaElement.prototype.play = () =>
            Promise.reject(new DOMException("none", "NotSupportedError"));
        }"""
    )
    tone = button(page, "Play a tone")
    await tone.click()
    await expect(check(page)).to_contain_text("Nothing was played. Is there a speaker?")
    await page.evaluate("() => { HTMLMediaElement.prototype.play = () => new Promise(() => {}); }")
    await tone.click()
    await expect(check(page)).to_contain_text("Playing.")
    await page.clock.fast_forward(4000)
    await expect(check(page)).to_contain_text("Nothing was played. Is there a speaker?")
    await page.evaluate("() => { HTMLMediaElement.prototype.play = plays; }")
    await tone.click()
    await expect(check(page)).to_contain_text("Played on the system default.")


# 6. What was chosen is remembered.


async def test_the_choice_outlives_the_page(stage: Stage, page: Page) -> None:
    """Devices and switches, nothing else; a call uses them."""
    await page.goto(stage.url)
    await fill_in(page, MASTER_KEY)
    await choose(page, "Microphone", "Fake Audio Input 2")
    await choose(page, "Speaker", "Fake Audio Output 1")
    await page.get_by_role("switch", name="Noise suppression").uncheck()
    kept = await page.evaluate("Object.entries(localStorage)")
    assert MASTER_KEY not in json.dumps(kept)
    ((_, value),) = kept
    assert sorted(json.loads(value)) == sorted(["microphone", "speaker", *SWITCHES])

    await page.reload()
    await chosen(page, "Microphone", "Fake Audio Input 2")
    await chosen(page, "Speaker", "Fake Audio Output 1")
    await expect(page.get_by_role("switch", name="Noise suppression")).not_to_be_checked()
    await fill_in(page, MASTER_KEY)
    await button(page, "Connect").click()
    await connected(page)
    await speaks_into(page, "Fake Audio Input 2")
    await plays_on(page, "Fake Audio Output 1")


async def test_a_remembered_device_is_put_back_when_it_is_there(stage: Stage, page: Page) -> None:
    """Until then the system's own, which is said."""
    await page.add_init_script(PLUGS)
    await page.goto(stage.url)
    await choose(page, "Microphone", "Fake Audio Input 2")
    await page.evaluate("sessionStorage.unplugged = JSON.stringify(['Fake Audio Input 2'])")
    await page.reload()
    await chosen(page, "Microphone", MICROPHONES[0])
    await expect(check(page)).to_contain_text("Microphone that was chosen is not there")
    await page.evaluate("plug([])")
    await chosen(page, "Microphone", "Fake Audio Input 2")
    await expect(check(page)).to_contain_text("Microphone Fake Audio Input 2 is back")


@pytest.mark.parametrize("kept", ["{", "[1]", '{"microphone": 7, "echoCancellation": "no"}'])
async def test_what_somebody_else_has_kept_there_is_not_believed(
    stage: Stage, page: Page, kept: str
) -> None:
    """The page opens with the usual choice."""
    await page.goto(stage.url)
    await page.evaluate("kept => localStorage.setItem('signaller.devices', kept)", kept)
    await page.reload()
    await chosen(page, "Microphone", MICROPHONES[0])
    await expect(page.get_by_role("switch", name="Echo cancellation")).to_be_checked()


# Ways that lead here.


async def test_who_hears_nothing_is_led_to_the_microphones(stage: Stage, page: Page) -> None:
    """Silence in a real stream: the dialog's button ends at the picker."""
    await page.add_init_script(SILENT_AT_FIRST)
    await connect(stage, page)
    await button(page, "I hear nothing").click()
    dialog = page.get_by_role("dialog", name="I hear nothing")
    await dialog.get_by_role("button", name="Choose a device").click()
    await expect(picker(page, "Microphone")).to_be_focused()


async def test_who_hears_nothing_gets_the_systems_speaker(stage: Stage, page: Page) -> None:
    """A chosen one that is not there: the picker goes back, and the tests go on."""
    await page.add_init_script(PLUGS)
    await connect(stage, page)
    await expect(step(page, "first-audio")).to_have_attribute("data-state", "done")
    await choose(page, "Speaker", "Fake Audio Output 1")
    await plays_on(page, "Fake Audio Output 1")
    await page.evaluate("unplugged.add('Fake Audio Output 1')")  # and nobody has told the page yet
    await button(page, "I hear nothing").click()
    dialog = page.get_by_role("dialog", name="I hear nothing")
    await dialog.get_by_role("button", name="Use the system's speaker").click()
    await expect(dialog.locator('[data-test="output"]')).to_have_attribute("data-verdict", "good")
    await chosen(page, "Speaker", SPEAKERS[0])
    await plays_on(page, "")


async def test_a_microphone_in_use_elsewhere_leads_to_another(stage: Stage, page: Page) -> None:
    """From the rung that failed to the picker."""
    await refuse_microphone(page, "NotReadableError")
    await page.goto(stage.url)
    await fill_in(page, MASTER_KEY)
    await button(page, "Connect").click()
    await failure(page).get_by_role("button", name="Choose another microphone").click()
    await expect(picker(page, "Microphone")).to_be_focused()
    await expect(failure(page)).to_have_count(0)


# Manners.


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
async def test_axe_finds_nothing(stage: Stage, browser: Browser, width: int, scheme: Any) -> None:
    """Unasked, allowed, testing, gone, one speaker only; and nothing is complained of."""
    desk = {"width": width, "height": 800}
    async with inspected(browser, color_scheme=scheme, viewport=desk) as page:
        await page.add_init_script(TELLS_NOTHING)
        await page.add_init_script(
            PLUGS.replace("const tells", "const names").replace("tells()", "names()")
        )
        await page.goto(stage.url)
        await expect(check(page)).to_contain_text("has not been allowed yet")
        assert await violations(page) == []

        await button(page, "Test microphone").click()
        await expect(check(page)).to_contain_text("We hear you.")
        assert await violations(page) == []
        await choose(page, "Microphone", "Fake Audio Input 1")
        await page.evaluate("plug(['Fake Audio Input 1'])")
        await expect(check(page)).to_contain_text("is not there")
        assert await violations(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= width

        await page.add_init_script("delete HTMLMediaElement.prototype.setSinkId")
        await page.reload()
        await expect(check(page)).to_contain_text("plays on the system's own speaker")
        assert await violations(page) == []


@pytest.mark.parametrize(("width", "height"), [(1280, 650), (390, 844), (1920, 1080)])
async def test_nothing_moves(stage: Stage, browser: Browser, width: int, height: int) -> None:
    """Testing both, choosing, and a call that begins and ends."""
    page = await browser.new_page(viewport={"width": width, "height": height})
    await page.add_init_script(SHIFTS)
    await page.add_init_script(NEVER_SUPPRESSES)
    await page.goto(stage.url)
    await fill_in(page, MASTER_KEY)
    await button(page, "Test microphone").click()
    await expect(check(page)).to_contain_text("We hear you.")
    await button(page, "Play a tone").click()
    await expect(check(page)).to_contain_text("Played on the system default.")
    await choose(page, "Microphone", "Fake Audio Input 1")
    await nothing_moved(page)
    await button(page, "Connect").click()
    await connected(page)
    await view(page, "Setup")
    await expect(check(page)).to_contain_text("In a call its level is under Talk.")
    await expect(check(page)).to_contain_text("by the browser's own decision")
    await page.get_by_role("switch", name="Noise suppression").uncheck()
    await expect(check(page)).not_to_contain_text("by the browser's own decision")
    await hang_up(page)
    await nothing_moved(page)
    await page.close()


async def test_the_device_check_is_done_by_keyboard_alone(stage: Stage, page: Page) -> None:
    """From one thing to the next with Tab; nothing loses the focus."""
    await page.goto(stage.url)
    await expect(picker(page, "Microphone")).to_be_enabled()
    await picker(page, "Microphone").focus()
    await page.keyboard.press("ArrowDown")
    await chosen(page, "Microphone", "Fake Audio Input 1")
    await page.keyboard.press("Tab")
    await expect(button(page, "Test microphone")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(check(page)).to_contain_text("We hear you.")
    await page.keyboard.press("Enter")
    await expect(button(page, "Test microphone")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(picker(page, "Speaker")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(button(page, "Play a tone")).to_be_focused()
    await page.keyboard.press("Space")
    await expect(check(page)).to_contain_text("Played on the system default.")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await expect(field(page, "Echo cancellation")).not_to_be_checked()
