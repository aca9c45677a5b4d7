"""Calls: begun, ended, and shown: one, a list, and events as they happen."""

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from urllib.parse import urlsplit

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from signaller.errors import InvalidApiKey, NoCredential, TokenRejected, UnknownParameter
from signaller.logs import Line
from signaller.realtime.call_feed import CallFeed, Follower
from signaller.realtime.call_lists import parse_call_query
from signaller.realtime.call_records import CallRecord, shown_object
from signaller.realtime.calls import Started, token_is
from signaller.realtime.minting import MintOrder
from signaller.realtime.sessions import parse_unified_session
from signaller.secret import Secret
from signaller.tokens.tokens import PREFIX
from signaller.web.bodies import has_left, ignored_parameters, read_offer
from signaller.web.credentials import credential, end_user, evidence, page_origin
from signaller.web.handlers import identified, refuse_keys
from signaller.web.rendering import NO_STORE, rate_headers, timing_headers
from signaller.web.state import InForce, Service, State

PING_SECONDS = 15
"""Gateways close what is silent for 60 s, some for 30."""
RETRY_MS = 1000
"""What a browser's EventSource waits before it comes back."""
GRACE_SECONDS = 5.0
"""At a shutdown every follower ends by itself at once; until then the library cuts none off."""


async def calls(request: Request[State]) -> Response:
    """POST /v1/realtime/calls, OPTIONS (RFC 9725, 4.2: which offers are taken), GET"""
    match request.method:
        case "OPTIONS":
            headers = {"accept-post": "application/sdp", "allow": "GET, HEAD, OPTIONS, POST"}
            return Response(status_code=204, headers=headers)
        case "POST":
            return await start_call(request)
    return await list_calls(request)


async def call(request: Request[State]) -> Response:
    """GET /v1/realtime/calls/{id}, DELETE"""
    return await (hang_up if request.method == "DELETE" else show_call)(request)


async def start_call(request: Request[State]) -> Response:
    """Trade an offer for the provider's answer: with a token, or as a caller."""
    began, service, trace = time.perf_counter(), request.state["service"], request.state["trace"]
    with service.journal.line("call", trace) as line:
        if ignored := ignored_parameters(request):
            line.add(ignored_parameters=ignored)
        given = credential(request)
        if given is not None and given.reveal().startswith(PREFIX):
            started = await _start_with_token(request, given, line)
        else:
            started = await _start_as_caller(request, line)
    if await has_left(request):
        # Nobody will ever connect to this call, yet the provider keeps it open.
        record = CallRecord(facts=started.call)
        await service.hangups.abandon(record, trace, by="client", why="its client is gone")
    headers = {"location": f"{_public_path(service)}/v1/realtime/calls/{started.call.id}"}
    headers |= timing_headers(began, started.provider_seconds) | rate_headers(started.allowance)
    return Response(started.sdp, 201, NO_STORE | headers, media_type="application/sdp")


async def _start_with_token(request: Request[State], token: Secret, line: Line) -> Started:
    service = request.state["service"]
    # A forged token is refused before its body is read.
    admission = service.calls.admit(token, page_origin(request), line)
    with token_is("unspent"):
        offer = await read_offer(request)
        if offer.session is not None:
            refuse_keys(request, offer.session)
    return await service.calls.start(admission, offer, request.state["trace"], line)


async def _start_as_caller(request: Request[State], line: Line) -> Started:
    """The unified interface: no token, but a proof of who calls, and a session or a model."""
    service = request.state["service"]
    try:
        caller = await identified(request, line)
    except NoCredential as nobody:
        raise TokenRejected(
            str(nobody),
            public="No credential was found. Send a fresh token from POST "
            "/v1/realtime/client_secrets in one header 'Authorization: Bearer ek_...'.",
        ) from nobody
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
        end_user=end_user(request),
    )
    refuse_keys(request, wanted.session, wanted.model)
    origin, trace = page_origin(request), request.state["trace"]
    order = MintOrder(caller=caller, request=wanted, origin=origin, trace=trace)
    return await service.unified_calls.start(order, replace(offer, session=None), line)


async def hang_up(request: Request[State]) -> Response:
    """POST /v1/realtime/calls/{id}/hangup, DELETE /v1/realtime/calls/{id}"""
    service, trace = request.state["service"], request.state["trace"]
    with service.journal.line("hangup", trace) as line:
        await service.hangups.hang_up(
            evidence(request), request.path_params["call_id"], trace, line
        )
    return Response(status_code=200, headers=NO_STORE)


async def show_call(request: Request[State]) -> Response:
    """The call, for its caller, its token and the master key."""
    service = request.state["service"]
    with service.journal.line("show_call", request.state["trace"]) as line:
        call_id = request.path_params["call_id"]
        record = await service.call_access.find(evidence(request), call_id, line)
    return JSONResponse(shown_object(record.as_json(), service.masking), headers=NO_STORE)


async def list_calls(request: Request[State]) -> Response:
    """A page of the caller's calls, or of all for the master key."""
    service = request.state["service"]
    with service.journal.line("list_calls", request.state["trace"]) as line:
        _refuse_token(request)
        caller = await identified(request, line)
        query = parse_call_query(request.query_params.multi_items())
        page = await service.call_lists.page(caller, query)
    body = {
        "object": "list",
        "data": [shown_object(each.as_json(), service.masking) for each in page.records],
        "first_id": page.first_id,
        "last_id": page.last_id,
        "has_more": page.has_more,
    }
    return JSONResponse(body, headers=NO_STORE)


async def follow_calls(request: Request[State]) -> Response:
    """GET /v1/realtime/calls/events: the same objects, as server-sent events."""
    service = request.state["service"]
    with service.journal.line("follow_calls", request.state["trace"]) as line:
        _refuse_token(request)
        caller = await identified(request, line)
        for name in request.query_params:
            raise UnknownParameter(
                public="The feed takes no parameters: it tells of all calls that you may see. To "
                "go on where you were, send the header Last-Event-ID.",
                param=name[:40],
            )
        after = request.headers.get("last-event-id") or None
        line.add(resumed=after is not None)
        if request.method == "HEAD":
            return Response(headers=NO_STORE, media_type="text/event-stream")
        follower = await service.call_feed.follow(caller, after)
    return CallEvents(service.call_feed, follower, request.state["in_force"])


class CallEvents(EventSourceResponse):
    """The events of one follower, until it leaves, is let go, or the process ends."""

    def __init__(self, feed: CallFeed, follower: Follower, in_force: InForce) -> None:
        self._feed, self._follower, self._in_force = feed, follower, in_force
        super().__init__(
            _messages(follower),
            headers=NO_STORE,
            ping=PING_SECONDS,
            ping_message_factory=lambda: _place(follower, "keep-alive"),
            data_sender_callable=self._end_with_the_process,
            shutdown_grace_period=GRACE_SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._feed.leave(self._follower)

    async def _end_with_the_process(self) -> None:
        await self._in_force.leaving.wait()
        self._follower.close()


async def _messages(follower: Follower) -> AsyncIterator[ServerSentEvent]:
    yield _place(follower, "following", retry=RETRY_MS)
    async with aclosing(follower.events()) as events:
        async for event, resume_at in events:
            yield ServerSentEvent(event.data, event=event.kind, id=resume_at)


def _place(follower: Follower, comment: str, *, retry: int | None = None) -> ServerSentEvent:
    """A message that is no event, and tells a reader where it may go on should it be cut off."""
    return ServerSentEvent(comment=comment, id=follower.resume_at, retry=retry)


def _refuse_token(request: Request[State]) -> None:
    """A token is for one call: its holder may look at that one, not at its caller's others."""
    given = credential(request)
    if given is not None and given.reveal().startswith(PREFIX):
        raise TokenRejected(
            "a token asked for calls",
            public="A token shows its own call only: GET /v1/realtime/calls/<id>. Lists and events "
            "are for callers and the master key.",
        )


def _public_path(service: Service) -> str:
    """What a gateway takes off the paths of its clients: the path of `public_url`."""
    return urlsplit(service.settings.public_url or "").path
