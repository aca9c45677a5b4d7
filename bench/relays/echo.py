"""A bare Starlette JSON echo with one Redis SET and one GET: the floor of a warm mint."""

import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Mapping

import redis.asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


@contextlib.asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[Mapping[str, object]]:
    async with redis.asyncio.Redis.from_url(os.environ["BENCH_REDIS"]) as client:
        yield {"redis": client}


async def _echo(request: Request) -> Response:
    asked = await request.json()
    client: redis.asyncio.Redis = request.state.redis
    key = f"echo:{secrets.token_hex(16)}"
    await client.set(key, await request.body(), ex=60)
    kept = await client.get(key)
    return JSONResponse({"asked": asked, "kept": len(kept or b"")})


async def _healthz(_: Request) -> Response:
    return Response("ok")


app = Starlette(
    routes=[
        Route("/v1/realtime/client_secrets", _echo, methods=["POST"]),
        Route("/healthz", _healthz),
    ],
    lifespan=_lifespan,
)
