"""A replica's clock that is wrong, or is set while it has calls: they end at their moment."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from signaller.app import create_app
from signaller.policy import Policy
from signaller.secret import Secret
from signaller.supervision.owner import TICK_SECONDS
from tests.support.provider import FakeProvider
from tests.support.service import MASTER_KEY, Service, bearer, deployment, settings
from tests.support.serving import serving
from tests.support.timing import own_time

HOUR = 3600
MINUTES = 300
"""By which the clocks of replica, Redis and provider may differ: a token lives twice as long."""
CALL_SECONDS = 4
WATCHED = Policy(supervision="required", max_call_seconds=CALL_SECONDS)
UNWATCHED = Policy(max_call_seconds=CALL_SECONDS)


@dataclass
class Stepped:
    """The machine's clock, set forward or back by so many seconds."""

    by: float = 0.0

    def __call__(self) -> float:
        """Unix seconds."""
        return time.time() + self.by


@pytest.fixture
def clock() -> Stepped:
    """The service's only clock."""
    return Stepped()


@pytest.fixture(params=["memory", "redis"])
def store_url(request: pytest.FixtureRequest) -> Secret | None:
    """Memory, and a Redis whose clock is not set."""
    return None if request.param == "memory" else Secret(request.getfixturevalue("redis_url"))


@pytest.fixture(params=[WATCHED, UNWATCHED], ids=["watched", "unwatched"])
async def service(
    request: pytest.FixtureRequest, store_url: Secret | None, clock: Stepped
) -> AsyncIterator[Service]:
    """On either store."""
    provider = FakeProvider()
    async with serving(provider.app) as provider_url:
        made = settings(deployment(provider_url), redis_url=store_url, policy=request.param)
        async with (
            serving(create_app(made, clock=clock)) as url,
            httpx.AsyncClient(base_url=url, timeout=30) as client,
        ):
            yield Service(client, provider, url, made)


async def ended(service: Service, location: str) -> dict[str, object]:
    """The record, once the call is over."""
    async with asyncio.timeout(30):
        while True:
            response = await service.client.get(location, headers=bearer(MASTER_KEY))
            record: dict[str, object] = response.json()
            if record["status"] == "ended":
                return record
            await asyncio.sleep(TICK_SECONDS)


@pytest.mark.parametrize(
    ("before", "during"), [(-MINUTES, 0), (MINUTES, 0), (0, -HOUR), (0, HOUR), (MINUTES, -HOUR)]
)
async def test_a_call_ends_at_its_moment(
    service: Service, clock: Stepped, before: int, during: int
) -> None:
    """Neither at once nor late, whether its clock is set before the call or during it."""
    clock.by += before
    response = await service.call(await service.token())
    began, own_began = time.monotonic(), own_time()
    assert response.status_code == 201, response.text
    clock.by += during
    await service.provider.hangup.arrived(seconds=30)
    assert time.monotonic() - began >= CALL_SECONDS - 1.5
    assert own_time() - own_began <= CALL_SECONDS + 1.5
    assert (await ended(service, response.headers["location"]))["ended_by"] == "length"
