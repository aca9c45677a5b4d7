"""The door to providers; what it raises tells whether a request may have been sent."""

import asyncio
import ssl
from collections.abc import AsyncIterator

import httpx

from signaller.upstreams.address import Address, address
from signaller.upstreams.connection import Connection
from signaller.upstreams.opening import Opener
from signaller.upstreams.pool import Pool
from signaller.upstreams.reply import Reply
from signaller.upstreams.request import Fields, request_bytes

FRAMING = {"host", "content-length", "transfer-encoding"}
"""Fields of httpx's that we write ourselves."""


class ProviderClient(httpx.AsyncClient):
    """The client for all providers: no environment, no redirects, no cookies."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.transport = HttpTransport(Pool(Opener(tls)))
        """Asked directly, it costs a third of what httpx's requests and responses cost above it."""
        super().__init__(transport=self.transport, trust_env=False, follow_redirects=False)


def http_client(tls: ssl.SSLContext | None = None) -> ProviderClient:
    """A client that opens its connections when they are needed."""
    return ProviderClient(tls)


class HttpTransport(httpx.AsyncBaseTransport):
    """Sends each request at most once: none is repeated, not even on a stale connection.

    ConnectError and ConnectTimeout: no connection was ever obtained, so nothing was sent.
    ReadError, ReadTimeout and RemoteProtocolError: something may have been sent. A reused
    connection that turns out to be closed is among these, for nobody can tell.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The same for httpx; its read time-out bounds the whole answer."""
        if request.method not in ("GET", "POST"):  # other answers may be without their bodies
            raise httpx.UnsupportedProtocol(f"{request.method} is not spoken here")
        fields = (
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in request.headers.raw
            if name.lower().decode("latin-1") not in FRAMING
        )
        to = address(str(request.url))
        content = request_bytes(request.method, to, fields, await request.aread())
        asked = request.extensions["timeout"]
        connection = await self._connection(to, asked["connect"])
        seconds = asked["read"]
        deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
        reply = Reply(connection, await connection.exchange(content, deadline))
        return httpx.Response(
            reply.status, headers=reply.headers, stream=_Stream(reply), request=request
        )

    async def request(
        self,
        method: str,
        to: Address,
        fields: Fields,
        content: bytes,
        *,
        connect_seconds: float | None,
        deadline: float | None,
    ) -> Reply:
        """Send it; `deadline` is the loop's time by which the answer must be complete.

        Whoever asks closes the reply. Raises httpx.TransportError.
        """
        sent = request_bytes(method, to, fields, content)
        connection = await self._connection(to, connect_seconds)
        return Reply(connection, await connection.exchange(sent, deadline))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()

    async def _connection(self, to: Address, seconds: float | None) -> Connection:
        resting = self._pool.idle(to.origin)
        return resting or await self._pool.connected(to.origin, seconds)


class _Stream(httpx.AsyncByteStream):
    """A reply's body for httpx, in one piece."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield await self._reply.body()

    async def aclose(self) -> None:
        """Close the reply."""
        self._reply.close()
