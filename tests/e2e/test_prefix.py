"""The tester page behind a gateway that takes a prefix off its paths."""

import dataclasses
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.e2e.tester import connect, hang_up
from tests.gateways.test_prefix import stripping
from tests.support.nginx import nginx
from tests.support.redis import free_port
from tests.support.stage import staged

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop


@pytest.mark.parametrize("prefix", ["/voice/", None], ids=["through-the-gateway", "around-it"])
async def test_the_page_hangs_up_behind_a_prefix(
    tmp_path: Path, page: Page, prefix: str | None
) -> None:
    """Connect and hang up: the provider forgets the call, whichever way the page came."""
    port = free_port()
    gateway = f"http://127.0.0.1:{port}"
    async with staged(public_url=f"{gateway}/voice") as stage:
        with nginx(tmp_path, stripping(stage.url, port), port):
            seen = f"{gateway}{prefix}" if prefix else stage.url
            await connect(dataclasses.replace(stage, url=seen), page)
            (call,) = stage.provider.calls
            await hang_up(page)
            await stage.provider.asked_to_hang_up(call)
            assert not await stage.provider.knows(call)
