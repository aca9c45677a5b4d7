"""What each route does: parse the request, call the part that decides, render its answer."""

import hmac
import time
from collections.abc import Mapping
from typing import NoReturn

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from signaller.errors import (
    InvalidApiKey,
    InvalidRequest,
    NotAllowed,
    RouteNotFound,
    SignallerError,
    WebSocketNotSupported,
)
from signaller.logs import Line, shown_origin
from signaller.model import Caller
from signaller.realtime.call_records import shown_metadata
from signaller.realtime.minting import MintOrder
from signaller.realtime.sessions import nested_models, parse_mint_request
from signaller.secret import Secret
from signaller.web.bodies import read_json, read_token
from signaller.web.credentials import (
    credential,
    end_user,
    evidence,
    names_this_machine,
    own_url,
    page_origin,
    require_named_page,
)
from signaller.web.rendering import NO_STORE, rate_headers, request_masking, timing_headers
from signaller.web.state import State


async def mint(request: Request[State]) -> Response:
    """POST /v1/realtime/client_secrets"""
    began, service, trace = time.perf_counter(), request.state["service"], request.state["trace"]
    with service.journal.line("mint", trace) as line:
        caller = await identified(request, line)
        wanted = parse_mint_request(
            await read_json(request),
            only_model=service.deployments.only_model(caller.policy),
            end_user=end_user(request),
        )
        refuse_keys(request, wanted.session, wanted.model)
        order = MintOrder(caller=caller, request=wanted, origin=page_origin(request), trace=trace)
        minted = await service.minting.mint(order, line)
    token = {"value": minted.token.reveal(), "expires_at": minted.expires_at}
    base_url = service.settings.public_url or service.masking.masked(own_url(request))
    body = {
        **token,
        "session": minted.session,
        "client_secret": token,
        "calls_url": f"{base_url}/v1/realtime/calls",
    }
    headers = timing_headers(began, minted.provider_seconds) | rate_headers(minted.allowance)
    return JSONResponse(body, headers=NO_STORE | headers)


async def identified(request: Request[State], line: Line) -> Caller:
    """Who asks, from a page that may. Raises InvalidApiKey and its like, and OriginNotAllowed."""
    service, origin = request.state["service"], page_origin(request)
    caller = await service.callers.identify(evidence(request))
    line.add(caller=caller.name, credential_id=caller.credential_id, origin=shown_origin(origin))
    require_named_page(request, caller.policy, service.settings)
    return caller


async def introspect(request: Request[State]) -> Response:
    """POST /v1/realtime/client_secrets/introspect (RFC 7662)"""
    service = request.state["service"]
    with service.journal.line("introspect", request.state["trace"]) as line:
        caller = await service.callers.identify(evidence(request))
        active = await service.token_control.introspect(caller, await read_token(request), line)
    if active is None:
        return JSONResponse({"active": False}, headers=NO_STORE)
    claims = active.claims
    body = {
        "active": True,
        "jti": claims.grant_id,
        "caller": service.masking.masked(claims.caller),
        "model": claims.model,
        "iat": claims.issued_at,
        "exp": active.expires_at,
        "uses_left": active.uses_left,
        "origins": list(claims.origins) or None,
    }
    if active.metadata:
        body["metadata"] = shown_metadata(active.metadata, service.masking)
    return JSONResponse(body, headers=NO_STORE)


async def revoke(request: Request[State]) -> Response:
    """POST /v1/realtime/client_secrets/revoke (RFC 7009)"""
    service = request.state["service"]
    with service.journal.line("revoke", request.state["trace"]) as line:
        caller = await service.callers.identify(evidence(request))
        await service.token_control.revoke(caller, await read_token(request), line)
    return Response(status_code=200, headers=NO_STORE)


async def models(request: Request[State]) -> Response:
    """GET /v1/models: the realtime models a caller may use."""
    service = request.state["service"]
    with service.journal.refusals("models", request.state["trace"]):
        caller = await service.callers.identify(evidence(request))
    data = [
        {
            "id": service.masking.masked(name),
            "object": "model",
            "created": 0,
            "owned_by": "signaller",
        }
        for name in service.deployments.offered_under(caller.policy)
    ]
    return JSONResponse({"object": "list", "data": data}, headers=NO_STORE)


async def healthz(_: Request[State]) -> Response:
    """GET /healthz: the process lives, whatever Redis does."""
    return JSONResponse({"status": "ok"}, headers=NO_STORE)


async def readyz(request: Request[State]) -> Response:
    """GET /readyz: the store answers; otherwise 503, in the error shape."""
    await request.state["service"].store.ping()
    return JSONResponse({"status": "ready"}, headers=NO_STORE)


async def metrics(request: Request[State]) -> Response:
    """GET /metrics, for whoever has the metrics' key or the master key."""
    service = request.state["service"]
    key, given = service.settings.metrics.key, credential(request)
    if not (key and given and hmac.compare_digest(_bytes(key), _bytes(given))):
        with service.journal.refusals("metrics", request.state["trace"]):
            caller = await service.callers.identify(evidence(request))
            if not caller.is_master:
                raise InvalidApiKey(
                    public="Metrics are for the operator: send signaller.metrics.key, or the "
                    "master key, as 'Authorization: Bearer <key>'."
                )
    media_type, text = service.exposition()
    return Response(text, headers=NO_STORE | {"content-type": media_type})


async def service_state(request: Request[State]) -> Response:
    """GET /v1/realtime/state, for the master key: how this replica stands."""
    service = request.state["service"]
    with service.journal.refusals("state", request.state["trace"]):
        caller = await service.callers.identify(evidence(request))
        require_named_page(request, caller.policy, service.settings)
        if not caller.is_master:
            raise NotAllowed(
                public="The state of the service is for its operator: send the master key as "
                "'Authorization: Bearer <key>'. Your own calls are at GET /v1/realtime/calls."
            )
    return JSONResponse(await service.service_state.as_json(), headers=NO_STORE)


async def tester(request: Request[State]) -> Response:
    """GET /tester.json: what the tester page fills in. A key only where `signaller demo` runs."""
    service = request.state["service"]
    settings, key = service.settings, service.settings.tester_key
    if key and not names_this_machine(request.headers.get("host"), settings.tester_host):
        raise NotAllowed(
            "the demo's key asked for under a foreign name",
            public="The demo fills in its key only under a name of its own machine: open "
            "http://localhost:<port>/, or start it with --host and the address you use.",
        )
    body = {
        "demo": key is not None,
        "key": key.reveal() if key else None,
        "models": service.deployments.models if key else [],
    }
    return JSONResponse(body, headers=NO_STORE)


async def realtime(request: Request[State]) -> Response:
    """/v1/realtime, asked for over plain HTTP: OpenAI's beta took offers there."""
    if request.method != "POST":
        raise WebSocketNotSupported
    raise RouteNotFound(
        public="Offers are taken at POST /v1/realtime/calls now, with a token from POST "
        "/v1/realtime/client_secrets; this route was the beta's."
    )


async def beta_session(_: Request[State]) -> Response:
    """Where OpenAI's beta, and Azure's, made sessions."""
    raise RouteNotFound(
        public="Sessions are made at POST /v1/realtime/client_secrets now; this route was the "
        "beta's. For a transcription send it a session of the type 'transcription'."
    )


async def realtime_websocket(websocket: WebSocket[State]) -> NoReturn:
    """/v1/realtime as a WebSocket."""
    _refuse_websocket(websocket, WebSocketNotSupported())


async def no_websocket(websocket: WebSocket[State]) -> NoReturn:
    """Any other WebSocket."""
    public = (
        "There is no WebSocket at this path. Calls are made over WebRTC: send an offer to POST "
        "/v1/realtime/calls."
    )
    _refuse_websocket(websocket, RouteNotFound(public=public))


def _refuse_websocket(websocket: WebSocket[State], error: SignallerError) -> NoReturn:
    with websocket.state["service"].journal.refusals("websocket", websocket.state["trace"]):
        raise error


def refuse_keys(request: Request[State], session: Mapping[str, object], *models: str) -> None:
    """Raise InvalidRequest: a wildcard in `model_list` would send the key to the provider."""
    masking = request_masking(request)
    named = [("model", model) for model in models]
    for place, model in (*named, *nested_models(session)):
        if masking.finds(model):
            raise InvalidRequest(
                public="The name of a model holds a key. Send the model's name in 'model', and "
                "the key in the Authorization header.",
                param=place,
            )


def _bytes(secret: Secret) -> bytes:
    return secret.reveal().encode("utf-8", "surrogateescape")
