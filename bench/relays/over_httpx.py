"""A bare Starlette relay on httpx as it comes."""

import contextlib
import os
from collections.abc import AsyncIterator, Mapping

import httpx
from starlette.applications import Starlette

from bench.relays.relaying import relay_over_httpx, relay_routes

PROVIDER = os.environ["BENCH_PROVIDER"]


@contextlib.asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[Mapping[str, object]]:
    async with httpx.AsyncClient(timeout=20, trust_env=False) as client:
        yield {"client": client}


app = Starlette(routes=relay_routes(relay_over_httpx(PROVIDER)), lifespan=_lifespan)
