"""A bare Starlette relay directly on aiohttp."""

import contextlib
import os
from collections.abc import AsyncIterator, Mapping

import aiohttp
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from bench.relays.relaying import relay_routes

PROVIDER = os.environ["BENCH_PROVIDER"]


@contextlib.asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[Mapping[str, object]]:
    connector = aiohttp.TCPConnector(limit=1000)  # as many as the service may open
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield {"session": session}


async def _relay(request: Request) -> Response:
    headers = {name: request.headers[name] for name in ("authorization", "content-type")}
    session: aiohttp.ClientSession = request.state.session
    outgoing = session.post(PROVIDER + request.url.path, data=await request.body(), headers=headers)
    async with outgoing as answer:
        body = await answer.read()
    kept = {
        name: answer.headers[name]
        for name in ("location", "content-type")
        if name in answer.headers
    }
    return Response(body, answer.status, kept)


app = Starlette(routes=relay_routes(_relay), lifespan=_lifespan)
