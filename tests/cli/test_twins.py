"""SIGHUP and entries that differ in nothing but their keys: calls stay with theirs."""

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.client import client
from tests.support.process import MASTER, served
from tests.support.provider import FakeProvider, credential
from tests.support.serving import serving

CALLS = 8

pytestmark = pytest.mark.timeout(120)


def write(path: Path, provider_url: str, keys: Sequence[str]) -> None:
    """A file with an entry for each key."""
    entries = "".join(
        f"- model_name: voice\n  litellm_params: {{model: openai/m, api_key: {key}, "
        f"api_base: '{provider_url}'}}\n"
        for key in keys
    )
    path.write_text(f"model_list:\n{entries}general_settings: {{master_key: {MASTER}}}\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(["key-1", "key-2"], ["key-2"], id="the first is removed"),
        pytest.param(["key-1", "key-2"], ["key-2", "key-1"], id="swapped"),
        pytest.param(["key-1", "key-2"], ["key-0", "key-3", "key-2", "key-1"], id="others come"),
    ],
)
async def test_a_hang_up_goes_out_with_the_key_that_made_the_call(
    tmp_path: Path, before: list[str], after: list[str]
) -> None:
    """Or not at all, where that key has gone: then the answer says so, and nobody is asked."""
    provider, path = FakeProvider(), tmp_path / "config.yaml"
    async with serving(provider.app) as url:
        write(path, url, before)
        with served("--config", str(path)) as process:
            await asyncio.to_thread(process.ready)
            async with client(process) as page:
                made: dict[str, str] = {}
                while len(made) < CALLS or set(made.values()) != set(before):
                    token = (await page.mint()).json()["value"]
                    location = (await page.call(token)).headers["location"]
                    made[location] = credential(provider.mint.requests[-1])
                write(path, url, after)
                process.send(signal.SIGHUP)
                await asyncio.to_thread(process.logged, "reload", outcome="ok")
                for location, key in made.items():
                    asked = len(provider.hangup.requests)
                    headers = {"authorization": f"Bearer {MASTER}"}
                    ended = await page.http.delete(location, headers=headers)
                    sent = [credential(each) for each in provider.hangup.requests[asked:]]
                    assert (ended.status_code, sent) == (
                        (200, [key]) if key in after else (502, [])
                    )
                assert len(provider.live_calls) == sum(key not in after for key in made.values())
