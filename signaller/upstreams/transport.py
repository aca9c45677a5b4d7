"""aiohttp below httpx's API; what it raises tells whether a request may have been sent."""

import math
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import SimpleNamespace

import aiohttp
import httpx
from yarl import URL

CONNECTIONS = 1000
"""Open at once; a request waits for one no longer than its connect time-out."""
IDLE_SECONDS = 15
"""Shorter than any known provider's keep-alive: a reused connection should not be a stale one."""


def http_client(tls: ssl.SSLContext | None = None) -> httpx.AsyncClient:
    """The client for all providers: no environment, no redirects, no cookies."""
    return httpx.AsyncClient(
        transport=AiohttpTransport(tls), trust_env=False, follow_redirects=False
    )


@dataclass(slots=True)
class _Attempt:
    """One request; `connected` from the moment when bytes of it may have left."""

    connected: bool = False


class AiohttpTransport(httpx.AsyncBaseTransport):
    """One aiohttp session, opened by the first request.

    ConnectError and ConnectTimeout: no connection was ever obtained, so nothing was sent.
    ReadError, ReadTimeout and RemoteProtocolError: something may have been sent. A reused
    connection that turns out to be closed is among these, for nobody can tell.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send once; POSTs are never repeated, not even on a stale connection."""
        attempt = _Attempt()
        try:
            response = await self._opened().request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=[(name.decode(), value.decode()) for name, value in request.headers.raw],
                data=await request.aread(),
                allow_redirects=False,
                timeout=_timeout(request),
                trace_request_ctx=attempt,
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _judged(error, attempt, request) from error
        return httpx.Response(
            response.status,
            # A cookie set in answer to one caller must not travel with the next one's request.
            headers=[field for field in response.raw_headers if field[0].lower() != b"set-cookie"],
            stream=_Body(response, attempt, request),
            request=request,
        )

    async def aclose(self) -> None:
        """Close the session and its connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:  # aiohttp wants a running loop, which a constructor may not have
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=CONNECTIONS, keepalive_timeout=IDLE_SECONDS, ssl=self._tls or True
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
                trace_configs=[_watch()],
            )
        return self._session


class _Body(httpx.AsyncByteStream):
    """A response's bytes as they arrive, never more of them than the reader asks for."""

    def __init__(
        self, response: aiohttp.ClientResponse, attempt: _Attempt, request: httpx.Request
    ) -> None:
        self._response, self._attempt, self._request = response, attempt, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError) as error:
            raise _judged(error, self._attempt, self._request) from error

    async def aclose(self) -> None:
        """Drop the connection, unless the body was read to its end: then it is in the pool."""
        self._response.close()


def _judged(error: Exception, attempt: _Attempt, request: httpx.Request) -> httpx.TransportError:
    """aiohttp's classes do not say whether a request was sent; the attempt does."""
    late = isinstance(error, TimeoutError)
    kind: type[httpx.TransportError]
    if not attempt.connected:
        kind = httpx.ConnectTimeout if late else httpx.ConnectError
    elif isinstance(error, aiohttp.ClientResponseError):
        kind = httpx.RemoteProtocolError
    else:
        kind = httpx.ReadTimeout if late else httpx.ReadError
    return kind(str(error) or type(error).__name__, request=request)


def _watch() -> aiohttp.TraceConfig:
    """Mark an attempt as connected once it has a connection, new (TLS included) or reused."""
    config = aiohttp.TraceConfig()

    async def connected(_session: object, context: SimpleNamespace, _event: object) -> None:
        context.trace_request_ctx.connected = True

    config.on_connection_create_end.append(connected)
    config.on_connection_reuseconn.append(connected)
    return config


def _timeout(request: httpx.Request) -> aiohttp.ClientTimeout:
    asked = request.extensions["timeout"]
    # aiohttp rounds anything over 5 s up to a full second unless told where rounding begins.
    return aiohttp.ClientTimeout(
        total=None, connect=asked["connect"], sock_read=asked["read"], ceil_threshold=math.inf
    )
