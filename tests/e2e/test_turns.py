"""The conversation: how long answers took, what they cost, and where they were interrupted."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Download, Page, expect

from tests.e2e.conftest import KEEP_PEERS
from tests.e2e.looks import clean, inspected
from tests.e2e.tester import (
    button,
    connect,
    connect_at,
    connected,
    failure,
    field,
    fill_in,
    hang_up,
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
from tests.support.stage import Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

BETWEEN_BEEPS: dict[str, object] = {
    "audio": {"input": {"turn_detection": {"silence_duration_ms": 200}}}
}
"""The fake microphone beeps once a second: half a second of silence would seldom end a turn."""
LONG = "Please read this to me. " * 20
ANSWERED = re.compile(r"answered after [\d.,]+\sm?s · [\d,]+\stokens")
INK = """
canvas => {
  // Of a copy: Chromium complains of a canvas that is read again and again.
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  let tallest = 0;
  for (let x = 0; x < canvas.width; x++) {
    let tall = 0;
    for (let y = 0; y < canvas.height; y++) if (data[4 * (y * canvas.width + x) + 3]) tall++;
    tallest = Math.max(tallest, tall);
  }
  return tallest / canvas.height;
}
"""
MARKED = """
canvas => {
  const { width, height } = canvas;
  const pen = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  const colours = getComputedStyle(canvas);
  const [bad, model] = ["--bad", "--model"].map((name) => {
    pen.fillStyle = colours.getPropertyValue(name);
    pen.fillRect(0, 0, 1, 1);
    return String(pen.getImageData(0, 0, 1, 1).data);
  });
  pen.clearRect(0, 0, 1, 1);
  pen.drawImage(canvas, 0, 0);
  const { data } = pen.getImageData(0, 0, width, height);
  const at = (x, y) => String(data.slice(4 * (y * width + x), 4 * (y * width + x) + 4));
  for (let x = width - 1; x > 0; x--) {
    if (at(x, height - 1) !== bad) continue;
    let [tall, long] = [0, 0];
    for (let y = height - 1; y >= 0; y--) tall += at(x, y) === bad;
    for (let left = x - 1; left > 0 && [bad, model].includes(at(left, height - 1)); left--) long++;
    return [tall / height, long];
  }
  return null;
}
"""
"""Of a lane: how tall the mark of an interruption is, how long the line below the turn before."""
"""Of a lane: the share of its height that its tallest column has."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    """The service and the loopback provider."""
    async with staged() as stage:
        yield stage


async def unheard(stage: Stage, page: Page) -> None:
    """In a call without a microphone: nothing happens in it but what is written."""
    await refuse_microphone(page)
    await page.goto(stage.url)
    await fill_in(page, MASTER_KEY)
    await button(page, "Connect").click()
    await failure(page).get_by_role("button", name="Connect without a microphone").click()
    await connected(page)


async def read(download: Download) -> tuple[str, str]:
    """Name and text of a file that was saved."""
    return download.suggested_filename, (
        await asyncio.to_thread(Path(await download.path()).read_text)
    )


async def loud(page: Page, who: str) -> None:
    """Wait until a lane shows sound."""
    lane = page.locator(f'.lane[data-who="{who}"] canvas')
    await page.wait_for_function(
        f"canvas => ({INK})(canvas) > 0.5", arg=await lane.element_handle()
    )


async def test_a_written_message_says_what_its_answer_took_and_cost(
    stage: Stage, page: Page
) -> None:
    """In the turn, and beside the waveform; what is told is what was measured."""
    await quiet(stage, page)
    await page.evaluate(
        """() => {
          const [channel] = peers.at(-1).channels;
          globalThis.asked = Infinity;
          const send = channel.send.bind(channel);
          channel.send = (data) => { asked = Math.min(asked, performance.now()); send(data); };
          channel.addEventListener("message", ({ data }) => {
            if (JSON.parse(data).type === "output_audio_buffer.started")
              globalThis.took = performance.now() - asked;
          });
        }"""
    )
    await write(page, "Good morning")
    answer = turns(page, "model", "You wrote: Good morning")
    await expect(answer).to_contain_text(ANSWERED)
    told = re.search(r"answered after (\d+)\sms", await answer.inner_text())
    assert told, await answer.inner_text()
    assert int(told[1]) == pytest.approx(await page.evaluate("took"), abs=50)
    beside = page.locator(".lanes-answer")
    await expect(beside).to_have_text(f"Answered after {told[1]} ms")


async def test_what_is_said_is_answered_in_a_measured_time(stage: Stage, page: Page) -> None:
    """From the end of the speech; both lanes show the sound of their side."""
    await connect(stage, page)
    await view(page, "Talk")
    await loud(page, "you")
    await update_session(page, BETWEEN_BEEPS)
    await expect(turns(page, "model", "answered after").first).to_contain_text("You spoke for")
    await loud(page, "model")
    for name in ("Sound sent", "Sound received"):
        await page.wait_for_function(
            "meter => meter.getAttribute('aria-valuenow') !== '0'",
            arg=await page.get_by_role("meter", name=name).element_handle(),
        )


async def test_an_interrupted_turn_says_so(stage: Stage, page: Page) -> None:
    """By the button, in its lane, too; and by speaking, with how much of it was heard."""
    await quiet(stage, page)
    await write(page, LONG)
    await expect(status(page)).to_contain_text("Model is speaking")
    await button(page, "Interrupt").click()
    cut = turns(page, "model", "interrupted")
    await expect(cut).to_have_count(1)
    mark, note = await cut.evaluate(
        """(turn) => [
          getComputedStyle(turn.querySelector(".turn-text"), "::after"),
          getComputedStyle(turn.querySelector(".turn-note")),
        ].map(({ content, color }) => [content, color])"""
    )
    assert mark == ['"—"', note[1]]  # a sentence broken off, and no error
    lane = await page.locator('.lane[data-who="model"] canvas').element_handle()
    marked = await page.wait_for_function(MARKED, arg=lane)
    tall, long = await marked.json_value()
    assert tall > 0.7  # above it may stand when the answer began
    assert long > 3
    await update_session(page, BETWEEN_BEEPS)
    spoken = turns(page, "model", "You spoke for").filter(
        has_text=re.compile(r"interrupted after \d+\.\d\ss")
    )
    await expect(spoken.first).to_be_visible()


async def test_nobody_is_speaking_once_the_call_is_over(stage: Stage, page: Page) -> None:
    """Whoever was, when it ended, is said to have spoken."""
    await connect(stage, page)
    await view(page, "Talk")
    begun = page.locator("#transcript li[aria-busy=true]").filter(has_text="speaking")
    await expect(begun).to_have_count(1)
    await hang_up(page)
    await expect(turns(page, "you", "spoken, not transcribed").last).to_be_visible()
    await expect(page.locator("#transcript li[aria-busy=true]")).to_have_count(0)


@pytest.mark.in_firefox
async def test_the_volume_is_the_voices(stage: Stage, page: Page) -> None:
    """By keyboard, down to silence and up again."""
    await connect(stage, page)
    slider = field(page, "Volume")
    volume = "document.querySelector('audio').volume"
    await slider.press("Home")
    assert await page.evaluate(volume) == 0
    await slider.press("ArrowRight")
    assert await page.evaluate(volume) == pytest.approx(0.05)
    await slider.press("End")
    assert await page.evaluate(volume) == 1


async def test_a_call_is_summed_up(stage: Stage, page: Page) -> None:
    """Why it ended, turns, median answer and tokens; the conversation can be saved both ways."""
    await unheard(stage, page)
    for text in ("Good morning", "And good night"):
        await write(page, text)
        await expect(turns(page, "model", text)).to_contain_text(ANSWERED)
    call = await page.locator("#call-id").inner_text()
    tokens = sum(
        int(each.replace(",", ""))
        for each in re.findall(r"([\d,]+)\stokens", await page.locator("#transcript").inner_text())
    )
    summary = page.get_by_role("region", name="The call", exact=True)
    await expect(summary).to_be_hidden()
    await hang_up(page)
    await view(page, "Talk")
    await expect(summary).to_contain_text("You hung up.")
    await expect(summary).to_contain_text(re.compile(r"Turns\s*4"))
    await expect(summary).to_contain_text(re.compile(r"Answer\s*[\d.]+\sm?s\s*median"))
    await expect(summary).to_contain_text(f"{tokens:,}")

    async with page.expect_download() as saving:
        await button(page, "Save transcript").click()
    name, text = await read(await saving.value)
    assert name == f"{call}.txt"
    assert "You hung up." in text
    assert re.search(r"^\[0:\d\d\] You: Good morning$", text, re.MULTILINE)
    assert re.search(
        r"^\[0:\d\d\] Model: You wrote: And good night \(answered after", text, re.MULTILINE
    )

    async with page.expect_download() as saving:
        await button(page, "Save as JSON").click()
    kept = json.loads((await read(await saving.value))[1])
    assert kept["call"] == call
    assert [turn["who"] for turn in kept["turns"]] == ["you", "model", "you", "model"]
    assert sum(kept["figures"]["tokens"].values()) == tokens
    assert MASTER_KEY not in json.dumps(kept)

    await button(page, "Connect").click()
    await expect(failure(page)).to_be_visible()
    await expect(summary).to_be_hidden()


async def test_a_call_that_never_was_has_no_summary(stage: Stage, page: Page) -> None:
    """What failed before it began is told by its failure alone."""
    await page.goto(stage.url)
    await field(page, "Key").fill("not-a-key")
    await field(page, "Model").fill("voice")
    await button(page, "Connect").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await expect(page.get_by_role("region", name="The call", exact=True)).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_in_a_conversation(
    stage: Stage, browser: Browser, scheme: Any
) -> None:
    """With an interrupted turn, and with the summary, on a phone and on a desk."""
    async with inspected(browser, color_scheme=scheme) as page:
        await page.add_init_script(KEEP_PEERS)
        await connect_at(stage.url, page, MASTER_KEY)
        await write_only(page)
        await view(page, "Talk")
        await write(page, LONG)
        await expect(status(page)).to_contain_text("Model is speaking")
        await button(page, "Interrupt").click()
        await expect(turns(page, "model", "interrupted")).to_have_count(1)
        for over in (False, True):
            if over:
                await hang_up(page)
                await expect(button(page, "Save sound")).to_be_enabled()
            await clean(page, f"over: {over}", "Talk")


async def test_a_voice_that_the_browser_holds_back_is_played_by_a_button(
    stage: Stage, page: Page
) -> None:
    """Some let nothing sound that nobody has pressed a button for."""
    await page.add_init_script(
        """
        const plays = HTMLMediaElement.prototype.play;
        HTMLMediaElement.prototype.play = function () {
          if (navigator.userActivation.isActive && globalThis.pressed) return plays.call(this);
          this.pause();
          return Promise.reject(new DOMException("", "NotAllowedError"));
        };
        """
    )
    await connect(stage, page)
    play = button(page, "Play the model's voice")
    await expect(play).to_be_visible()
    await page.evaluate("globalThis.pressed = true")
    await play.click()
    await expect(play).to_be_hidden()
    assert not await page.evaluate("document.querySelector('audio').paused")
    await hang_up(page)


async def test_without_motion_the_lanes_stand_still(stage: Stage, browser: Browser) -> None:
    """They are written from the left, like a page; what has been drawn does not move on.

    Nor does anything else move on its way into a call.
    """
    page = await browser.new_page(reduced_motion="reduce")
    await page.add_init_script(
        """globalThis.moves = [];
        for (const type of ["animationstart", "transitionrun"])
          addEventListener(type, ({ target }) => moves.push(type + target.outerHTML), true);"""
    )
    await connect_at(stage.url, page, MASTER_KEY)
    await loud(page, "you")
    leftmost = """
    () => {
      const canvas = document.querySelector('.lane[data-who="you"] canvas');
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      for (let x = 0; x < canvas.width; x++) {
        let tall = 0;
        for (let y = 0; y < canvas.height; y++) if (data[4 * (y * canvas.width + x) + 3]) tall++;
        if (tall > canvas.height / 2) return x;
      }
      return null;
    }
    """
    before = await page.evaluate(leftmost)
    await expect(page.get_by_role("banner")).to_contain_text("0:03")
    assert await page.evaluate(leftmost) == before
    assert await page.evaluate("moves") == []
    await page.close()


async def test_what_was_said_meanwhile_is_in_sight(stage: Stage, page: Page) -> None:
    """While another view is in front the conversation goes on, and is followed."""
    await page.set_viewport_size({"width": 1280, "height": 650})
    await unheard(stage, page)
    await view(page, "Talk")
    await write(page, "What a long way to say it. " * 60)
    await expect(page.locator('#transcript li[data-who="model"]')).to_contain_text(ANSWERED)
    await view(page, "Setup")
    await view(page, "Events")
    await button(page, "Compose").click()
    content = [{"type": "input_text", "text": "And what a long way to end it. " * 60}]
    item = {"type": "message", "role": "user", "content": content}
    event = {"type": "conversation.item.create", "item": item}
    await field(page, "Event as JSON").fill(json.dumps(event))
    await button(page, "Send event").click()
    await expect(turns(page, "you", "to end it")).to_be_attached()
    await view(page, "Talk")
    await page.wait_for_function(
        """() => {
          const { scrollTop, scrollHeight, clientHeight } =
            document.querySelector(".transcript-scroll");
          return scrollHeight > 2 * clientHeight && scrollHeight - clientHeight - scrollTop < 2;
        }"""
    )
