"""The events as the page shows them: found, read, kept, loaded; without a call that succeeds."""

import json
import re
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.e2e.tester import button, copied, events, field, logged, may_copy, view
from tests.page.conftest import Service, failure
from tests.support.browser import tab

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

MANY = 50_000
MOST_IN_DOCUMENT = 80
SLOWEST_MS = 50
ROUNDS = 3
Line = dict[str, object]


def received(type: str, at: float, **members: object) -> Line:
    """A line of what came from the provider."""
    return {"at": at, "direction": "in", "event": {"type": type, **members}}


def chosen(page: Page) -> Locator:
    """The line that arrows have reached."""
    return page.get_by_role("listbox", name="Events").get_by_role("option", selected=True)


async def load(page: Page, text: str, name: str = "saved.jsonl") -> None:
    """Choose a file with this text."""
    async with page.expect_file_chooser() as chooser:
        await button(page, "Load").click()
    await (await chooser.value).set_files(
        {"name": name, "mimeType": "application/jsonl", "buffer": text.encode()}
    )


def lines(every: Iterable[Line]) -> str:
    """As JSON Lines."""
    return "".join(json.dumps(each) + "\n" for each in every)


async def opened(service: Service, page: Page) -> None:
    """The page, with the events in front."""
    await page.goto(service.url)
    await expect(field(page, "Key")).to_have_value("sk-page")
    await view(page, "Events")
    await expect(field(page, "Search")).to_be_visible()


@pytest.mark.in_firefox
async def test_words_and_families_filter(service: Service, page: Page) -> None:
    """Words must occur, one with a minus must not; of families those pressed are shown.

    What is copied is what is shown.
    """
    await may_copy(page)
    service.mint = failure(429, "rate_limited", "Slowly.")
    await opened(service, page)
    for expected in (3, 6):  # with the line where each call begins
        await button(page, "Connect").click()
        await expect(events(page)).to_have_count(expected)
    await expect(page.get_by_text("4 events")).to_be_visible()
    await field(page, "Search").fill("client_secrets")
    await expect(events(page).filter(has_text="POST")).to_have_count(2)
    await expect(page.get_by_text("2 of 4")).to_be_visible()
    await button(page, "Copy").click()
    await expect(page.get_by_text("2 copied")).to_be_visible()
    both = [json.loads(line) for line in (await copied(page)).splitlines()]
    assert [each["event"]["path"] for each in both] == 2 * ["/v1/realtime/client_secrets"]
    await field(page, "Search").fill("-client_secrets -calls")
    await expect(events(page)).to_have_count(0)
    await expect(page.get_by_text("No event matches the search.")).to_be_visible()
    await field(page, "Search").fill("")
    await button(page, "Session").click()
    await expect(page.get_by_text("0 of 4")).to_be_visible()
    await button(page, "HTTP").click()
    await expect(page.get_by_text("4 events")).to_be_visible()
    await button(page, "Clear").click()
    await expect(events(page)).to_have_count(0)
    await expect(page.get_by_text("Every request and event will appear here")).to_be_visible()


OF_EACH_FAMILY: dict[str, Line] = {
    "HTTP": {"direction": "http", "event": {"method": "GET", "path": "/v1/realtime/calls"}},
    "Session": {"direction": "out", "event": {"type": "session.update"}},
    "Input": {"direction": "in", "event": {"type": "input_audio_buffer.committed"}},
    "Item": {"direction": "in", "event": {"type": "conversation.item.added"}},
    "Response": {"direction": "in", "event": {"type": "response.created"}},
    "Output": {"direction": "in", "event": {"type": "output_audio_buffer.started"}},
    "Tool": {"direction": "in", "event": {"type": "response.function_call_arguments.done"}},
    "Error": {"direction": "in", "event": {"type": "error"}},
    "Other": {"direction": "in", "event": {"type": "rate_limits.updated"}},
}


async def test_each_family_has_its_chip(service: Service, page: Page) -> None:
    """Pressed alone it leaves its own events: each with time, direction, family and type."""
    await opened(service, page)
    every = [{"at": 1234 + at, **line} for at, line in enumerate(OF_EACH_FAMILY.values())]
    await load(page, lines(every))
    await expect(page.get_by_text("9 events")).to_be_visible()
    said = {"out": "sent", "in": "received", "http": "HTTP"}
    for at, (family, line) in enumerate(OF_EACH_FAMILY.items()):
        chip = page.get_by_role("group", name="Families").get_by_role("button", name=family)
        await chip.click()
        row = events(page).filter(has=page.locator(".event-title"))
        await expect(row).to_have_count(1)
        what = line["event"].get("type", "GET /v1/realtime/calls")  # type: ignore[attr-defined]  # JSON
        parts = [f"1.{234 + at}", said[str(line["direction"])], family, what]
        shown = re.compile(".*?".join(map(re.escape, parts)))
        await expect(row).to_have_text(shown)
        await chip.click()
    heights = await events(page).evaluate_all("(all) => all.map((row) => row.offsetHeight)")
    assert len({*heights[1:]}) == 1


async def test_a_session_with_a_tool_is_proposed_where_calls_would_wait(
    service: Service, page: Page
) -> None:
    """It stands in the composer, ready to be sent."""
    await opened(service, page)
    await page.locator("#events").get_by_role("button", name="Tools", exact=True).click()
    await button(page, "Compose a session with a tool").click()
    written = field(page, "Event as JSON")
    await expect(written).to_be_focused()
    session = json.loads(await written.input_value())["session"]
    assert [tool["name"] for tool in session["tools"]] == ["get_weather"]


async def test_an_event_opens_as_a_tree(service: Service, page: Page) -> None:
    """By keyboard: arrows, Enter, Home and End; Escape closes, and gives the focus back."""
    await may_copy(page)
    await opened(service, page)
    session = {"model": "m", "audio": {"output": {"voice": "marin"}}}
    every = [received("session.created", 0, session=session)]
    every += [received(f"made.up.{number}", number) for number in range(1, 400)]
    await load(page, lines(every))
    await expect(events(page).last).to_contain_text("made.up.399")
    box = page.get_by_role("listbox", name="Events")
    await box.focus()
    for key, position in [("End", 401), ("ArrowUp", 400), ("Home", 1), ("ArrowDown", 2)]:
        await page.keyboard.press(key)
        await expect(chosen(page)).to_have_attribute("aria-posinset", str(position))
        await expect(chosen(page)).to_have_attribute("aria-setsize", "401")
        await expect(chosen(page)).to_be_in_viewport()
        name = await chosen(page).get_attribute("id")
        await expect(box).to_have_attribute("aria-activedescendant", str(name))
    await expect(chosen(page)).to_contain_text("voice: marin")
    await page.keyboard.press("Enter")
    detail = page.get_by_role("region", name="Event", exact=True)
    await expect(detail.get_by_text('"m"')).to_be_visible()
    for name in ("audio", "output"):
        await detail.get_by_text(name, exact=True).click()
    await expect(detail.get_by_text('"marin"')).to_be_visible()
    taken = page.locator("#events-detail").get_by_role("button", name=re.compile("Copy|Copied"))
    await taken.click()
    await expect(taken).to_have_text("Copied")
    assert json.loads(await copied(page)) == every[0]["event"]
    await button(page, "Close").press("Enter")
    await expect(detail).to_be_hidden()
    await expect(box).to_be_focused()


async def test_deltas_of_one_item_are_one_line(service: Service, page: Page) -> None:
    """What they say together stands in it, and finds it; the saved file has each of them."""
    await opened(service, page)
    words = ["Good ", "mor", "ning"]
    kind = "response.output_text.delta"
    every = [received(kind, at, item_id="a", delta=word) for at, word in enumerate(words)]
    every.insert(1, received(kind, 0.5, item_id="b", delta="Else"))
    await load(page, lines(every))
    line = events(page).filter(has_text="Good morning")
    await expect(line).to_contain_text("\N{MULTIPLICATION SIGN} 3")
    await field(page, "Search").fill("Good morning")
    await expect(page.get_by_text("3 of 4")).to_be_visible()
    await line.click()
    await expect(page.get_by_role("region", name="Event", exact=True)).to_contain_text("3 deltas")
    saved = await logged(page)
    assert [each["event"]["delta"] for each in saved] == ["Good ", "Else", "mor", "ning"]


async def test_what_was_saved_can_be_loaded(service: Service, page: Page) -> None:
    """Beside the page's own events, which are still there; each call has its line."""
    service.mint = failure(429, "rate_limited", "Slowly.")
    await opened(service, page)
    for expected in (3, 6):
        await button(page, "Connect").click()
        await expect(events(page)).to_have_count(expected)
    saved = await logged(page)
    assert {frozenset(each) for each in saved} == {frozenset({"at", "direction", "event"})}
    assert all(each["direction"] == "http" and each["at"] >= 0 for each in saved)
    assert "sk-page" not in json.dumps(saved)
    await load(page, lines(saved), "before.jsonl")
    await expect(page.get_by_text("From the file before.jsonl")).to_be_visible()
    await expect(events(page).filter(has_text="before.jsonl")).to_have_count(2)
    assert await logged(page) == saved
    await load(page, lines(saved[:1]), "one.jsonl")
    await expect(events(page)).to_have_count(2)
    await button(page, "Back to this page's events").click()
    await expect(events(page)).to_have_count(6)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "Line 1 is the only one, and is empty."),
        ('{"at": 1}\n', "Line 1 has no “direction”"),
        ('{"at": 1, "direction": "in", "event": {}}\n\nnot JSON\n', "Line 3 is not JSON."),
        ('{"direction": "in", "event": {}}', "Line 1 has no “at”"),
        ('{"at": 1, "direction": "up", "event": {}}', "Line 1 has no “direction”"),
        ('{"at": 1, "direction": "in"}', "Line 1 has no “event”"),
        ("[1]", "Line 1 is not an object."),
    ],
    ids=["empty", "direction", "third", "time", "up", "event", "array"],
)
async def test_a_file_that_is_none_is_refused(
    service: Service, page: Page, text: str, complaint: str
) -> None:
    """Which line and why; what was shown stays."""
    await opened(service, page)
    await load(page, lines([received("made.up", 1)]))
    await expect(events(page)).to_have_count(2)
    await load(page, text, "other.jsonl")
    await expect(page.get_by_role("alert")).to_contain_text("other.jsonl cannot be shown.")
    await expect(page.get_by_role("alert")).to_contain_text(complaint)
    await expect(events(page)).to_have_count(2)
    await page.get_by_role("alert").get_by_role("button", name="Dismiss").press("Enter")
    await expect(page.get_by_role("alert").get_by_text("cannot be shown")).to_have_count(0)
    await expect(button(page, "Load")).to_be_focused()


async def emit(page: Page, first: int, count: int) -> None:
    """So many events come at once, as from a call."""
    await page.evaluate(
        """([first, count]) => {
          for (let n = first; n < first + count; n++)
            heard.emit("event", { direction: "in", event: { type: `made.up.${n}` }, at: n });
        }""",
        [first, count],
    )


async def with_a_hub(service: Service, page: Page) -> None:
    """The page's own modules on a hub that the test speaks through, as `heard`."""
    await opened(service, page)
    await page.evaluate(
        """async () => {
          const { Hub } = await import("/js/hub.js");
          const { record } = await import("/js/events/record.js");
          const { mount } = await import("/js/panels/events.js");
          globalThis.heard = new Hub();
          const root = document.querySelector("#events");
          root.replaceChildren();
          mount(root, heard, {}, record(heard, () => false));
        }"""
    )


@pytest.mark.in_firefox
async def test_paused_nothing_moves(service: Service, page: Page) -> None:
    """What comes is counted and kept; afterwards it is there."""
    await with_a_hub(service, page)
    await emit(page, 1, 5)
    await expect(events(page)).to_have_count(5)
    await button(page, "Pause").click()
    await emit(page, 6, 7)
    await expect(page.get_by_text("paused, 7 new")).to_be_visible()
    await expect(events(page)).to_have_count(5)
    await button(page, "Pause").click()
    await expect(events(page)).to_have_count(12)


async def test_whoever_scrolls_up_reads_in_peace(service: Service, page: Page) -> None:
    """The newest is followed until then, and again after Newest."""
    await with_a_hub(service, page)
    await emit(page, 1, 300)
    await expect(events(page).filter(has_text="made.up.300")).to_be_in_viewport()
    await expect(button(page, "Newest")).to_be_hidden()
    await page.get_by_role("listbox").hover()
    await page.mouse.wheel(0, -3000)
    await expect(button(page, "Newest")).to_be_visible()
    top = await page.get_by_role("listbox").evaluate("(box) => box.scrollTop")
    await emit(page, 301, 300)
    await expect(page.get_by_text("600 events")).to_be_visible()
    assert await page.get_by_role("listbox").evaluate("(box) => box.scrollTop") == top
    await button(page, "Newest").click()
    await expect(events(page).filter(has_text="made.up.600")).to_be_in_viewport()
    await expect(page.get_by_role("listbox")).to_be_focused()


@pytest.mark.in_firefox
async def test_a_pinned_event_stays(service: Service, page: Page) -> None:
    """In sight whatever comes and is filtered, and it opens from there."""
    await with_a_hub(service, page)
    await emit(page, 1, 40)
    await page.get_by_role("listbox").press("Home")
    await page.keyboard.press("Enter")
    await button(page, "Pin").click()
    await emit(page, 41, 300)
    await field(page, "Search").fill("made.up.340")
    pinned = page.get_by_role("list", name="Pinned").get_by_role("button")
    await expect(pinned).to_contain_text("made.up.1")
    await button(page, "Close").click()
    await pinned.click()
    detail = page.get_by_role("region", name="Event", exact=True)
    await expect(detail).to_contain_text('"made.up.1"')
    await button(page, "Pin").click()
    await expect(pinned).to_have_count(0)


async def test_the_log_is_bounded(service: Service, page: Page) -> None:
    """A long call cannot fill the browser's memory: the oldest go, and that is said."""
    await with_a_hub(service, page)
    await emit(page, 1, MANY + 300)
    await expect(page.get_by_text("the oldest 300 are gone")).to_be_visible()
    await page.get_by_role("listbox").press("Home")
    await expect(chosen(page)).to_contain_text("made.up.301")
    assert len(await logged(page)) == MANY


async def test_fifty_thousand_are_smooth(
    service: Service, browser: Browser, tmp_path: Path
) -> None:
    """Loaded, scrolled, chosen and searched: the page answers at once, from few rows."""
    every = (
        received("response.output_item.done", at, item={"type": "message", "id": f"item_{at}"})
        for at in range(MANY)
    )
    file = tmp_path / "many.jsonl"
    file.write_text(lines(every))

    async def use_it(page: Page) -> None:
        box = page.get_by_role("listbox")
        async with page.expect_file_chooser() as chooser:
            await button(page, "Load").click()
        await (await chooser.value).set_files(file)
        await expect(page.get_by_text("50,000 events")).to_be_visible()
        for key in ("Home", "PageDown", "ArrowDown", "End", "PageUp", "Enter", "ArrowUp"):
            await box.press(key)
            assert await events(page).count() < MOST_IN_DOCUMENT
        await box.hover()
        for _ in range(10):
            await page.mouse.wheel(0, -20_000)
            assert await events(page).count() < MOST_IN_DOCUMENT
        await field(page, "Search").press_sequentially("item_4999 -item_49990")
        await expect(page.get_by_text("10 of 50,000")).to_be_visible()

    await prompt(browser, partial(opened, service), use_it)


async def test_fifty_thousand_are_smooth_while_more_come(
    service: Service, browser: Browser
) -> None:
    """Whatever is pressed meanwhile: chips, a row, other tabs, Pause, Copy, Save."""

    async def follow(page: Page) -> None:
        await with_a_hub(service, page)
        await emit(page, 1, MANY)
        await expect(page.get_by_text("50,000 events")).to_be_visible()
        await page.evaluate(
            """() => {
              let n = 0;
              setInterval(() => {
                heard.emit("event", { direction: "in", event: { type: `response.${n++}` }, at: n });
              }, 20);
            }"""
        )

    async def use_it(page: Page) -> None:
        await expect(page.get_by_text(re.compile(r"the oldest [\d,]+ are gone"))).to_be_visible()
        for family in ("Response", "HTTP"):
            await button(page, family).click()
        await expect(page.get_by_text(re.compile(r"^[\d,]+ of 50,000"))).to_be_visible()
        for family in ("Response", "HTTP"):
            await button(page, family).click()
        await field(page, "Search").press_sequentially("made.up -made.up.7")
        await expect(events(page).last).to_contain_text("made.up")
        await page.get_by_role("listbox").press("ArrowUp")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("region", name="Event", exact=True)).to_be_visible()
        for name in ("Steps", "Events"):
            await view(page, name)
        await field(page, "Search").fill("")
        for pressed in ("true", "false"):
            await button(page, "Pause").click()
            await expect(button(page, "Pause")).to_have_attribute("aria-pressed", pressed)
        await page.get_by_role("listbox").hover()
        await page.mouse.wheel(0, -20_000)
        await button(page, "Newest").click()
        log = page.get_by_role("group", name="Log")
        await log.get_by_role("button", name="Copy").click()
        assert len(await logged(page)) >= MANY

    await prompt(browser, follow, use_it)


async def prompt(
    browser: Browser,
    arrange: Callable[[Page], Awaitable[None]],
    use_it: Callable[[Page], Awaitable[None]],
) -> None:
    """No task of the page takes longer than SLOWEST_MS, in two rounds of three.

    An input waits for the task that is under way, and then it is handled. What a task takes is
    measured in the thread's own time: how long the machine let others work is no fault of the page.
    But a virtual machine that is halted in the midst of a task counts that as the task's.
    """
    rounds: list[float] = []
    while sum(slowest < SLOWEST_MS for slowest in rounds) < 2:
        assert len(rounds) < ROUNDS, rounds
        async with tab(browser, timeout_seconds=15) as page:
            await arrange(page)
            rounds.append(await slowest_task(browser, page, use_it))


async def slowest_task(
    browser: Browser, page: Page, use_it: Callable[[Page], Awaitable[None]]
) -> float:
    """Milliseconds of the page's thread."""
    await browser.start_tracing(page=page, categories=["toplevel", "blink.user_timing"])
    await page.evaluate("performance.mark('began')")
    await use_it(page)
    events = json.loads(await browser.stop_tracing())["traceEvents"]
    (thread,) = {(each["pid"], each["tid"]) for each in events if each["name"] == "began"}
    took: list[float] = [
        each["tdur"] / 1000
        for each in events
        if (each["pid"], each["tid"]) == thread
        and each["name"] == "ThreadControllerImpl::RunTask"
        and "tdur" in each  # one under way when tracing stops has none
    ]
    assert len(took) > 50
    return max(took)


ODD: tuple[object, ...] = (
    *(None, True, 0, -1.5, "", "x", [], {}),
    *([None], ["x"], [[]], [{}], {"toString": 1, "valueOf": 1}, [{"toString": 0, "name": {}}]),
)
READ = """
    type item_id content_index delta transcript text arguments name audio_start_ms
    audio_end_ms method path status ms error error.type error.code error.message part
    part.type part.text part.transcript rate_limits rate_limits.0.name
    rate_limits.0.remaining rate_limits.0.limit session session.model session.audio
    session.audio.input session.audio.input.turn_detection
    session.audio.input.turn_detection.type session.audio.input.transcription.model
    session.audio.output session.audio.output.voice session.instructions session.tools
    session.output_modalities session.output_modalities.0 session.tool_choice item item.type
    item.role item.name item.arguments item.output item.content item.content.0
    item.content.0.text item.content.0.transcript response response.status response.usage
    response.usage.input_tokens response.status_details response.status_details.error
    response.status_details.error.message response.status_details.reason response.output
    response.output.0 response.output.0.type response.output.0.name
""".split()  # noqa: SIM905 - names, as words
"""Members of an event that a row of the list is made of."""


def with_member(path: str, value: object, **others: object) -> dict[str, Any]:
    """An event that has this there, and lists where a name is a number."""
    name, _, rest = path.partition(".")
    inner = with_member(rest, value) if rest else value
    return {**others, name: [inner["0"]] if rest.startswith("0") else inner}  # type: ignore[index]  # JSON


@pytest.mark.in_firefox
async def test_a_row_is_made_of_whatever_comes(service: Service, page: Page) -> None:
    """Any JSON in any member: nothing throws, and what cannot be written out is left out."""
    odd: list[object] = [*ODD]
    for value in ODD:
        odd += [with_member(path, value, type="odd.delta") for path in READ]
        odd += [with_member(path, value) for path in READ]
        for kind in ("function_call", "function_call_output"):
            for member in ("name", "arguments", "output"):
                odd.append({"type": "odd", "item": {"type": kind, member: value}})
        odd.append(
            {"type": "odd", "response": {"output": [{"type": "function_call"} | {"name": value}]}}
        )
    await page.goto(service.url)
    thrown = await page.evaluate(
        """async (events) => {
          const { gist, isBad } = await import("/js/events/gist.js");
          const { EventLog } = await import("/js/events/log.js");
          const { answers } = await import("/js/events/composing.js");
          const log = new EventLog();
          const thrown = [];
          for (const event of events) for (const direction of ["in", "out", "http"]) {
            try {
              log.add(direction, event, 0);
              isBad(direction, event);
              answers(event?.type).at(0);
              const line = gist(direction, [event]);
              if (/undefined|\\[object/.test(line)) throw new Error(line);
            } catch (error) {
              thrown.push([direction, JSON.stringify(event), error.message]);
            }
          }
          return thrown;
        }""",
        odd,
    )
    assert thrown == []
    assert (
        await page.evaluate(
            "async () => (await import('/js/events/composing.js')).answers('constructor')"
        )
        == []
    )


async def test_odd_events_stand_in_the_list(service: Service, page: Page) -> None:
    """By their types; those after them, too."""
    await opened(service, page)
    every = [
        received("rate_limits.updated", 0, rate_limits=[None]),
        received("item.odd", 1, item={"type": "function_call_output", "output": {"toString": 1}}),
        received("session.odd", 2, session={"output_modalities": [{"toString": 0}]}),
        {"at": 3, "direction": "in", "event": {"type": {"toString": 1}}},
        received("made.up", 4),
    ]
    await load(page, lines(every))
    await expect(events(page)).to_have_count(6)
    for said in ("rate_limits.updated", "item.odd", "session.odd", "(no type)", "made.up"):
        await expect(events(page).filter(has_text=said)).to_have_count(1)
    await field(page, "Search").fill("odd")
    await expect(page.get_by_text("2 of 5")).to_be_visible()
