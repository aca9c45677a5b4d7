"""A browser that dies says no goodbye: the provider notices, and so does whoever watches."""

import json
import os
import signal
import time

import httpx
import pytest

from signaller.policy import Policy
from tests.e2e.tester import connect
from tests.support.browser import WHOLE, chromium
from tests.support.calls import following
from tests.support.service import MASTER_KEY, bearer
from tests.support.stage import PATIENCE_SECONDS, staged


@pytest.mark.asyncio(loop_scope="session")
async def test_the_call_of_a_killed_browser_ends_in_seconds() -> None:
    """`call.ended` tells of it, of its usage and of its client: nobody had to hang up."""
    async with (
        staged(policy=Policy(supervision="best_effort")) as stage,
        httpx.AsyncClient(base_url=stage.url) as client,
        following(client, MASTER_KEY) as feed,
        chromium("--allow-loopback-in-peer-connection", kind=WHOLE) as browser,
    ):
        page = await browser.new_page()
        await connect(stage, page)
        while json.loads((await feed.next()).data)["supervision"] != "watched":
            pass  # it has begun, and its watch is not attached yet
        session = await browser.new_browser_cdp_session()
        processes = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
        killed_at = time.monotonic()
        for each in processes:
            os.kill(each["id"], signal.SIGKILL)
        while (told := await feed.next(PATIENCE_SECONDS)).event != "call.ended":
            pass  # what its watch heard before
        assert time.monotonic() - killed_at < 20
        call = json.loads(told.data)
        assert (call["ended_by"], call["usage"]["label"]) == ("client", "complete")
        place = f"/v1/realtime/calls/{call['id']}"
        assert (await client.get(place, headers=bearer(MASTER_KEY))).json() == call
