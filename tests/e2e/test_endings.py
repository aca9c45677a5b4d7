"""Why a call has ended: in the call bar and in the summary, as soon as the service has told."""

import re
from collections.abc import AsyncIterator
from typing import get_args

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from signaller.model import EndedBy
from tests.e2e.looks import SHIFTS, nothing_moved
from tests.e2e.tester import connect, connect_at, send_update, status, update_session, view
from tests.support.service import named
from tests.support.stage import Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

SHOP, KIOSK, VAULT = "sk-of-the-shop", "sk-of-the-kiosk", "sk-of-the-vault"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage() -> AsyncIterator[Stage]:
    """The service watches; the kiosk's calls are short, and the vault's sessions stay as made."""
    voice = {"audio": {"output": {"voice": "marin"}}}
    callers = (
        named("shop", SHOP),
        named("kiosk", KIOSK, max_call_seconds=4),
        named("vault", VAULT, session_drift="hangup", session=voice),
    )
    async with staged(supervision="best_effort", callers=callers) as stage:
        yield stage


async def told(page: Page, why: str) -> None:
    """The bar says so after how long it was, and the summary in a sentence."""
    await expect(status(page)).to_have_text(re.compile(rf"^Ended after 0:\d\d: {why}$"))
    await view(page, "Talk")
    await expect(page.get_by_role("region", name="The call", exact=True)).to_contain_text(
        f"Ended: {why}."
    )


async def test_a_call_that_was_long_enough(stage: Stage, page: Page) -> None:
    """By its caller's policy; nothing moves when that is told."""
    await page.add_init_script(SHIFTS)
    await connect_at(stage.url, page, KIOSK)
    await told(page, "longest call")
    await nothing_moved(page)


async def test_a_call_that_an_operator_hung_up(stage: Stage, page: Page) -> None:
    """With the master key, by the call's id."""
    await connect_at(stage.url, page, SHOP)
    answer = await stage.hang_up(await page.locator("#call-id").inner_text())
    assert answer.is_success, answer.text
    await told(page, "by the operator")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"audio": {"output": {"voice": "ash"}}}, id="set-by-the-policy"),
        pytest.param({"tools": [{"type": "function", "name": "open"}]}, id="tools"),
    ],
)
async def test_a_call_whose_session_was_changed(
    stage: Stage, page: Page, change: dict[str, object]
) -> None:
    """By its client, over the data channel, which only the watch can know."""
    await connect_at(stage.url, page, VAULT)
    await update_session(page, {"output_modalities": ["audio"]})  # nothing that matters
    await expect(status(page)).to_have_attribute("data-state", "connected")
    await send_update(page, change)
    await told(page, "session changed")


async def test_a_call_that_the_provider_ended(stage: Stage, page: Page) -> None:
    """To the service that is an end by the client; the page knows that it was not its own."""
    await connect(stage, page)
    await view(page, "Usage")
    await stage.provider.hang_up(stage.provider.calls[-1])
    await expect(page.get_by_role("tabpanel", name="Usage")).to_contain_text(
        "Endedby the other side"
    )
    await told(page, "by the other side")


async def test_a_call_of_which_the_service_tells_nothing(stage: Stage, page: Page) -> None:
    """Nobody is named who may not have done it."""
    await page.route("**/v1/realtime/calls/rtc_*", lambda route: route.abort())
    await connect(stage, page)
    await stage.provider.hang_up(stage.provider.calls[-1])
    await told(page, "by the other side")


async def test_every_ender_has_its_words(stage: Stage, page: Page) -> None:
    """All that a record can name."""
    await page.goto(stage.url)
    words = await page.evaluate(
        "async () => Object.keys((await import('/js/words.js')).words.details.enders)"
    )
    assert {*get_args(EndedBy)} == {*words} - {"unknown"}
