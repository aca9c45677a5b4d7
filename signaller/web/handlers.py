"""Parse, call, render."""

import time
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from signaller.calls import Calls
from signaller.deployments import Deployments
from signaller.errors import TokenRejected
from signaller.journal import journal
from signaller.minting import Minting
from signaller.ports import Callers, Store
from signaller.sessions import parse_mint_request
from signaller.settings import Settings
from signaller.web.bodies import read_json
from signaller.web.credentials import credential
from signaller.web.offers import read_offer

NO_STORE = {"cache-control": "no-store"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What handlers work with; the lifespan puts it into the request's state."""

    callers: Callers
    deployments: Deployments
    minting: Minting
    calls: Calls
    store: Store
    settings: Settings


async def mint(request: Request) -> Response:
    """POST /v1/realtime/client_secrets"""
    began, service = time.perf_counter(), _service(request)
    request_id = request.scope["request_id"]
    with journal("mint", request_id=request_id) as line:
        caller = service.callers.identify(credential(request))
        wanted = parse_mint_request(await read_json(request))
        minted = await service.minting.mint(caller, wanted, request_id, line)
    token = {"value": minted.token.reveal(), "expires_at": minted.expires_at}
    base_url = service.settings.public_url or str(request.base_url).rstrip("/")
    body = {
        **token,
        "session": minted.session,
        "client_secret": token,
        "calls_url": f"{base_url}/v1/realtime/calls",
    }
    return JSONResponse(body, headers=NO_STORE | _timing(began, minted.provider_seconds))


async def calls(request: Request) -> Response:
    """POST /v1/realtime/calls, OPTIONS (RFC 9725, 4.2: which offers are taken)"""
    if request.method == "OPTIONS":
        headers = {"accept-post": "application/sdp", "allow": "OPTIONS, POST"}
        return Response(status_code=204, headers=headers)
    return await start_call(request)


async def start_call(request: Request) -> Response:
    """Trade a token and an offer for the provider's answer."""
    began, service = time.perf_counter(), _service(request)
    request_id = request.scope["request_id"]
    with journal("call", request_id=request_id) as line:
        token = credential(request)
        if token is None:
            raise TokenRejected("no credential")
        claims = service.calls.read(token)  # a forged token is refused before its body is read
        offer = await read_offer(request)
        started = await service.calls.start(claims, offer, request_id, line)
    if await request.is_disconnected():
        # Nobody will ever connect to this call, yet the provider keeps it open.
        await service.calls.abandon(started.call, request_id)
    headers = {"location": f"/v1/realtime/calls/{started.call.id}"}
    return Response(
        started.sdp,
        201,
        NO_STORE | headers | _timing(began, started.provider_seconds),
        media_type="application/sdp",
    )


async def hang_up(request: Request) -> Response:
    """POST /v1/realtime/calls/{id}/hangup, DELETE /v1/realtime/calls/{id}"""
    request_id, call_id = request.scope["request_id"], request.path_params["call_id"]
    with journal("hangup", request_id=request_id) as line:
        await _service(request).calls.hang_up(credential(request), call_id, request_id, line)
    return Response(status_code=200, headers=NO_STORE)


async def models(request: Request) -> Response:
    """GET /v1/models: the realtime models a caller may use."""
    service = _service(request)
    service.callers.identify(credential(request))
    data = [
        {"id": name, "object": "model", "created": 0, "owned_by": "signaller"}
        for name in service.deployments.models
    ]
    return JSONResponse({"object": "list", "data": data}, headers=NO_STORE)


async def healthz(_: Request) -> Response:
    """GET /healthz: the process lives, whatever Redis does."""
    return JSONResponse({"status": "ok"}, headers=NO_STORE)


async def readyz(request: Request) -> Response:
    """GET /readyz: the store answers; otherwise 503, in the error shape."""
    await _service(request).store.ping()
    return JSONResponse({"status": "ready"}, headers=NO_STORE)


async def tester(request: Request) -> Response:
    """GET /tester.json: what the tester page fills in. A key only where `signaller demo` runs."""
    service = _service(request)
    key = service.settings.tester_key
    body = {
        "demo": key is not None,
        "key": key.reveal() if key else None,
        "models": service.deployments.models if key else [],
    }
    return JSONResponse(body, headers=NO_STORE)


def _service(request: Request) -> Service:
    service: Service = request.state.service
    return service


def _timing(began: float, provider_seconds: float) -> dict[str, str]:
    gateway_ms = (time.perf_counter() - began - provider_seconds) * 1000
    return {
        "server-timing": f"gateway;dur={gateway_ms:.1f}, provider;dur={provider_seconds * 1000:.1f}"
    }
