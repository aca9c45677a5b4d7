"""A scriptable provider over HTTP, without media: OpenAI's routes, and Azure's under /openai.

provider = FakeProvider()
async with serving(provider.app) as url:            # the base URL of a deployment
    provider.mint.answers(429, {"error": {...}}, headers={"retry-after": "7"})
    provider.call.holds()                           # ... until provider.call.release()
    await provider.call.arrived()                   # the request is in, and unanswered
    assert provider.requests == []
"""

import asyncio
import itertools
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from tests.support.sidebands import Sidebands

Body = Mapping[str, Any] | str | bytes

ANSWER_LINES = (
    "v=0",
    "o=- 4611731400430051336 2 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    "a=group:BUNDLE 0 1",
    "a=ice-lite",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111",
    "c=IN IP4 127.0.0.1",
    "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host",
    "a=ice-ufrag:Fake",
    "a=ice-pwd:0123456789abcdef01234567",
    "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
    "a=setup:passive",
    "a=mid:0",
    "a=sendrecv",
    "a=rtcp-mux",
    "a=rtpmap:111 opus/48000/2",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "c=IN IP4 127.0.0.1",
    "a=mid:1",
    "a=sctp-port:5000",
)
ANSWER = "".join(f"{line}\r\n" for line in ANSWER_LINES).encode()
"""What an accepted offer is answered with: CRLF, and one at the very end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One request as it arrived; header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def error(message: str, code: str | None = None, type: str = "invalid_request_error") -> Body:
    """An error body in OpenAI's shape."""
    return {"error": {"message": message, "type": type, "code": code, "param": None}}


class Programmed:
    """One operation: what it received, and what it answers instead of the default."""

    def __init__(self, default: Callable[[Recorded], Response]) -> None:
        self.requests: list[Recorded] = []
        self._default = default
        self._script: tuple[int, Body, Mapping[str, str]] | None = None
        self._times: int | None = None
        self._free = asyncio.Event()
        self._free.set()
        self._arrival = asyncio.Condition()

    def answers(
        self,
        status: int,
        body: Body = b"",
        *,
        headers: Mapping[str, str] | None = None,
        times: int | None = None,
    ) -> None:
        """Answer so, `times` times (None: until `behaves`), then by default again."""
        self._script, self._times = (status, body, headers or {}), times

    def behaves(self) -> None:
        """Answer by default again, at once."""
        self._script = None
        self._free.set()

    def holds(self) -> None:
        """Let requests in, but answer none before `release`."""
        self._free.clear()

    def release(self) -> None:
        """Answer what was held."""
        self._free.set()

    async def arrived(self, count: int = 1, *, seconds: float = 30) -> Recorded:
        """The `count`th request ever received, as soon as it is in."""
        async with asyncio.timeout(seconds), self._arrival:
            await self._arrival.wait_for(lambda: len(self.requests) >= count)
        return self.requests[count - 1]

    async def __call__(self, request: Request, everything: list[Recorded]) -> Response:
        recorded = Recorded(
            method=request.method,
            path=request.url.path,
            query=request.url.query,
            headers=dict(request.headers),
            body=await request.body(),
        )
        async with self._arrival:
            self.requests.append(recorded)
            everything.append(recorded)
            self._arrival.notify_all()
        await self._until_free(request)
        if self._script is None or self._times == 0:
            return self._default(recorded)
        if self._times is not None:
            self._times -= 1
        status, body, headers = self._script
        if isinstance(body, Mapping):
            return JSONResponse(body, status, headers=headers)
        return Response(body, status, headers=headers)

    async def _until_free(self, request: Request) -> None:
        """Wait for `release`, or for the client to go away: a held request ends with it."""
        if self._free.is_set():
            return
        waits = [asyncio.create_task(self._free.wait()), asyncio.create_task(gone(request))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


async def gone(request: Request) -> None:
    """Return once the client has disconnected."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


class FakeProvider:
    """OpenAI under /v1/realtime, Azure under /openai/v1/realtime; everything is recorded."""

    def __init__(self) -> None:
        self.requests: list[Recorded] = []
        """All of them, in the order of arrival."""
        self.secrets: dict[str, int] = {}
        """Every ephemeral secret minted by default, and when it expires."""
        self.live_calls: set[str] = set()
        """Calls begun by default and not hung up."""
        self.mint = Programmed(self._mint)
        self.call = Programmed(self._call)
        self.hangup = Programmed(self._hangup)
        self._number = itertools.count(1)
        self.sidebands = Sidebands(self.live_calls, self._takes)
        """The control connections of the calls that are live."""
        self.app = Starlette(
            routes=[
                Route(f"{prefix}/v1/realtime/{path}", self._endpoint(operation), methods=["POST"])
                for prefix in ("", "/openai")
                for path, operation in (
                    ("client_secrets", self.mint),
                    ("calls", self.call),
                    ("calls/{id}/hangup", self.hangup),
                )
            ]
            + [
                WebSocketRoute(f"{prefix}/v1/realtime", self.sidebands)
                for prefix in ("", "/openai")
            ]
        )

    def ends(self, call_id: str) -> None:
        """A call is over without anybody having asked: its client is gone."""
        self.live_calls.discard(call_id)
        self.sidebands.ended(call_id)

    def _takes(self, headers: Mapping[str, str]) -> bool:
        """Whether it is the standard key that comes with a sideband."""
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        given = bearer or headers.get("api-key", "")
        return bool(given) and given not in self.secrets

    def _endpoint(self, operation: Programmed) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await operation(request, self.requests)

        return endpoint

    def _mint(self, request: Recorded) -> Response:
        if request.query:
            return JSONResponse(error("API version not supported", "BadRequest"), 400)
        if not credential(request):
            return JSONResponse(error("Missing key.", "invalid_api_key"), 401)
        asked = request.json()
        seconds = asked.get("expires_after", {}).get("seconds", 600)
        if not 10 <= seconds <= 7200:
            return JSONResponse(error("Invalid 'expires_after.seconds'."), 400)
        if asked["session"].get("type") not in {"realtime", "transcription"}:
            return JSONResponse(error("Invalid 'session.type'."), 400)
        number = next(self._number)
        value, expires_at = f"ek_fake_{number:020}", int(time.time()) + seconds
        self.secrets[value] = expires_at
        session = {
            **asked["session"],
            "id": f"sess_{number}",
            "object": "realtime.session",
            "client_secret": {"value": value, "expires_at": expires_at},
        }
        return JSONResponse({"value": value, "expires_at": expires_at, "session": session})

    def _call(self, request: Recorded) -> Response:
        content_type = request.headers.get("content-type", "")
        azure = request.path.startswith("/openai/")
        if content_type.startswith("multipart/form-data") and not azure:
            return self._unified(request)
        expires_at = self.secrets.get(credential(request))
        if expires_at is None or expires_at <= time.time():
            return JSONResponse(error("This route requires ephemeral tokens."), 401)
        if content_type != "application/sdp":
            return JSONResponse(error("Unsupported content type."), 415)
        if not request.body.startswith(b"v=0") or not request.body.endswith(b"\n"):
            return JSONResponse(error("Invalid SDP.", "invalid_offer"), 400)
        return self._answer(request)

    def _unified(self, request: Recorded) -> Response:
        """OpenAI's other flow: the standard key, and the session beside the offer."""
        if not credential(request) or credential(request) in self.secrets:
            return JSONResponse(error("Incorrect API key.", "invalid_api_key"), 401)
        if "session" not in parts(request):
            return JSONResponse(error("Missing session."), 400)
        return self._answer(request)

    def _answer(self, request: Recorded) -> Response:
        call_id = f"rtc_fake_{next(self._number)}"
        self.live_calls.add(call_id)
        headers = {"location": f"{request.path}/{call_id}"}
        return Response(ANSWER, 201, headers=headers, media_type="application/sdp")

    def _hangup(self, request: Recorded) -> Response:
        if not credential(request) or credential(request) in self.secrets:
            return JSONResponse(error("Incorrect API key.", "invalid_api_key"), 401)
        call_id = request.path.split("/")[-2]
        if call_id not in self.live_calls:
            return JSONResponse(error("No such call.", "call_id_not_found"), 404)
        self.ends(call_id)
        return Response()


def parts(request: Recorded) -> dict[str, bytes]:
    """The parts of a multipart body, by Python's own reader of mail."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + request.body)
    return {
        str(part.get_param("name", header="content-disposition")): part.get_content().encode()
        if part.get_content_maintype() == "text"
        else part.get_content()
        for part in message.iter_parts()
    }


def credential(request: Recorded) -> str:
    """The bearer token or Azure's api-key; empty when there is neither."""
    bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
    return bearer or request.headers.get("api-key", "")
