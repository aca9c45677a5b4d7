"""The tester page as a person uses it: by roles and names, as assistive technology tells them."""

import asyncio
import json
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, Route, expect

from tests.support.service import MASTER_KEY, MODEL
from tests.support.stage import Stage


async def connect(stage: Stage, page: Page) -> None:
    """Open the page, fill in key and model, press Connect, and wait for the session."""
    await connect_at(stage.url, page, MASTER_KEY)


async def connect_at(url: str, page: Page, key: str) -> None:
    """The same with any key, at any service."""
    await page.goto(url)
    await fill_in(page, key)
    await button(page, "Connect").click()
    await connected(page)


async def fill_in(page: Page, key: str) -> None:
    """Key and model, as they are typed once the page knows that no list of models is complete."""
    await expect(page.locator("input#model")).to_be_attached()
    if not await field(page, "Key").is_visible():
        await view(page, "Setup")
    await field(page, "Key").fill(key)
    await field(page, "Model").fill(MODEL)


async def refuse_microphone(page: Page, error: str = "NotFoundError") -> None:
    """None is given: Chromium's fake devices can be neither missing nor busy."""
    await page.add_init_script(  # the empty page before ours has none to give
        "if (navigator.mediaDevices) navigator.mediaDevices.getUserMedia = () =>"
        f" Promise.reject(new DOMException('none', '{error}'));"
    )


async def connected(page: Page) -> None:
    """Wait for the session, and for the status to say so."""
    await expect(step(page, "session-created")).to_have_attribute("data-state", "done")
    await expect(status(page)).to_have_attribute("data-state", "connected")


async def hang_up(page: Page) -> None:
    """Press Hang up, and wait until the page says that the call is over."""
    await button(page, "Hang up").click()
    await expect(status(page)).to_have_attribute("data-state", "ended")


async def write(page: Page, text: str) -> None:
    """Write a message to the model."""
    await field(page, "Message").fill(text)
    await field(page, "Message").press("Enter")


async def update_session(page: Page, session: dict[str, object]) -> None:
    """Send session.update from the editor, and wait until the provider has taken it."""
    await send_update(page, session)
    await expect(page.locator("#session-note")).to_have_attribute("data-state", "good")


async def send_update(page: Page, session: dict[str, object]) -> None:
    """The same without waiting, for what may be the end of the call."""
    await view(page, "Update")
    editor = page.get_by_label("Session to send with session.update, as JSON")
    await editor.fill(json.dumps({"type": "realtime", **session}))
    await button(page, "Send session.update").click()


async def write_only(page: Page) -> None:
    """The fake microphone beeps: from now on the model hears what is written, and nothing else.

    The page must keep its `peers` within reach, as the fixture's does.
    """
    session = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
    await page.evaluate(
        """async (event) => {
          const [channel] = peers.at(-1).channels;
          const updated = new Promise((resolve) => {
            channel.addEventListener("message", ({ data }) => {
              if (JSON.parse(data).type === "session.updated") resolve();
            });
          });
          channel.send(JSON.stringify(event));
          await updated;
        }""",
        {"type": "session.update", "session": session},
    )


async def quiet(stage: Stage, page: Page) -> None:
    """In a call in which nobody is heard unless they write."""
    await connect(stage, page)
    await write_only(page)
    await expect(status(page)).to_contain_text("Listening")


async def view(page: Page, name: str) -> None:
    """Bring a tab to the front."""
    await page.get_by_role("tab", name=name, exact=True).click()


async def logged(page: Page) -> list[dict[str, Any]]:
    """All that is among the events, as they are saved: `at`, `direction`, `event`."""
    await view(page, "Events")
    async with page.expect_download() as download:
        await button(page, "Save").click()
    return read_lines(await (await download.value).path())


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON Lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


async def example(page: Page, language: str) -> str:
    """The code in this language, as it would be copied."""
    code = page.get_by_role("region", name="Code")
    await button(page, language).click()
    await expect(button(page, language)).to_have_attribute("aria-pressed", "true")
    name = "native" if language == "React Native" else language.lower()
    await expect(code).to_have_attribute("data-language", name)
    return str(await code.text_content())


async def held_back(page: Page, url: str, *, times: int | None = None) -> asyncio.Event:
    """Hold such requests, or so many of them, back until the event is set."""
    goes = asyncio.Event()

    async def hold(route: Route) -> None:
        await goes.wait()
        await route.continue_()

    await page.route(url, hold, times=times)
    return goes


async def may_copy(page: Page) -> None:
    """Chromium's shell gives no leave to write on the clipboard; in Firefox none is needed."""
    browser = page.context.browser
    if browser and browser.browser_type.name == "chromium":
        await page.context.grant_permissions(["clipboard-write"])


async def copied(page: Page) -> str:
    """What the page has put on the clipboard, as it is pasted."""
    await page.evaluate("document.body.append(document.createElement('textarea'))")
    pasted = page.locator("body > textarea")
    await pasted.press("Control+v")
    await expect(pasted).not_to_have_value("")
    text = await pasted.input_value()
    await pasted.evaluate("(field) => field.remove()")
    return text


def events(page: Page) -> Locator:
    """The events that are in sight, and some beyond."""
    return page.get_by_role("listbox", name="Events", exact=True).get_by_role("option")


def button(page: Page, name: str) -> Locator:
    """A button by its name."""
    return page.get_by_role("button", name=name, exact=True)


def field(page: Page, name: str) -> Locator:
    """A field by its label."""
    return page.get_by_label(name, exact=True)


def status(page: Page) -> Locator:
    """The state of the call in words, in the bar that is always in sight."""
    return page.get_by_role("banner").get_by_role("status")


def failure(page: Page) -> Locator:
    """What the page says about a failure."""
    return page.get_by_role("alert")


def step(page: Page, name: str) -> Locator:
    """One rung of the ladder."""
    return page.locator(f'[data-step="{name}"]')


def turns(page: Page, who: str, text: str) -> Locator:
    """What one side has said, as far as it has this text."""
    return page.locator(f'#transcript li[data-who="{who}"]').filter(has_text=text)
