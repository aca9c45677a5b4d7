"""A browser that dies says no goodbye: the provider notices, and so does whoever watches."""

import asyncio
import os
import signal
import time
from typing import Any

import httpx
import pytest

from signaller.policy import Policy
from tests.e2e.tester import connect
from tests.support.browser import WHOLE, chromium
from tests.support.service import MASTER_KEY, bearer
from tests.support.stage import PATIENCE_SECONDS, Stage, staged


async def only_call(stage: Stage) -> dict[str, Any]:
    """The service's only call."""
    async with httpx.AsyncClient(base_url=stage.url) as client:
        response = await client.get("/v1/realtime/calls", headers=bearer(MASTER_KEY))
    (call,) = response.json()["data"]
    found: dict[str, Any] = call
    return found


@pytest.mark.asyncio(loop_scope="session")
async def test_the_call_of_a_killed_browser_ends_in_seconds() -> None:
    """With its usage, and as ended by its client; nobody had to hang up."""
    async with (
        staged(policy=Policy(supervision="best_effort")) as stage,
        chromium("--allow-loopback-in-peer-connection", kind=WHOLE) as browser,
    ):
        page = await browser.new_page()
        await connect(stage, page)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await only_call(stage))["supervision"] != "watched":  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.1)
        session = await browser.new_browser_cdp_session()
        processes = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
        killed_at = time.monotonic()
        for each in processes:
            os.kill(each["id"], signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (call := await only_call(stage))["status"] != "ended":  # noqa: ASYNC110 - over HTTP
                await asyncio.sleep(0.1)
    assert time.monotonic() - killed_at < 20
    assert (call["ended_by"], call["usage"]["label"]) == ("client", "complete")
