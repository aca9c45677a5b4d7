"""Parse, call, render."""

import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlsplit

from msgspec.structs import replace
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Scope

from signaller.calls import Calls, Started
from signaller.deployments import Deployments
from signaller.errors import (
    InvalidApiKey,
    InvalidRequest,
    NotAllowed,
    RouteNotFound,
    SignallerError,
    TokenRejected,
    WebSocketNotSupported,
    token_is,
)
from signaller.hangups import Hangups
from signaller.journal import Journal, Line, shown_origin
from signaller.masking import Masking
from signaller.minting import Minting
from signaller.model import Caller, Trace
from signaller.ports import Callers, Store
from signaller.secret import Secret
from signaller.sessions import nested_models, parse_mint_request, parse_unified_session
from signaller.settings import Settings
from signaller.token_control import TokenControl
from signaller.tokens import PREFIX
from signaller.unified_calls import UnifiedCalls
from signaller.web.bodies import at_hand, read_json, read_token
from signaller.web.credentials import credential, evidence, text
from signaller.web.hosts import names_this_machine, own_url
from signaller.web.json_response import JsonResponse
from signaller.web.offers import ignored_parameters, read_offer
from signaller.web.pages import require_named_page
from signaller.web.rate_headers import rate_headers
from signaller.wishes import Wish

NO_STORE = {"cache-control": "no-store"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What handlers work with; a reload puts another one in its place."""

    callers: Callers
    deployments: Deployments
    minting: Minting
    calls: Calls
    unified_calls: UnifiedCalls
    hangups: Hangups
    token_control: TokenControl
    store: Store
    journal: Journal
    exposition: Callable[[], tuple[str, bytes]]
    """Media type and text of the metrics."""
    masking: Masking
    """Of all secrets of this configuration."""
    names: frozenset[str]
    """Of the callers that the configuration knows."""
    settings: Settings


@dataclass(slots=True)
class InForce:
    """The service that requests are answered by from now on; running ones keep theirs."""

    service: Service


async def mint(request: Request) -> Response:
    """POST /v1/realtime/client_secrets"""
    began, service, trace = time.perf_counter(), _service(request), _trace(request)
    with service.journal.line("mint", **trace.ids) as line:
        caller = await _identified(request, line)
        wanted = parse_mint_request(
            await read_json(request),
            only_model=service.deployments.only_model(caller.policy),
            end_user=_end_user(request),
        )
        _refuse_keys(request, wanted.session, wanted.model)
        wish = Wish(caller=caller, request=wanted, origin=_origin(request), trace=trace)
        minted = await service.minting.mint(wish, line)
    token = {"value": minted.token.reveal(), "expires_at": minted.expires_at}
    base_url = service.settings.public_url or service.masking.masked(own_url(request))
    body = {
        **token,
        "session": minted.session,
        "client_secret": token,
        "calls_url": f"{base_url}/v1/realtime/calls",
    }
    headers = _timing(began, minted.provider_seconds) | rate_headers(minted.allowance)
    return JsonResponse(body, headers=NO_STORE | headers)


async def calls(request: Request) -> Response:
    """POST /v1/realtime/calls, OPTIONS (RFC 9725, 4.2: which offers are taken)"""
    if request.method == "OPTIONS":
        headers = {"accept-post": "application/sdp", "allow": "OPTIONS, POST"}
        return Response(status_code=204, headers=headers)
    return await start_call(request)


async def start_call(request: Request) -> Response:
    """Trade an offer for the provider's answer: with a token, or as a caller."""
    began, service, trace = time.perf_counter(), _service(request), _trace(request)
    with service.journal.line("call", **trace.ids) as line:
        if ignored := ignored_parameters(request):
            line.add(ignored_parameters=ignored)
        given = credential(request)
        if given is not None and given.reveal().startswith(PREFIX):
            started = await _start_with_token(request, given, line)
        else:
            started = await _start_as_caller(request, line)
    if _is_gone(request):
        # Nobody will ever connect to this call, yet the provider keeps it open.
        await service.hangups.abandon(started.call, trace, why="its client is gone")
    headers = {"location": f"{_public_path(service)}/v1/realtime/calls/{started.call.id}"}
    headers |= _timing(began, started.provider_seconds) | rate_headers(started.allowance)
    return Response(started.sdp, 201, NO_STORE | headers, media_type="application/sdp")


async def _identified(request: Request, line: Line) -> Caller:
    """Who asks, from a page that may. Raises InvalidApiKey and its like, and OriginNotAllowed."""
    service, origin = _service(request), _origin(request)
    caller = await service.callers.identify(evidence(request))
    line.add(caller=caller.name, credential=caller.credential_id, origin=shown_origin(origin))
    require_named_page(request, caller.policy, service.settings)
    return caller


async def _start_with_token(request: Request, token: Secret, line: Line) -> Started:
    service = _service(request)
    # A forged token is refused before its body is read.
    admission = service.calls.admit(token, _origin(request), line)
    with token_is("unspent"):
        offer = await read_offer(request)
        _refuse_keys(request, offer.session or {})
    return await service.calls.start(admission, offer, _trace(request), line)


async def _start_as_caller(request: Request, line: Line) -> Started:
    """The unified interface: no token, but a proof of who calls, and a session or a model."""
    service = _service(request)
    try:
        caller = await _identified(request, line)
    except InvalidApiKey as unknown:
        raise TokenRejected(
            str(unknown),
            public=f"{TokenRejected.public} Or prove to be a caller, with a session beside the "
            f"offer. {unknown.public}",
        ) from unknown
    line.add(unified=True)
    offer = await read_offer(request)
    wanted = parse_unified_session(
        offer.session or {},
        model=request.query_params.get("model"),
        end_user=_end_user(request),
    )
    _refuse_keys(request, wanted.session, wanted.model)
    wish = Wish(
        caller=caller,
        request=wanted,
        origin=_origin(request),
        trace=_trace(request),
    )
    return await service.unified_calls.start(wish, replace(offer, session=None), line)


async def hang_up(request: Request) -> Response:
    """POST /v1/realtime/calls/{id}/hangup, DELETE /v1/realtime/calls/{id}"""
    service, trace, call_id = _service(request), _trace(request), request.path_params["call_id"]
    with service.journal.line("hangup", **trace.ids) as line:
        await service.hangups.hang_up(evidence(request), call_id, trace, line)
    return Response(status_code=200, headers=NO_STORE)


async def introspect(request: Request) -> Response:
    """POST /v1/realtime/client_secrets/introspect (RFC 7662)"""
    service = _service(request)
    with service.journal.line("introspect", **_trace(request).ids) as line:
        caller = await service.callers.identify(evidence(request))
        active = await service.token_control.introspect(caller, await read_token(request), line)
    if active is None:
        return JsonResponse({"active": False}, headers=NO_STORE)
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
    return JsonResponse(body, headers=NO_STORE)


async def revoke(request: Request) -> Response:
    """POST /v1/realtime/client_secrets/revoke (RFC 7009)"""
    service = _service(request)
    with service.journal.line("revoke", **_trace(request).ids) as line:
        caller = await service.callers.identify(evidence(request))
        await service.token_control.revoke(caller, await read_token(request), line)
    return Response(status_code=200, headers=NO_STORE)


async def models(request: Request) -> Response:
    """GET /v1/models: the realtime models a caller may use."""
    service = _service(request)
    with service.journal.refusals("models", **_trace(request).ids):
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
    return JsonResponse({"object": "list", "data": data}, headers=NO_STORE)


async def healthz(_: Request) -> Response:
    """GET /healthz: the process lives, whatever Redis does."""
    return JsonResponse({"status": "ok"}, headers=NO_STORE)


async def readyz(request: Request) -> Response:
    """GET /readyz: the store answers; otherwise 503, in the error shape."""
    await _service(request).store.ping()
    return JsonResponse({"status": "ready"}, headers=NO_STORE)


async def metrics(request: Request) -> Response:
    """GET /metrics, for whoever has the metrics' key or the master key."""
    service = _service(request)
    key, given = service.settings.metrics.key, credential(request)
    if not (key and given and hmac.compare_digest(_bytes(key), _bytes(given))):
        with service.journal.refusals("metrics", **_trace(request).ids):
            caller = await service.callers.identify(evidence(request))
            if not caller.is_master:
                raise InvalidApiKey(
                    public="Metrics are for the operator: send signaller.metrics.key, or the "
                    "master key, as 'Authorization: Bearer <key>'."
                )
    media_type, text = service.exposition()
    return Response(text, headers=NO_STORE | {"content-type": media_type})


async def tester(request: Request) -> Response:
    """GET /tester.json: what the tester page fills in. A key only where `signaller demo` runs."""
    service = _service(request)
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
    return JsonResponse(body, headers=NO_STORE)


async def realtime(request: Request) -> Response:
    """/v1/realtime, asked for over plain HTTP: OpenAI's beta took offers there."""
    if request.method != "POST":
        raise WebSocketNotSupported
    raise RouteNotFound(
        public="Offers are taken at POST /v1/realtime/calls now, with a token from POST "
        "/v1/realtime/client_secrets; this route was the beta's."
    )


async def beta_session(_: Request) -> Response:
    """Where OpenAI's beta, and Azure's, made sessions."""
    raise RouteNotFound(
        public="Sessions are made at POST /v1/realtime/client_secrets now; this route was the "
        "beta's. For a transcription send it a session of the type 'transcription'."
    )


async def realtime_websocket(connection: HTTPConnection) -> NoReturn:
    """/v1/realtime as a WebSocket."""
    _refuse_websocket(connection, WebSocketNotSupported())


async def no_websocket(connection: HTTPConnection) -> NoReturn:
    """Any other WebSocket."""
    public = (
        "There is no WebSocket at this path. Calls are made over WebRTC: send an offer to POST "
        "/v1/realtime/calls."
    )
    _refuse_websocket(connection, RouteNotFound(public=public))


def _refuse_websocket(connection: HTTPConnection, error: SignallerError) -> NoReturn:
    with _service(connection).journal.refusals("websocket", **_trace(connection).ids):
        raise error


def _is_gone(request: Request) -> bool:
    """Whether the client has closed its connection; its body has been read."""
    message = at_hand(request.receive)
    return message is not None and message["type"] == "http.disconnect"


def _refuse_keys(request: Request, session: Mapping[str, object], *models: str) -> None:
    """Raise InvalidRequest: a wildcard in `model_list` would send the key to the provider."""
    masking = masking_in_force(request.scope).also(credential(request))
    named = [("model", model) for model in models]
    for place, model in (*named, *nested_models(session)):
        if masking.finds(model):
            raise InvalidRequest(
                public="The name of a model holds a key. Send the model's name in 'model', and "
                "the key in the Authorization header.",
                param=place,
            )


def masking_in_force(scope: Scope) -> Masking:
    """By which a request's texts are judged; the credential that it brought is not among them."""
    in_force: InForce = scope["state"]["in_force"]
    return in_force.service.masking


def _service(request: HTTPConnection) -> Service:
    in_force: InForce = request.scope["state"]["in_force"]  # `request.state` makes an object
    return in_force.service


def _trace(request: HTTPConnection) -> Trace:
    trace: Trace = request.scope["trace"]
    return trace


def _origin(request: Request) -> str | None:
    """The web page's origin (RFC 6454, 7); None where the client is none."""
    return request.headers.get("origin")


def _end_user(request: Request) -> str | None:
    """What OpenAI's API takes as the end user's name. Raises InvalidRequest for two."""
    values = request.headers.getlist("openai-safety-identifier")
    if len(values) > 1:
        raise InvalidRequest(
            public="The header OpenAI-Safety-Identifier stands twice.", param="safety_identifier"
        )
    return text(values[0]) if values and values[0] else None


def _public_path(service: Service) -> str:
    """What a gateway takes off the paths of its clients: the path of `public_url`."""
    return urlsplit(service.settings.public_url or "").path


def _bytes(secret: Secret) -> bytes:
    return secret.reveal().encode("utf-8", "surrogateescape")


def _timing(began: float, provider_seconds: float) -> dict[str, str]:
    gateway_ms = (time.perf_counter() - began - provider_seconds) * 1000
    return {
        "server-timing": f"gateway;dur={gateway_ms:.1f}, provider;dur={provider_seconds * 1000:.1f}"
    }
