"""Tasks, which can only be seen from inside: the service in this process, and the same faults."""

import asyncio

import httpx
from redis.asyncio import Redis

from signaller.app import create_app
from signaller.secret import Secret
from tests.faults.soak.clients import Clients
from tests.faults.soak.provider import light_provider
from tests.support.process import PATIENCE_SECONDS
from tests.support.redis import redis_server
from tests.support.service import MASTER_KEY, deployment, settings
from tests.support.serving import serving

ROUNDS = 500
"""Ten faults: each kind, and the first one again."""


async def test_no_task_is_left_behind() -> None:
    """Once clients and provider have gone, the loop runs what it ran before."""
    with redis_server() as port:  # its own: all of its connections are cut
        redis_url = f"redis://127.0.0.1:{port}/0"
        async with light_provider() as (provider, provider_url), Redis.from_url(redis_url) as redis:
            one = deployment(provider_url)
            made = settings(one, redis_url=Secret(redis_url))
            async with serving(create_app(made)) as url:
                before = asyncio.all_tasks()
                async with httpx.AsyncClient(
                    base_url=f"{url}/v1/realtime/", timeout=PATIENCE_SECONDS, trust_env=False
                ) as http:
                    clients = Clients(http=http, key=MASTER_KEY, provider=provider, redis=redis)
                    await clients.run(ROUNDS)
                assert clients.refused > 0
                assert clients.aborted.total() > 0
                provider.drop_connections()
                left = asyncio.all_tasks() - before
                if left:
                    await asyncio.wait(left, timeout=PATIENCE_SECONDS)
                assert asyncio.all_tasks() == before
