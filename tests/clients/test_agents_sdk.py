"""@openai/agents-realtime in a browser, unmodified, with `baseUrl` at the service."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.support.service import UPSTREAM_MODEL
from tests.support.stage import Stage, staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop


@pytest_asyncio.fixture(loop_scope="session")
async def stage(origin: str) -> AsyncIterator[Stage]:
    """A service that lets the application's origin in."""
    async with staged(cors_origins=(origin,)) as stage:
        yield stage


async def sdk(page: Page, function: str, stage: Stage, token: str) -> Any:
    """Run a function of agents-sdk.js."""
    options = {
        "callsUrl": f"{stage.url}/v1/realtime/calls",
        "token": token,
        # The SDK repeats it in session.update, where it is the provider's word.
        "model": UPSTREAM_MODEL,
    }
    return await page.evaluate(
        f"async (options) => (await import('/js/agents-sdk.js')).{function}(options)", options
    )


async def test_it_connects_and_knows_its_call(stage: Stage, page: Page) -> None:
    """Across origins: the call's id is read from Location, its session.update is acknowledged."""
    token = await stage.token()
    connected = await sdk(page, "converse", stage, token)
    assert connected["callId"].startswith("rtc_")
    assert connected["status"] == "connected"
    assert "Be brief." in connected["instructions"]
    (call,) = stage.provider.calls
    assert await stage.provider.knows(call)
    assert connected["callId"] != call.rpartition("/")[2]


async def test_its_call_id_ends_the_call(stage: Stage, page: Page) -> None:
    """A backend that is told the id can hang up; the SDK then closes for good."""
    connected = await sdk(page, "converse", stage, await stage.token())
    (call,) = stage.provider.calls
    assert (await stage.hang_up(connected["callId"])).status_code == 200
    assert not await stage.provider.knows(call)
    assert await page.evaluate("async () => (await import('/js/agents-sdk.js')).close()") == (
        "disconnected"
    )


async def test_a_refused_token_is_told_in_our_words(stage: Stage, page: Page) -> None:
    """The SDK shows error.message: it says what to do."""
    token = await stage.token()
    await sdk(page, "converse", stage, token)
    message = await sdk(page, "failure", stage, token)
    assert "401" in message
    assert "Get a fresh one" in message
    assert len(stage.provider.calls) == 1
