"""A browser's call when the replica that began and watched it is killed, or told to end."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.e2e.tester import connect_at, status, write, write_only
from tests.replicas.configuration import Configuration, caller, caller_key
from tests.replicas.replica import Replica, replicas_of
from tests.stores.servers import cluster_url
from tests.support.redis import redis_server
from tests.support.service import MASTER_KEY, bearer, token_key
from tests.support.serving import serving
from tests.support.stage import PATIENCE_SECONDS, LoopbackProvider
from tests.support.timing import waited_for_a_core

pytestmark = pytest.mark.asyncio(loop_scope="session")  # the browser lives on that loop

LIMIT_SECONDS, KILLED_AFTER_SECONDS, LEEWAY_SECONDS = 20, 10, 1.5
SEE = """
() => {
  const [channel] = peers.at(-1).channels;
  globalThis.seen = { usage: [], closedAt: null };
  channel.addEventListener("message", ({ data }) => {
    const event = JSON.parse(data);
    if (event.type === "response.done") seen.usage.push(event.response.usage);
  });
  channel.addEventListener("close", () => { seen.closedAt = performance.now(); });
}
"""
TIMES = """
() => {
  const requests = performance.getEntriesByType("resource");
  const call = requests.find(({ name }) => name.endsWith("/v1/realtime/calls"));
  return { asked: call.startTime, answered: call.responseEnd, closed: seen.closedAt };
}
"""
REACH = "moment => new Promise((resolve) => setTimeout(resolve, moment - performance.now()))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two replicas before a provider with real media."""

    owner: Replica
    heir: Replica
    key: str


@contextlib.contextmanager
def single(_folder: Path) -> Iterator[str]:
    """The URL of one server, as `cluster_url` has that of three."""
    with redis_server() as port:
        yield f"redis://127.0.0.1:{port}/0"


@pytest_asyncio.fixture(loop_scope="session")
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    """On a Redis of their own; calls last LIMIT_SECONDS, unless a test says otherwise."""
    limit, redis = getattr(request, "param", (LIMIT_SECONDS, single))
    key, provider = caller_key(), LoopbackProvider()
    with redis(tmp_path) as redis_url:
        async with serving(provider) as url:
            configuration = Configuration(
                provider_url=url,
                redis_url=redis_url,
                token_keys=(token_key().reveal(),),
                callers=(caller(key, supervision="best_effort", max_call_seconds=limit),),
            )
            async with replicas_of(2, tmp_path, configuration) as (owner, heir):
                yield Pair(owner=owner, heir=heir, key=key)


async def shown(replica: Replica, holds: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
    """The only call as a replica tells it, as soon as something holds of it."""
    call: dict[str, Any] = {}
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (call and holds(call)):
            response = await replica.client.get("/v1/realtime/calls", headers=bearer(MASTER_KEY))
            (call,) = response.json()["data"]
            await asyncio.sleep(0.05)
    return call


async def says(page: Page, text: str) -> None:
    """Write to the model, and wait until its answer is complete."""
    before = await page.evaluate("seen.usage.length")
    await write(page, text)
    await page.wait_for_function("before => seen.usage.length > before", arg=before)


def without_a_core(heir: Replica) -> float:
    """How long heir and provider (this process) waited for one: the machine's time, not theirs."""
    return waited_for_a_core() + waited_for_a_core(heir.process.process.pid)


async def test_a_limit_holds_though_the_owner_is_killed(pair: Pair, page: Page) -> None:
    """20 s (±1.5) in the browser, killed at 10; the record tells by what, and what it missed."""
    owner, heir = pair.owner, pair.heir
    await connect_at(str(owner.client.base_url), page, pair.key)
    await page.evaluate(SEE)
    await says(page, "Good morning")
    known = await shown(heir, lambda call: (call["usage"]["responses"] or 0) > 0)
    assert (known["status"], known["supervision"]) == ("live", "watched")

    answered = (await page.evaluate(TIMES))["answered"]
    await page.evaluate(REACH, answered + KILLED_AFTER_SECONDS * 1000)
    await owner.kill()
    killed_at = time.time()
    await says(page, "Is anybody listening?")
    await page.evaluate(REACH, answered + (LIMIT_SECONDS - LEEWAY_SECONDS) * 1000)
    waited = -without_a_core(heir)
    await page.wait_for_function("() => seen.closedAt !== null")
    waited += without_a_core(heir)
    await expect(status(page)).to_contain_text("by the other side")
    times = {name: at / 1000 for name, at in (await page.evaluate(TIMES)).items()}
    call = await shown(heir, lambda call: bool(call["status"] == "ended"))

    # It begins between the offer that is sent and the answer that has come.
    assert times["closed"] - times["asked"] >= LIMIT_SECONDS - LEEWAY_SECONDS
    assert times["closed"] - times["answered"] - waited <= LIMIT_SECONDS + LEEWAY_SECONDS
    assert call["ended_by"] == "length"
    # Until the heir's last write another one may follow: from when it heard last to the end.
    assert any(gap["from"] <= killed_at <= gap["to"] for gap in call["gaps"])
    usage, billed = call["usage"], await page.evaluate("seen.usage")
    assert usage["label"] == call["cost"]["label"] == "partial"
    for name in ("input_tokens", "output_tokens"):
        total = sum(each[name] for each in billed)
        assert known["usage"][name] <= usage[name] <= total


@pytest.mark.parametrize(
    "pair", [(600, single), (600, cluster_url)], indirect=True, ids=["single", "cluster"]
)
async def test_a_planned_end_of_the_owner_misses_nothing(pair: Pair, page: Page) -> None:
    """The record has what the browser was told, to the token, though another listens since."""
    owner, heir = pair.owner, pair.heir
    await connect_at(str(owner.client.base_url), page, pair.key)
    await page.evaluate(SEE)
    await write_only(page)
    await says(page, "Good morning")
    call = await shown(heir, lambda call: (call["usage"]["responses"] or 0) > 0)
    owner.process.send(signal.SIGTERM)
    await says(page, "Is anybody listening?")
    await asyncio.to_thread(owner.process.ended)
    await says(page, "Still there?")
    place = f"/v1/realtime/calls/{call['id']}"
    assert (await heir.client.delete(place, headers=bearer(MASTER_KEY))).is_success
    call = await shown(heir, lambda call: bool(call["status"] == "ended"))
    usage, billed = call["usage"], await page.evaluate("seen.usage")
    assert (usage["label"], call["cost"]["label"], call["gaps"]) == ("complete", "complete", [])
    assert usage["responses"] == len(billed) == 3
    for name in ("input_tokens", "output_tokens"):
        assert usage[name] == sum(each[name] for each in billed)
