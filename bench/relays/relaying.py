"""One POST onwards: where the steps are, and how httpx relays them."""

from collections.abc import Awaitable, Callable

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PATHS = ("/v1/realtime/client_secrets", "/v1/realtime/calls")
Endpoint = Callable[[Request], Awaitable[Response]]


def relay_routes(endpoint: Endpoint) -> list[Route]:
    """Both steps to one endpoint, and what tells that the server is up."""
    posts = [Route(path, endpoint, methods=["POST"]) for path in PATHS]
    return [*posts, Route("/healthz", _healthz)]


def relay_over_httpx(provider: str) -> Endpoint:
    """An endpoint that relays with `request.state.client`.

    The request is built and sent in the way that costs less than `client.post`: the bar is meant
    for what the service adds, not for what it saves.
    """
    timeout = httpx.Timeout(20).as_dict()

    async def relay(request: Request) -> Response:
        outgoing = httpx.Request(
            "POST",
            provider + request.url.path,
            headers={
                "authorization": request.headers["authorization"],
                "content-type": request.headers["content-type"],
            },
            content=await request.body(),
            extensions={"timeout": timeout},
        )
        client: httpx.AsyncClient = request.state.client
        answer = await client.send(outgoing)
        kept = {"location", "content-type"} & answer.headers.keys()
        headers = {name: answer.headers[name] for name in kept}
        return Response(answer.content, answer.status_code, headers)

    return relay


async def _healthz(_: Request) -> Response:
    return Response("ok")
