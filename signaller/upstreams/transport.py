"""aiohttp below httpx's API; what it raises tells whether a request may have been sent."""

import math
import ssl
from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache

import aiohttp
import httpx
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

CONNECTIONS = 1000
"""Open at once; a request waits for one no longer than its connect time-out."""
IDLE_SECONDS = 15
"""Shorter than any known provider's keep-alive: a reused connection should not be a stale one."""
ADDRESSES = 256
"""Parsed at most once each: two for every deployment of a large configuration; those of hang-ups,
each used once, push each other out."""


class ProviderClient(httpx.AsyncClient):
    """The client for all providers: no environment, no redirects, no cookies."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.transport = AiohttpTransport(tls)
        """Asked directly, it costs a third of what httpx's requests and responses cost above it."""
        super().__init__(transport=self.transport, trust_env=False, follow_redirects=False)


def http_client(tls: ssl.SSLContext | None = None) -> ProviderClient:
    """A client that opens its connections when they are needed."""
    return ProviderClient(tls)


@lru_cache(maxsize=ADDRESSES)
def address(url: str) -> URL:
    """The URL, normalised as httpx does. Raises httpx.InvalidURL."""
    return URL(str(httpx.URL(url)), encoded=True)


@dataclass(slots=True)
class _Attempt:
    """One request; `connected` from the moment when bytes of it may have left."""

    connected: bool = False


_attempt_of_task: ContextVar[_Attempt] = ContextVar("attempt")


class _Connector(aiohttp.TCPConnector):
    """Marks an attempt once it has a connection, new (TLS included) or reused.

    aiohttp's own tracing tells it too, but makes and awaits a signal for every other step as well.
    """

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own signature
    ) -> Connection:
        """Obtain a connection."""
        connection = await super().connect(req, traces, timeout)
        _attempt_of_task.get().connected = True
        return connection


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
        asked = request.extensions["timeout"]
        reply = await self.request(
            request.method,
            URL(str(request.url), encoded=True),
            [(name.decode(), value.decode()) for name, value in request.headers.raw],
            await request.aread(),
            connect_seconds=asked["connect"],
            read_seconds=asked["read"],
        )
        return httpx.Response(
            reply.status, headers=reply.headers, stream=_Stream(reply), request=request
        )

    async def request(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str] | list[tuple[str, str]],
        content: bytes,
        *,
        connect_seconds: float | None,
        read_seconds: float | None,
    ) -> "Reply":
        """The same without httpx's models; whoever asks closes it. Raises httpx.TransportError."""
        attempt = _Attempt()
        _attempt_of_task.set(attempt)
        try:
            response = await self._opened().request(
                method,
                url,
                headers=headers,
                data=content,
                allow_redirects=False,
                # aiohttp rounds anything over 5 s up to a full second unless told where rounding
                # begins.
                timeout=aiohttp.ClientTimeout(
                    total=None,
                    connect=connect_seconds,
                    sock_read=read_seconds,
                    ceil_threshold=math.inf,
                ),
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _judged(error, attempt) from error
        return Reply(response, attempt)

    async def aclose(self) -> None:
        """Close the session and its connections."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:  # aiohttp wants a running loop, which a constructor may not have
            self._session = aiohttp.ClientSession(
                connector=_Connector(
                    limit=CONNECTIONS, keepalive_timeout=IDLE_SECONDS, ssl=self._tls or True
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            )
        return self._session


class Reply:
    """A response whose body is read as it arrives, never more of it than the reader asks for."""

    __slots__ = ("_attempt", "_response")

    def __init__(self, response: aiohttp.ClientResponse, attempt: _Attempt) -> None:
        self._response, self._attempt = response, attempt

    @property
    def status(self) -> int:
        """The status code."""
        return self._response.status

    @property
    def headers(self) -> httpx.Headers:
        """All but cookies: one set in answer to a caller must not travel with the next request."""
        fields = self._response.raw_headers
        return httpx.Headers([field for field in fields if field[0].lower() != b"set-cookie"])

    async def read_some(self) -> bytes:
        """What has arrived, at least one byte; empty at the end. Raises httpx.TransportError."""
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise _judged(error, self._attempt) from error

    def close(self) -> None:
        """Drop the connection, unless the body was read to its end: then it is in the pool."""
        self._response.close()


class _Stream(httpx.AsyncByteStream):
    """A reply's body for httpx."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while chunk := await self._reply.read_some():
            yield chunk

    async def aclose(self) -> None:
        """Close the reply."""
        self._reply.close()


def _judged(error: Exception, attempt: _Attempt) -> httpx.TransportError:
    """aiohttp's classes do not say whether a request was sent; the attempt does."""
    late = isinstance(error, TimeoutError)
    kind: type[httpx.TransportError]
    if not attempt.connected:
        kind = httpx.ConnectTimeout if late else httpx.ConnectError
    elif isinstance(error, aiohttp.ClientResponseError):
        kind = httpx.RemoteProtocolError
    else:
        kind = httpx.ReadTimeout if late else httpx.ReadError
    return kind(str(error) or type(error).__name__)
