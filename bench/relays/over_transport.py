"""The barest Starlette relay: the transport below the client, asked as the service asks it."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from bench.relays.relaying import relay_routes
from signaller.upstreams.address import address
from signaller.upstreams.transport import ProviderClient, http_client

PROVIDER = os.environ["BENCH_PROVIDER"]


@contextlib.asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[Mapping[str, object]]:
    async with http_client() as client:
        yield {"client": client}


async def _relay(request: Request) -> Response:
    client: ProviderClient = request.state.client
    reply = await client.transport.request(
        "POST",
        address(PROVIDER + request.url.path),
        [(name, request.headers[name]) for name in ("authorization", "content-type")],
        await request.body(),
        connect_seconds=5,
        deadline=asyncio.get_running_loop().time() + 20,
    )
    try:
        body = await reply.body()
    finally:
        reply.close()
    kept = {
        name: reply.headers[name] for name in ("location", "content-type") if name in reply.headers
    }
    return Response(body, reply.status, kept)


app = Starlette(routes=relay_routes(_relay), lifespan=_lifespan)
