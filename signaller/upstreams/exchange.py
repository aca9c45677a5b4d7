"""One request and its answer: sent at most once, bounded in time and bytes."""

import asyncio
import contextlib
from collections.abc import Mapping

import httpx
import msgspec

from signaller import __version__
from signaller.errors import (
    UpstreamAuthFailed,
    UpstreamDisconnected,
    UpstreamInvalidResponse,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from signaller.upstreams.address import address
from signaller.upstreams.failures import UpstreamConnectTimeout
from signaller.upstreams.reply import Reply
from signaller.upstreams.transport import ProviderClient

ERROR_BODY_SECONDS = 0.4
"""An error's status is worth passing on at once, even if its text is slow to come."""
ALWAYS = {
    "User-Agent": f"signaller/{__version__}",
    "Accept-Encoding": "identity",  # small bodies; and nothing to inflate
}


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One POST; `deadline` is the loop's time by which it must be over."""

    url: str
    headers: Mapping[str, str]
    content: bytes
    deadline: float


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """Its answer; an error's body may be empty because it could not be read."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def succeeded(self) -> bool:
        """Any 2xx."""
        return 200 <= self.status < 300


async def send(client: ProviderClient, outgoing: Outgoing, connect_seconds: float) -> Incoming:
    """The answer, whatever its status; an UpstreamError when there is none."""
    try:
        to = address(outgoing.url)
    except httpx.InvalidURL as error:
        raise UpstreamUnreachable(f"the deployment's api_base is no URL: {error}") from error
    remaining = outgoing.deadline - asyncio.get_running_loop().time()
    if remaining <= 0:
        raise UpstreamConnectTimeout("no time was left to send anything")
    try:
        reply = await client.transport.request(
            "POST",
            to,
            {**ALWAYS, **outgoing.headers}.items(),
            outgoing.content,
            # Shorter than the whole, so that a connection that never opens is known as such.
            connect_seconds=min(connect_seconds, 0.9 * remaining),
            deadline=outgoing.deadline,
        )
        try:
            return await _incoming(reply)
        finally:
            reply.close()
    except httpx.LocalProtocolError as error:
        raise UpstreamAuthFailed(f"the configured {error}") from error
    except httpx.ConnectTimeout as error:
        raise UpstreamConnectTimeout(str(error)) from error
    except httpx.ConnectError as error:
        raise UpstreamUnreachable(str(error)) from error
    except httpx.TimeoutException as error:
        raise UpstreamTimeout(str(error)) from error
    except httpx.RemoteProtocolError as error:
        raise UpstreamInvalidResponse(f"not HTTP: {error}") from error
    except httpx.TransportError as error:
        raise UpstreamDisconnected(str(error)) from error


async def _incoming(reply: Reply) -> Incoming:
    read = _body if 200 <= reply.status < 300 else _error_body
    return Incoming(status=reply.status, headers=reply.headers, body=await read(reply))


async def _body(reply: Reply) -> bytes:
    if reply.headers.get("content-encoding", "identity").lower() != "identity":
        raise UpstreamInvalidResponse("an encoded body, though none was asked for")
    return await reply.body()


async def _error_body(reply: Reply) -> bytes:
    """The body where it can be had; the status says enough without it."""
    with contextlib.suppress(TimeoutError, httpx.TransportError, UpstreamInvalidResponse):
        async with asyncio.timeout(ERROR_BODY_SECONDS):
            return await _body(reply)
    return b""
