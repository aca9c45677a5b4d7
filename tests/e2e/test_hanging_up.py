"""How a call from the tester page ends, and what its token is worth afterwards."""

import pytest
from playwright.async_api import Page, expect

from tests.e2e.tester import connect, connected, step
from tests.support.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop


async def test_hang_up_ends_the_call_at_the_provider(stage: Stage, page: Page) -> None:
    """The service is told, the provider forgets the call, and the next one works."""
    await connect(stage, page)
    (first,) = stage.provider.calls
    assert await stage.provider.knows(first)
    await page.click("#hangup")
    await expect(page.locator("#status")).to_have_attribute("data-state", "ended")
    await stage.provider.asked_to_hang_up(first)
    assert not await stage.provider.knows(first)
    assert (await stage.provider.hang_up(first)).status_code == 404
    await expect(page.locator("#error")).to_be_hidden()

    await page.click("#connect")
    await connected(page)
    assert len(stage.provider.calls) == 2
    assert await stage.provider.knows(stage.provider.calls[1])


async def test_leaving_the_page_hangs_up(stage: Stage, page: Page) -> None:
    """The last request outlives the page."""
    await connect(stage, page)
    (call,) = stage.provider.calls
    await page.goto("about:blank")
    await stage.provider.asked_to_hang_up(call)
    assert not await stage.provider.knows(call)


async def test_a_call_ended_elsewhere_is_noticed(stage: Stage, page: Page) -> None:
    """The provider hangs up, the page says so."""
    await connect(stage, page)
    (call,) = stage.provider.calls
    assert (await stage.provider.hang_up(call)).status_code == 200
    await expect(page.locator("#status")).to_have_attribute("data-state", "ended")
    await expect(page.locator("#status")).to_have_text("The provider ended the call")


async def test_a_replayed_token_is_refused_and_explained(stage: Stage, page: Page) -> None:
    """401 in the service's words, with what to do; the provider hears nothing of it."""
    await page.goto(stage.url)
    async with page.expect_response("**/v1/realtime/client_secrets") as minted:
        await connect(stage, page)
    spent = await (await minted.value).body()
    await page.click("#hangup")
    await expect(page.locator("#status")).to_have_attribute("data-state", "ended")
    await page.route(
        "**/v1/realtime/client_secrets",
        lambda route: route.fulfill(body=spent, content_type="application/json"),
    )
    async with page.expect_response("**/v1/realtime/calls") as refused:
        await page.click("#connect")
    assert (await refused.value).status == 401
    await expect(page.locator("#error")).to_contain_text("fresh token")
    await expect(page.locator("#error")).to_contain_text("token_rejected")
    await expect(step(page, "answer")).to_have_attribute("data-state", "failed")
    assert len(stage.provider.calls) == 1
