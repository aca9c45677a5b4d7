"""The door, as httpx uses it and as the adapters do."""

import asyncio

import httpx
import pytest

from signaller.upstreams.exchange import Outgoing, send
from signaller.upstreams.failures import UpstreamConnectTimeout
from signaller.upstreams.transport import ProviderClient
from tests.upstreams.asking import Keeping, ok
from tests.upstreams.raw import raw_server, says, says_and_stalls


async def test_httpx_asks_over_the_same_connections(client: ProviderClient) -> None:
    """Its own fields for framing are not sent beside ours."""
    server = Keeping()
    async with raw_server(server.speak) as raw:
        for _ in range(2):
            response = await client.get(raw.url, headers={"X-One": "1"})
            assert (response.status_code, response.content) == (200, b"0")
        (sent,) = raw.received
        assert sent.lower().count(b"\r\nhost:") == 1
        assert b"content-length" not in sent.lower()
        assert b"\r\nX-One: 1\r\n" in sent
        posted = await client.post(raw.url, content=b"v=0")
        assert posted.content == b"0"


async def test_httpx_has_its_time_out(client: ProviderClient) -> None:
    """Of the whole answer, however it drips."""
    async with raw_server(says_and_stalls(ok(b"v=0")[:-1])) as raw:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(raw.url, timeout=0.1)


async def test_other_methods_are_not_spoken(client: ProviderClient) -> None:
    """The answer to a HEAD has a length and no body."""
    async with raw_server(says(ok(b""))) as raw:
        with pytest.raises(httpx.UnsupportedProtocol):
            await client.head(raw.url)
        assert raw.received == []


async def test_nothing_is_sent_after_the_deadline(client: ProviderClient) -> None:
    """Not even where a connection is at hand: it is certain that no call began."""
    server = Keeping()
    async with raw_server(server.speak) as raw:
        await client.get(raw.url)
        await server.asked.get()
        late = asyncio.get_running_loop().time() - 1
        with pytest.raises(UpstreamConnectTimeout):
            await send(client, Outgoing(url=raw.url, headers={}, content=b"", deadline=late), 5)
        assert server.asked.empty()
