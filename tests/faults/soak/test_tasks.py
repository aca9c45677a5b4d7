"""Tasks, which can only be seen from inside: the service in this process, and the same faults."""

import contextlib

import httpx
import pytest
from redis.asyncio import Redis

from signaller.app import create_app
from signaller.secret import Secret
from tests.faults import LONG
from tests.faults.clients.attacked import until
from tests.faults.soak.clients import Clients
from tests.faults.soak.footprint import running_tasks
from tests.faults.soak.provider import LightProvider, light_provider
from tests.support.process import PATIENCE_SECONDS
from tests.support.redis import redis_server
from tests.support.service import MASTER_KEY, deployment, settings
from tests.support.serving import serving

ROUNDS = 10_000 if LONG else 500
"""Ten faults: each kind, and the first one again; in the long form 200."""


@pytest.mark.timeout(600 if LONG else 120)
async def test_no_task_is_left_behind() -> None:
    """Once clients and provider have gone, the loop runs what it ran before."""
    with redis_server() as port:  # its own: all of its connections are cut
        redis_url = f"redis://127.0.0.1:{port}/0"
        async with light_provider() as (provider, provider_url), Redis.from_url(redis_url) as redis:
            one = deployment(provider_url)
            made = settings(one, redis_url=Secret(redis_url))
            async with serving(create_app(made)) as url:
                await came_and_went(2, url, provider, redis)  # what stays has begun now
                before = running_tasks()
                clients = await came_and_went(ROUNDS, url, provider, redis)
                assert clients.refused > 0
                assert clients.aborted.total() > 0
                with contextlib.suppress(TimeoutError):
                    await until(lambda: running_tasks() == before)
                assert running_tasks() == before


async def came_and_went(rounds: int, url: str, provider: LightProvider, redis: Redis) -> Clients:
    """Clients that have had so many rounds; nobody holds a connection any more."""
    async with httpx.AsyncClient(
        base_url=f"{url}/v1/realtime/", timeout=PATIENCE_SECONDS, trust_env=False
    ) as http:
        clients = Clients(http=http, key=MASTER_KEY, provider=provider, redis=redis)
        await clients.run(rounds)
    provider.drop_connections()
    await until(lambda: "RequestResponseCycle.run_asgi" not in running_tasks())
    return clients
