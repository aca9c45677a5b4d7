"""How a call from the tester page ends, and what its token is worth afterwards."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from signaller.secret import Secret
from tests.e2e.tester import button, connect, connected, failure, hang_up, status, step
from tests.support.stage import Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop


@pytest_asyncio.fixture(params=["memory", "redis"], loop_scope="session")
async def stage(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[Stage]:
    """The service on each of its stores, which know of calls and of spent tokens."""
    async with staged(redis_url=Secret(redis_url) if request.param == "redis" else None) as stage:
        yield stage


async def test_hang_up_ends_the_call_at_the_provider(stage: Stage, page: Page) -> None:
    """The service is told, the provider forgets the call, and the next one works."""
    await connect(stage, page)
    (first,) = stage.provider.calls
    assert await stage.provider.knows(first)
    await hang_up(page)
    await stage.provider.asked_to_hang_up(first)
    assert not await stage.provider.knows(first)
    assert (await stage.provider.hang_up(first)).status_code == 404
    await expect(failure(page)).to_have_count(0)

    await button(page, "Connect").click()
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
    await expect(status(page)).to_have_text(
        re.compile(r"Ended after 0:\d\d: by the (other side|provider)")
    )


async def test_a_replayed_token_is_refused_and_explained(stage: Stage, page: Page) -> None:
    """401 in the service's words, with what to do; the provider hears nothing of it."""
    await page.goto(stage.url)
    async with page.expect_response("**/v1/realtime/client_secrets") as minted:
        await connect(stage, page)
    spent = await (await minted.value).body()
    await hang_up(page)
    await page.route(
        "**/v1/realtime/client_secrets",
        lambda route: route.fulfill(body=spent, content_type="application/json"),
    )
    async with page.expect_response("**/v1/realtime/calls") as refused:
        await button(page, "Connect").click()
    assert (await refused.value).status == 401
    await expect(failure(page)).to_contain_text("fresh token")
    await expect(failure(page)).to_contain_text("token_rejected")
    await expect(step(page, "answer")).to_have_attribute("data-state", "failed")
    assert len(stage.provider.calls) == 1
