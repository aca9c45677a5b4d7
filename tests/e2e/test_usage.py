"""What a call uses and costs: in the tab by two accounts, in the call bar at a glance."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from signaller.loopback.reply import Reply
from tests.e2e.conftest import KEEP_PEERS
from tests.e2e.looks import clean, inspected
from tests.e2e.tester import (
    button,
    connect,
    connect_at,
    fill_in,
    hang_up,
    status,
    view,
    write,
    write_only,
)
from tests.support.service import MASTER_KEY, bearer, named
from tests.support.stage import PATIENCE_SECONDS, Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

PRICES = {"input_cost_per_token": "0.01", "output_cost_per_token": "0.01"}
"""So high that the shortest answer shows."""
KIOSK, LIMIT_SECONDS = "sk-of-the-kiosk", 12
AGREED = """() => {
  const note = document.querySelector(".usage-note").textContent;
  const rows = [...document.querySelectorAll(".usage-table tbody tr")].map((row) => [
    row.dataset.figure, row.cells[1].textContent, row.cells[2].textContent]);
  return note === "Both accounts agree." && rows[0][2] === "1" ? rows : null;
}"""
COMPARE = """async ([here, there]) => {
  const { compare, FIGURES } = await import("/js/call/usage.js");
  const usage = (label, responses) => ({ label, responses });
  const call = there && { usage: usage(there.label, there.responses), gaps: there.gaps };
  return compare(usage("complete", here), call, there?.over ?? false);
}"""
COUNT = """async (events) => {
  const { ChannelUsage } = await import("/js/call/usage.js");
  const usage = new ChannelUsage();
  const changed = events.map((event) => usage.receive(event));
  return [changed, usage.now];
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    """The service watches; the kiosk's calls are short, and nobody listens to the shop's."""
    kiosk = named("kiosk", KIOSK, max_call_seconds=LIMIT_SECONDS)
    async with staged(supervision="best_effort", callers=(kiosk,), prices=PRICES) as stage:
        yield stage


async def recorded(stage: Stage, page: Page) -> dict[str, Any]:
    """The page's call as the API tells it."""
    call_id = await page.locator("#call-id").inner_text()
    async with httpx.AsyncClient(base_url=stage.url, timeout=PATIENCE_SECONDS) as client:
        response = await client.get(f"/v1/realtime/calls/{call_id}", headers=bearer(MASTER_KEY))
    record: dict[str, Any] = response.json()
    return record


async def answered_once(stage: Stage, page: Page) -> list[list[str]]:
    """A call with one response, and the table once both accounts agree about it."""
    await connect(stage, page)
    await write_only(page)
    await view(page, "Usage")
    await write(page, "Good morning")
    agreed = await page.wait_for_function(AGREED)
    rows: list[list[str]] = await agreed.json_value()
    return rows


async def test_both_accounts_stand_side_by_side(
    stage: Stage, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While live: figure by figure, with the cost in tab and call bar, as the API has them."""
    closing: Callable[..., Iterator[Any]] = Reply.closing

    def partly_cached(*told: Any) -> Iterator[Any]:
        for event in closing(*told):
            if event["type"] == "response.done":
                event["response"]["usage"]["input_token_details"]["cached_tokens"] = 1
            yield event

    monkeypatch.setattr(Reply, "closing", partly_cached)
    rows = await answered_once(stage, page)
    figures = {name: service for name, service, _ in rows}
    assert [service for _, service, _ in rows] == [here for _, _, here in rows]
    record = await recorded(stage, page)
    usage = record["usage"]
    assert figures["input"] == str(usage["input_tokens"]) != "0"
    assert figures["cached"] == "1"
    assert figures["outputText"] == str(usage["output_token_details"]["text_tokens"]) != "0"
    assert figures["outputAudio"] == str(usage["output_token_details"]["audio_tokens"]) != "0"
    cost = f"${float(record['cost']['usd']):.{4 if float(record['cost']['usd']) < 1 else 2}f}"
    await expect(page.get_by_role("definition").filter(has_text=cost)).to_be_visible()
    await expect(page.get_by_role("banner")).to_contain_text(cost)
    await expect(page.get_by_role("banner")).to_contain_text(re.compile(r"5\d:\d\d left"))
    await expect(page.get_by_role("tabpanel", name="Usage")).to_contain_text(
        "The account iscomplete"
    )


async def test_the_last_account_is_read_after_the_end(stage: Stage, page: Page) -> None:
    """Who ended it, and a cost that stays in the bar; the countdown has gone."""
    await answered_once(stage, page)
    await hang_up(page)
    usage = page.get_by_role("tabpanel", name="Usage")
    await expect(usage).to_contain_text("EndedYou hung up")
    await expect(usage).to_contain_text("Both accounts agree.")
    await expect(page.get_by_role("banner")).to_contain_text("$")
    await expect(page.get_by_role("banner")).not_to_contain_text("left")


async def test_the_time_that_is_left_runs_out(stage: Stage, page: Page) -> None:
    """A call of twelve seconds: the bar counts down, then the tab says what ended it."""
    await connect_at(stage.url, page, KIOSK)
    left = page.get_by_role("banner").get_by_text(re.compile(r"^0:\d\d left$"))
    await expect(left).to_be_visible()
    seconds = int((await left.inner_text())[2:4])
    assert seconds <= LIMIT_SECONDS
    await view(page, "Usage")
    await expect(status(page)).to_have_attribute("data-state", "ended")
    await expect(page.get_by_role("tabpanel", name="Usage")).to_contain_text("longest call")


async def test_a_call_that_nobody_watches_has_no_cost(page: Page) -> None:
    """Unknown is never shown as nothing: a sentence says why, and this page's own figures stand."""
    async with staged(supervision="off") as stage:
        await connect(stage, page)
        await write_only(page)
        await write(page, "Good morning")
        await view(page, "Usage")
        usage = page.get_by_role("tabpanel", name="Usage")
        await expect(usage).to_contain_text("heard nothing of this call yet")
        await expect(
            usage.get_by_role("row", name=re.compile(r"Responses \u2013 1"))
        ).to_be_visible()
        await expect(page.get_by_role("banner")).to_contain_text("cost unknown")
        await expect(usage).not_to_contain_text("$")


async def test_a_service_that_is_silent_leaves_the_call_alone(stage: Stage, page: Page) -> None:
    """The tab says so; the call goes on, and this page goes on counting."""
    await answered_once(stage, page)
    await page.route("**/v1/realtime/calls/rtc_*", lambda route: route.abort())
    usage = page.get_by_role("tabpanel", name="Usage")
    await expect(usage).to_contain_text("The service did not answer")
    await write(page, "And again")
    await expect(usage.get_by_role("row", name=re.compile(r"Responses 1 2"))).to_be_visible()
    await expect(status(page)).to_have_attribute("data-state", "connected")


@pytest.mark.parametrize(
    ("here", "there", "why"),
    [
        (1, None, "unread"),
        (1, {"label": "unknown", "responses": None, "gaps": []}, "unheard"),
        (1, {"label": "unknown", "responses": None, "gaps": [], "over": True}, "unwatched"),
        (1, {"label": "complete", "responses": 1, "gaps": []}, "same"),
        (2, {"label": "complete", "responses": 1, "gaps": []}, "behind"),
        (2, {"label": "partial", "responses": 1, "gaps": [{}]}, "gaps"),
        (2, {"label": "partial", "responses": 1, "gaps": [{}], "over": True}, "gaps"),
        (1, {"label": "complete", "responses": 2, "gaps": [], "over": True}, "more"),
        (2, {"label": "complete", "responses": 1, "gaps": [], "over": True}, "less"),
    ],
)
async def test_why_the_accounts_differ(
    stage: Stage, page: Page, here: int, there: dict[str, Any] | None, why: str
) -> None:
    """Each reason, from both accounts alone; each has a sentence."""
    await page.goto(stage.url)
    assert await page.evaluate(COMPARE, [here, there]) == why
    words = await page.evaluate("async () => (await import('/js/words.js')).words.usage.why")
    assert words[why].endswith(".")


async def test_each_response_counts_once(stage: Stage, page: Page) -> None:
    """Told twice, or of a kind that costs nothing, or without its usage."""
    await page.goto(stage.url)
    spent = {
        "input_tokens": 30,
        "output_tokens": 12,
        "input_token_details": {"text_tokens": 10, "audio_tokens": 20, "cached_tokens": 8},
        "output_token_details": {"text_tokens": 5, "audio_tokens": 7},
    }
    done = {"type": "response.done", "response": {"id": "r1", "usage": spent}}
    transcribed = "conversation.item.input_audio_transcription.completed"
    by_time = {"type": "duration", "seconds": 1.5}
    by_tokens = {"type": "tokens", "input_tokens": 4, "output_tokens": 3}
    heard = {"type": transcribed, "item_id": "i1", "content_index": 0, "usage": by_time}
    changed, usage = await page.evaluate(
        COUNT, [done, done, {"type": "session.updated"}, heard, heard]
    )
    assert changed == [True, False, False, True, False]
    assert usage == {
        "label": "complete",
        "responses": 1,
        **spent,
        "transcription": {"tokens": 0, "seconds": 1.5},
    }
    silent = {"type": "response.done", "response": {"id": "r2", "usage": None}}
    _, usage = await page.evaluate(COUNT, [done, silent, {**heard, "usage": by_tokens}])
    assert (usage["label"], usage["responses"]) == ("partial", 2)
    assert usage["transcription"] == {"tokens": 7, "seconds": 0}


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_in_usage(stage: Stage, browser: Browser, scheme: Any) -> None:
    """Before, during and after a call, on a phone and on a desk."""
    async with inspected(browser, color_scheme=scheme) as page:
        await page.add_init_script(KEEP_PEERS)

        await page.goto(stage.url)
        await clean(page, "idle", "Usage")
        await fill_in(page, MASTER_KEY)
        await answered_once(stage, page)
        await clean(page, "live", "Usage")
        await button(page, "Hang up").click()
        await expect(page.get_by_role("tabpanel", name="Usage")).to_contain_text("Ended")
        await clean(page, "ended", "Usage")
