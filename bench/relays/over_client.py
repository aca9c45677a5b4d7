"""A bare Starlette relay on the service's own client, through the API it has: httpx's."""

import contextlib
import os
from collections.abc import AsyncIterator, Mapping

from starlette.applications import Starlette

from bench.relays.relaying import relay_over_httpx, relay_routes
from signaller.providers.http import http_client

PROVIDER = os.environ["BENCH_PROVIDER"]


@contextlib.asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[Mapping[str, object]]:
    async with http_client() as client:
        yield {"client": client}


app = Starlette(routes=relay_routes(relay_over_httpx(PROVIDER)), lifespan=_lifespan)
