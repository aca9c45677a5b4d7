"""WebSockets to providers: by the same way out as HTTP, with its proxies, authorities and names.

aiohttp's, and not those of `websockets`: a thousand with five events a second each took 32 us an
event and 14 KiB a connection here, against 37 us and 17 KiB; and its session has all that `egress`
says by the same words as `http`'s.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver

from signaller.errors import (
    UpstreamAuthFailed,
    UpstreamConnectTimeout,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from signaller.providers.egress import DIRECT, Proxies, through, tls_context
from signaller.providers.http import ALWAYS
from signaller.settings import Egress

MAX_FRAME_BYTES = 4 * 1024 * 1024
"""Twice what is ever parsed (`supervision.frames`): a session is made of several events of 256 KiB,
and may be written in escapes. A longer one closes the connection."""
PING_SECONDS = 10.0
"""Of silence, after which a ping is sent; aiohttp waits half as long again for its answer, so that
a half-open connection is found within 15 s. But any byte restarts that time, and one that drips a
frame without an end is sent no ping."""
PINGS_UNHEARD = 3
"""For as long as so many pings take, a connection may complete neither a frame that tells something
nor an answer to a ping: then it is as good as closed."""
CLOSE_SECONDS = 2.0
"""For the answer to a close: nothing is lost if there is none."""
FRAMES = frozenset(
    {
        aiohttp.WSMsgType.TEXT,
        aiohttp.WSMsgType.BINARY,
        aiohttp.WSMsgType.PING,
        aiohttp.WSMsgType.PONG,
    }
)
"""That a provider sends while it is there; binary means nothing here."""
SEND_SECONDS = 5.0
"""For a text to be taken: whoever takes none any more is as good as closed."""


class Sockets:
    """Opens WebSockets to providers; how many is for whoever opens them to bound."""

    def __init__(
        self,
        egress: Egress = DIRECT,
        *,
        resolver: Callable[[], AbstractResolver] = aiohttp.AsyncResolver,
        ping_seconds: float = PING_SECONDS,
    ) -> None:
        """Connects to nothing before it is asked to. Raises ConfigError."""
        self._open_resolver, self._proxies = resolver, Proxies(egress)
        self._ping_seconds = ping_seconds
        self._tls = tls_context(egress)
        self._session: aiohttp.ClientSession | None = None
        self._resolver: AbstractResolver | None = None

    async def connect(
        self, url: str, headers: Mapping[str, str], *, deadline: float
    ) -> "Socket | None":
        """Open one at an `http` or `https` URL, by that time of the loop; None: 404.

        Raises UpstreamError; its text names the proxy, and quotes neither a header nor an answer.
        """
        given = {**ALWAYS, **headers}
        for name, value in given.items():
            if not (value.isascii() and value.isprintable()):
                raise UpstreamAuthFailed(
                    f"the configured {name} holds characters no header can carry"
                )
        way = ""
        try:
            proxy = self._proxies.before(httpx.URL(url))
            way = "" if proxy is None else through(proxy)
            async with asyncio.timeout_at(deadline):
                return Socket(await self._opened(url, given, proxy))
        except aiohttp.WSServerHandshakeError as error:
            if error.status == 404:
                return None
            # In a tunnel (https) it is the provider's answer; only a proxy answers 407.
            raise _refused(error.status, way if error.status == 407 else "") from None
        except TimeoutError:
            raise UpstreamTimeout(f"{way}the WebSocket was not open in time") from None
        # ValueError: a name that is none. RuntimeError: uvloop's, in place of some OSErrors.
        except (aiohttp.ClientError, httpx.InvalidURL, OSError, ValueError, RuntimeError) as error:
            # aiohttp's errors hold the headers of their request: they are not chained.
            raise UpstreamUnreachable(f"{way}no WebSocket: {_why(error)}") from None

    async def aclose(self) -> None:
        """Close all of them."""
        if self._session is not None:
            await self._session.close()
        if self._resolver is not None:
            await self._resolver.close()

    async def _opened(
        self, url: str, headers: Mapping[str, str], proxy: httpx.Proxy | None
    ) -> aiohttp.ClientWebSocketResponse[bool]:
        if proxy is not None and httpx.URL(url).scheme == "http":
            headers = {**headers, **proxy.headers}  # aiohttp has them in a CONNECT only
        return await self._ready_session().ws_connect(
            url,
            headers=headers,
            proxy=None if proxy is None else str(proxy.url),
            proxy_headers=None if proxy is None else dict(proxy.headers),
            heartbeat=self._ping_seconds,
            autoping=False,  # `Socket.receive` answers: aiohttp's answer may raise, or wait
            max_msg_size=MAX_FRAME_BYTES,
            timeout=aiohttp.ClientWSTimeout(
                ws_receive=PINGS_UNHEARD * self._ping_seconds, ws_close=CLOSE_SECONDS
            ),
        )

    def _ready_session(self) -> aiohttp.ClientSession:
        """The session, opened with the first request: it belongs to the loop that runs then."""
        if self._session is None:
            self._resolver = self._open_resolver()
            trace = aiohttp.TraceConfig()
            trace.on_request_redirect.append(_stay)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=self._resolver,
                    ssl=self._tls,
                    limit=0,
                    limit_per_host=0,  # one each for as long as a call lasts: no pool to share
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(),  # none: `connect` has a deadline
                trust_env=False,
                trace_configs=[trace],
            )
        return self._session


class Socket:
    """One open WebSocket (`ports.Sideband`)."""

    __slots__ = ("_cleanly", "_heard_at", "_socket")

    def __init__(self, socket: aiohttp.ClientWebSocketResponse[bool]) -> None:
        self._socket = socket
        self._cleanly = False
        self._heard_at = time.monotonic()

    @property
    def closed_cleanly(self) -> bool:
        """Whether the other side said that it closes."""
        return self._cleanly

    @property
    def mute_seconds(self) -> float:
        """How long ago a whole frame came: what was sent before it has come as well."""
        return time.monotonic() - self._heard_at

    async def receive(self) -> str | None:
        """The next text; None: it is closed, or as good as that."""
        kinds = aiohttp.WSMsgType
        try:
            while True:
                message = await self._socket.receive()
                if message.type not in FRAMES:
                    self._cleanly = message.type is kinds.CLOSE
                    return None
                self._heard_at = time.monotonic()
                if message.type is kinds.TEXT:
                    return str(message.data)
                if message.type is kinds.PING:
                    await self._answer(message.data)
        except TimeoutError:
            return None

    async def send(self, text: str) -> bool:
        """Send a text; False: it is closed, or does not take any."""
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._socket.send_str(text)
        except (aiohttp.ClientError, OSError, TimeoutError, RuntimeError):
            return False
        return True

    async def close(self) -> None:
        """Say so, and wait for the answer for CLOSE_SECONDS, whatever comes meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._socket.close()

    async def _answer(self, ping: bytes) -> None:
        """Raises TimeoutError where it is not taken."""
        async with asyncio.timeout(SEND_SECONDS):
            # If it is closed already, what came before that is still to be told.
            with contextlib.suppress(aiohttp.ClientError, OSError, RuntimeError):
                await self._socket.pong(ping)


class _Elsewhere(aiohttp.ClientError):
    """A redirect: the credential is for this address only."""


async def _stay(
    _session: aiohttp.ClientSession, _context: object, params: aiohttp.TraceRequestRedirectParams
) -> None:
    params.response.close()
    raise _Elsewhere


def _why(error: Exception) -> str:
    """The class of a failure; its text only where that is the system's own."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"CONNECT was answered with {error.status}"
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, OSError) else name


def _refused(status: int, way: str) -> UpstreamError:
    """What a handshake's status means; its body is nobody's business."""
    said = f"{way}the WebSocket was refused with {status}"
    if status in (401, 403):
        return UpstreamAuthFailed(said)
    if status == 407:
        return UpstreamConnectTimeout(said)
    if status == 429 or status >= 500:
        return UpstreamUnavailable(said, status=status, type=None, code=None)
    return UpstreamInvalidResponse(said)
