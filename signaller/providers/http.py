"""The HTTP client for providers and issuers, and one request over it: sent at most once, bounded.

httpx over aiohttp. It follows no redirect, keeps no cookie, and reads no environment but
`SSL_CERT_FILE`.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache, partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver
from aiohttp.connector import Connection
from httpx_aiohttp import AiohttpTransport

from signaller.errors import (
    FetchFailed,
    UpstreamAuthFailed,
    UpstreamConnectTimeout,
    UpstreamDisconnected,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from signaller.providers.egress import DIRECT, USER_AGENT, Proxies, through, tls_context
from signaller.settings import Egress

CONNECTIONS_PER_ORIGIN = 500
"""A provider that hangs can hold so many, and leaves all others theirs. Whoever comes later waits
no longer than the connect time-out."""
IDLE_SECONDS = 15.0
"""Shorter than any known provider's keep-alive: a reused connection should not be a stale one."""
MAX_FIELD_BYTES = 16 * 1024
"""Of one header field; there may be 128. Providers send some 2 KB in all, with cookies of their
CDN."""
MAX_BODY_BYTES = 2 * 1024 * 1024
"""Sessions and SDP answers have some 10 KB; but a session of the 256 KiB that a mint may bring
comes back with more in it, and written in escapes it is six times as long."""
MAX_DOCUMENT_BYTES = 256 * 1024
"""A set of ten RSA keys with certificate chains has some 50 KB."""
FETCH_SECONDS = 5
"""The first requests wait for it."""
ERROR_BODY_SECONDS = 0.4
"""An error's status is worth passing on at once, even if its text is slow to come."""
ALWAYS = {
    "User-Agent": USER_AGENT,
    "Accept-Encoding": "identity",  # small bodies; and nothing to inflate
}

# Whether the current task has begun to send its request.
_sending: ContextVar[bool] = ContextVar("signaller_sending", default=False)


def http_client(
    egress: Egress = DIRECT,
    *,
    resolver: Callable[[], AbstractResolver] = aiohttp.AsyncResolver,
) -> httpx.AsyncClient:
    """A client that opens its connections when they are needed. Raises ConfigError."""
    no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    transport = _Transport(egress, resolver)
    return httpx.AsyncClient(transport=transport, trust_env=False, cookies=no_cookies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One POST; `deadline` is the loop's time by which it must be over."""

    url: str
    headers: Mapping[str, str]
    content: bytes
    deadline: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """Its answer; an error's body may be empty because it could not be read."""

    status: int
    headers: Mapping[str, str]  # names in any case
    body: bytes

    @property
    def succeeded(self) -> bool:
        """Any 2xx."""
        return 200 <= self.status < 300


async def send(client: httpx.AsyncClient, outgoing: Outgoing, connect_seconds: float) -> Incoming:
    """The answer, whatever its status; an UpstreamError when there is none."""
    if outgoing.deadline <= asyncio.get_running_loop().time():
        raise UpstreamConnectTimeout("no time was left to send anything")
    if client.is_closed:
        raise UpstreamUnreachable("the client is closed")
    try:
        request = _request(outgoing, connect_seconds)
    except (httpx.InvalidURL, UnicodeError) as error:  # UnicodeError: of a host such as `xn--`
        raise UpstreamUnreachable(f"the deployment's api_base is no URL: {error}") from error
    try:
        async with asyncio.timeout_at(outgoing.deadline):
            response = await client.send(request, stream=True)
            try:
                return await _incoming(response)
            finally:
                await response.aclose()
    except (TimeoutError, httpx.TransportError) as error:
        raise _failed(error) from error


_Kind = type[UpstreamError]
_MEANINGS: tuple[tuple[tuple[type[Exception], ...], _Kind, _Kind], ...] = (
    # What failed, what it is if nothing was sent, and what if something was.
    ((TimeoutError, httpx.TimeoutException), UpstreamConnectTimeout, UpstreamTimeout),
    ((httpx.RemoteProtocolError,), UpstreamUnreachable, UpstreamInvalidResponse),
    ((httpx.TransportError,), UpstreamUnreachable, UpstreamDisconnected),
)


def _failed(error: TimeoutError | httpx.TransportError) -> UpstreamError:
    """What a failure means for the token: whether its call may have begun.

    No class tells that: a CONNECT that breaks off, or a kept connection that was closed before,
    fails in aiohttp as a request does whose answer never came. So `_Request` notes that it sends.
    """
    meanings = next(each for kinds, *each in _MEANINGS if isinstance(error, kinds))
    cause = error.__cause__
    text = _text(cause) if isinstance(cause, aiohttp.ClientError) else str(error)
    return meanings[_sending.get()](text or "not over in time")


async def fetch(client: httpx.AsyncClient, url: str) -> bytes:
    """The document at a URL, from a 2xx of no more than MAX_DOCUMENT_BYTES. Raises FetchFailed."""
    if client.is_closed:
        raise FetchFailed("the client is closed")
    headers = {**ALWAYS, "Accept": "application/jwk-set+json, application/json"}
    try:
        _require_tls(httpx.URL(url))
        async with (
            asyncio.timeout(FETCH_SECONDS),  # httpx bounds each step, and not the whole
            client.stream("GET", url, headers=headers, timeout=FETCH_SECONDS) as response,
        ):
            if not response.is_success:
                raise FetchFailed(f"the status is {response.status_code}")
            return await _body(response, MAX_DOCUMENT_BYTES)
    except TimeoutError as error:
        raise FetchFailed(f"no complete answer in {FETCH_SECONDS} s") from error
    except (httpx.InvalidURL, UnicodeError, UpstreamInvalidResponse) as error:
        raise FetchFailed(f"{type(error).__name__}: {error}"[:200]) from error
    except httpx.TransportError as error:
        # Once it was sent, the text may quote what was answered.
        text = "" if _sending.get() else f": {error}"
        raise FetchFailed(f"{type(error).__name__}{text}"[:200]) from error


def _require_tls(url: httpx.URL) -> None:
    """Over plain HTTP anybody on the way could put in keys of their own. Raises FetchFailed."""
    if url.scheme != "https" and not (url.scheme == "http" and _is_loopback(url.host)):
        raise FetchFailed("neither https nor on this machine")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _request(outgoing: Outgoing, connect_seconds: float) -> httpx.Request:
    headers = {**ALWAYS, **outgoing.headers}
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise UpstreamAuthFailed(f"the configured {name} holds characters no header can carry")
    # aiohttp's `connect` (`pool` here) bounds all that comes before the request: the wait for a
    # free connection, the name, the address, TLS.
    timeout = {"pool": connect_seconds, "connect": connect_seconds}
    return httpx.Request(
        "POST",
        _parsed(outgoing.url),
        headers=headers,
        content=outgoing.content,
        extensions={"timeout": timeout},
    )


@lru_cache(maxsize=256)
def _parsed(url: str) -> httpx.URL:
    """Parsed once: two for each deployment; those of hang-ups push each other out."""
    return httpx.URL(url)


async def _incoming(response: httpx.Response) -> Incoming:
    body = _body(response, MAX_BODY_BYTES) if response.is_success else _error_body(response)
    return Incoming(status=response.status_code, headers=response.headers, body=await body)


async def _body(response: httpx.Response, max_bytes: int) -> bytes:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise UpstreamInvalidResponse("an encoded body, though none was asked for")
    if response.headers.get("transfer-encoding", "chunked").lower() != "chunked":
        raise UpstreamInvalidResponse("a transfer coding that was not asked for")
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > max_bytes:
            raise UpstreamInvalidResponse(f"a body of more than {max_bytes} bytes")
    return bytes(body)


async def _error_body(response: httpx.Response) -> bytes:
    """The body where it can be had; the status says enough without it."""
    with contextlib.suppress(TimeoutError, httpx.TransportError, UpstreamInvalidResponse):
        async with asyncio.timeout(ERROR_BODY_SECONDS):
            return await _body(response, MAX_BODY_BYTES)
    return b""


class _Request(aiohttp.ClientRequest):
    """A request that says when it is sent."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """Note that the request is being sent.

        Refuses a kept connection on which the server has already said something: that would be read
        as this request's answer.
        """
        if conn.protocol is None or conn.protocol.should_close:
            # aiohttp looks at this when it puts a connection back, but not when it takes one out.
            raise aiohttp.ServerDisconnectedError
        _sending.set(True)
        return await super().send(conn)


class _Response(aiohttp.ClientResponse):
    """Fails its body when the connection closes.

    When aiohttp's C parser gives up on a body, whoever reads it is not told and would wait for the
    deadline.
    """

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Wait for the head, and watch over the rest of the body."""
        await super().start(connection)
        self.reason = ""  # httpx-aiohttp fails over one that is not UTF-8; the status says enough
        body, protocol = self.content, connection.protocol
        closed = None if protocol is None or body.is_eof() else protocol.closed
        if closed is not None:
            closed.remove_done_callback(_heard)  # at most one, however many answers it carries
            closed.add_done_callback(_heard)
            closed.add_done_callback(self._end)
            body.on_eof(partial(self._unwatch, closed))
        return self

    def _unwatch(self, closed: asyncio.Future[None]) -> None:
        closed.remove_done_callback(self._end)

    def _end(self, _: asyncio.Future[None]) -> None:
        if self.content.exception() is None and not self.content.is_eof():
            self.content.set_exception(httpx.RemoteProtocolError("a body that is not HTTP"))


def _heard(closed: asyncio.Future[None]) -> None:
    if not closed.cancelled():
        closed.exception()  # asyncio logs those that nobody asked for


class _Transport(httpx.AsyncBaseTransport):
    """aiohttp with a session of ours, directly or through the proxy.

    Raises TimeoutException, RemoteProtocolError for what is not HTTP, and TransportError.
    """

    def __init__(self, egress: Egress, resolver: Callable[[], AbstractResolver]) -> None:
        self._open_resolver, self._proxies = resolver, Proxies(egress)
        self._tls = tls_context(egress)
        self._session: aiohttp.ClientSession | None = None
        self._resolver: AbstractResolver | None = None
        self._direct = AiohttpTransport(verify=self._tls, client=self._opened)
        self._through = {
            scheme: AiohttpTransport(verify=self._tls, client=self._opened, proxy=proxy)
            for scheme, proxy in self._proxies.by_scheme.items()
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it once; aiohttp repeats only a GET, on a kept connection that was closed."""
        _sending.set(False)
        proxy = self._proxies.before(request.url) if self._through else None
        if proxy is not None and request.url.scheme == "http":
            request.headers.update(proxy.headers)  # aiohttp has them in a CONNECT only
        transport = self._direct if proxy is None else self._through[request.url.scheme]
        try:
            response = await transport.handle_async_request(request)
        # ValueError: a name that is none. RuntimeError: uvloop's, in place of some OSErrors.
        except (httpx.TransportError, aiohttp.ClientError, ValueError, RuntimeError) as error:
            # aiohttp's errors hold the headers of their request: they are not chained.
            cause = error.__cause__ if isinstance(error, httpx.TransportError) else error
            raise _unchained(cause or error, proxy) from None
        # In a tunnel (https) an answer is the provider's; before plain http it may be the proxy's.
        plain = request.url.scheme == "http"
        if proxy is not None and plain and response.status_code == 407:  # RFC 9110, 15.5.8
            await response.aclose()
            _sending.set(False)
            raise httpx.ProxyError(f"{through(proxy)}it was answered with 407")
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
        if self._resolver is not None:
            await self._resolver.close()

    def _opened(self) -> aiohttp.ClientSession:
        """The session, opened with the first request: it belongs to the loop that runs then."""
        if self._session is None:
            self._resolver = self._open_resolver()
            connector = aiohttp.TCPConnector(
                resolver=self._resolver,  # without threads: a mute lookup holds up no other
                ssl=self._tls,
                limit=0,
                limit_per_host=CONNECTIONS_PER_ORIGIN,
                keepalive_timeout=IDLE_SECONDS,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                request_class=_Request,
                response_class=_Response,
                skip_auto_headers=("Accept", "Content-Type"),
                auto_decompress=False,
                trust_env=False,
                max_field_size=MAX_FIELD_BYTES,
            )
        return self._session


def _unchained(cause: BaseException, proxy: httpx.Proxy | None) -> httpx.TransportError:
    """A failure of aiohttp's in httpx's words; it names the proxy, and quotes no answer."""
    text, kind = _text(cause), httpx.TransportError
    if isinstance(cause, aiohttp.ClientHttpProxyError):
        text = f"CONNECT was answered with {cause.status}"
    elif isinstance(cause, aiohttp.ClientResponseError):
        text, kind = "not HTTP, or a head beyond its bounds", httpx.RemoteProtocolError
    elif isinstance(cause, TimeoutError):
        kind = httpx.TimeoutException
    return kind(text if proxy is None else through(proxy) + text)


def _text(cause: BaseException) -> str:
    """The class of a failure, with its text where that cannot quote what was answered.

    Those of aiohttp's quote it, unless they are the system's own.
    """
    own = isinstance(cause, OSError) or not (
        isinstance(cause, aiohttp.ClientError) or _sending.get()
    )
    return f"{type(cause).__name__}: {cause}" if own else type(cause).__name__
