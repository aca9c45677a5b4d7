"""The client: which connections it uses, what it never sends twice, and what it leaves behind."""

import asyncio
import gc
import socket
import struct
import threading
from collections.abc import Callable
from functools import partial

import aiohttp
import httpx
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from signaller.errors import (
    FetchFailed,
    UpstreamAuthFailed,
    UpstreamConnectTimeout,
    UpstreamDisconnected,
    UpstreamInvalidResponse,
    UpstreamUnreachable,
)
from signaller.providers.http import (
    CONNECTIONS_PER_ORIGIN,
    MAX_BODY_BYTES,
    Outgoing,
    fetch,
    http_client,
    send,
)
from tests.providers.asking import SECONDS, Keeping, ok, soon
from tests.providers.names import name_server
from tests.providers.raw import raw_server, says
from tests.support.redis import free_port

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nv\r\n2\r\n=0\r\n0\r\n\r\n"


async def ask(
    client: httpx.AsyncClient,
    url: str,
    *,
    headers: dict[str, str] | None = None,
    seconds: float = SECONDS,
    connect_seconds: float = SECONDS,
) -> bytes:
    """The body of a POST's answer."""
    deadline = asyncio.get_running_loop().time() + seconds
    outgoing = Outgoing(url=url, headers=headers or {}, content=b"offer", deadline=deadline)
    return (await send(client, outgoing, connect_seconds)).body


async def test_httpx_asks_over_the_same_connections(client: httpx.AsyncClient) -> None:
    """Whoever has the client asks as httpx is asked, and nothing is framed twice."""
    server = Keeping()
    async with raw_server(server.speak) as raw:
        for _ in range(2):
            response = await client.get(raw.url, headers={"X-One": "1"})
            assert (response.status_code, response.content) == (200, b"0")
        (sent,) = raw.received
        assert sent.lower().count(b"\r\nhost:") == 1
        assert b"content-length" not in sent.lower()
        assert b"\r\nx-one: 1\r\n" in sent.lower()
        posted = await client.post(raw.url, content=b"v=0")
        assert posted.content == b"0"


@pytest.mark.parametrize("host", ["xn--", "a..b", "1.2.3.999"])
async def test_a_document_at_no_host_is_not_fetched(client: httpx.AsyncClient, host: str) -> None:
    """A reason to log, as for any other that cannot be had."""
    with pytest.raises(FetchFailed):
        await fetch(client, f"https://{host}/jwks.json")


@pytest.mark.parametrize("content", [b"", b"offer"])
async def test_a_post_has_one_length(client: httpx.AsyncClient, content: bytes) -> None:
    """Also one without a body; and no type that nobody named."""
    async with raw_server(says(ok(b"v=0"))) as raw:
        deadline = asyncio.get_running_loop().time() + SECONDS
        await send(client, Outgoing(url=raw.url, headers={}, content=content, deadline=deadline), 5)
    (sent,) = raw.received
    head = sent.lower().partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert head.count(b"content-length: %d" % len(content)) == 1
    assert not [line for line in head if line.startswith((b"content-type", b"accept:"))]


async def test_nothing_is_sent_after_the_deadline(client: httpx.AsyncClient) -> None:
    """Not even where a connection is at hand: it is certain that no call began."""
    server = Keeping()
    async with raw_server(server.speak) as raw:
        await client.get(raw.url)
        await server.asked.get()
        with pytest.raises(UpstreamConnectTimeout):
            await ask(client, raw.url, seconds=-1)
        assert server.asked.empty()


@pytest.mark.parametrize("value", ["a\r\nY: b", "a\nb", "a\rb", "a\0", "é", "\u2028"], ids=repr)
async def test_no_value_begins_another_field(client: httpx.AsyncClient, value: str) -> None:
    """What no header can carry is the operator's fault; it is not sent and not quoted."""
    async with raw_server(says(ok(b"v=0"))) as raw:
        with pytest.raises(UpstreamAuthFailed) as caught:
            await ask(client, raw.url, headers={"Api-Key": value})
        assert str(caught.value) == "the configured Api-Key holds characters no header can carry"
        assert raw.received == []


@pytest.mark.parametrize("whole", [ok(b"v=0"), CHUNKED], ids=["sized", "chunked"])
async def test_an_answer_may_come_byte_by_byte(client: httpx.AsyncClient, whole: bytes) -> None:
    """Each in a segment of its own."""

    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for at in range(len(whole)):
            writer.write(whole[at : at + 1])
            await writer.drain()
            await asyncio.sleep(0)

    async with raw_server(drip) as raw:
        assert await ask(client, raw.url) == b"v=0"


async def test_a_body_without_a_length_ends_with_its_connection(client: httpx.AsyncClient) -> None:
    """And the next request has a new one."""
    async with raw_server(says(b"HTTP/1.1 200 OK\r\n\r\nv=", b"0")) as raw:
        assert [await ask(client, raw.url) for _ in range(2)] == [b"v=0"] * 2
        assert len(raw.received) == 2


@pytest.mark.parametrize("excess", [0, 1])
async def test_a_body_may_be_as_large_as_the_bound(client: httpx.AsyncClient, excess: int) -> None:
    """And no larger."""
    async with raw_server(says(ok(bytes(MAX_BODY_BYTES + excess)))) as raw:
        if excess:
            with pytest.raises(UpstreamInvalidResponse):
                await ask(client, raw.url)
        else:
            assert len(await ask(client, raw.url)) == MAX_BODY_BYTES


async def test_a_body_that_stops_being_http_is_given_up_at_once(client: httpx.AsyncClient) -> None:
    """Long before the time is over, though its head was good and its connection stays open."""

    async def later(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED[:-5])
        await writer.drain()
        begun.set()
        await nonsense.wait()
        writer.write(b"zz\r\n")
        await reader.read()

    begun, nonsense = asyncio.Event(), asyncio.Event()
    async with raw_server(later) as raw:
        asking = asyncio.create_task(ask(client, raw.url, seconds=60))
        await soon(begun.wait())
        await elsewhere(client)  # what was written before has been read
        nonsense.set()
        with pytest.raises(UpstreamInvalidResponse):
            await soon(asking)


async def test_a_kept_connection_that_is_reset_is_no_news(client: httpx.AsyncClient) -> None:
    """Nothing of it is logged, also where a body came after its head."""
    logged: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: logged.append(context))

    async def later(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(raw.received) > 1:
            writer.write(ok(b"v=1"))
            return
        writer.write(ok(b"v=0")[:-1])
        await writer.drain()
        head.set()
        await rest.wait()
        writer.write(b"0")
        await over.wait()
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    head, rest, over = asyncio.Event(), asyncio.Event(), asyncio.Event()
    async with raw_server(later) as raw:
        asking = asyncio.create_task(ask(client, raw.url))
        await soon(head.wait())
        await elsewhere(client)  # the head has been read
        rest.set()
        assert await soon(asking) == b"v=0"
        over.set()
        await elsewhere(client)
        assert await ask(client, raw.url) == b"v=1"  # what was kept is let go
        gc.collect()
        assert logged == []


async def elsewhere(client: httpx.AsyncClient) -> None:
    """A round trip to another server: what had come in before it has been read by then."""
    async with raw_server(Keeping().speak) as other:
        await ask(client, other.url)


async def test_a_connection_that_the_provider_closed_is_not_used(
    client: httpx.AsyncClient,
) -> None:
    """Once its end was heard of; the request goes out on another."""
    server = Keeping()
    async with raw_server(server.speak) as raw:
        for number in range(2):
            assert await ask(client, raw.url) == b"%d" % number
            server.writers[number].close()
            assert await soon(server.lost.get()) == number
        assert len(raw.received) == 2


@pytest.mark.parametrize("unasked", [b"!", ok(b"poison"), b"HTTP/1.1 408 Slow\r\n\r\n"])
async def test_what_a_provider_says_unasked_is_nobodys_answer(
    client: httpx.AsyncClient, unasked: bytes
) -> None:
    """Nothing is sent on that connection any more; at most one request finds it so, and fails."""
    server = Keeping()
    async with raw_server(server.speak) as raw:
        assert await ask(client, raw.url) == b"0"
        await soon(server.asked.get())
        server.writers[0].write(unasked)
        await elsewhere(client)
        (found,) = await asyncio.gather(ask(client, raw.url), return_exceptions=True)
        assert found == b"1" or isinstance(found, UpstreamUnreachable)  # nothing was sent
        assert server.asked.qsize() == (found == b"1")
        assert await soon(server.lost.get()) == 0
        assert await ask(client, raw.url) == b"1"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda body: ok(body) * 2, id="two-answers"),
        pytest.param(lambda body: ok(body).replace(b"1.1", b"1.0"), id="http-1.0"),
        pytest.param(
            lambda body: ok(body).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
            id="connection-close",
        ),
    ],
)
async def test_no_request_gets_what_is_left_of_another_answer(
    client: httpx.AsyncClient, answer: Callable[[bytes], bytes]
) -> None:
    """After such an answer the connection is not used again."""
    server = Keeping(answer)
    async with raw_server(server.speak) as raw:
        for number in range(3):
            assert await ask(client, raw.url) == b"%d" % number
        assert len(raw.received) == 3


async def test_an_end_that_was_not_heard_of_costs_one_request_and_repeats_none(
    client: httpx.AsyncClient,
) -> None:
    """The provider closes while our loop is busy: the next request goes out, once, and is lost."""
    close, closed = threading.Event(), threading.Event()
    requests: list[bytes] = []

    def provide(listener: socket.socket) -> None:
        for _ in range(2):
            connection, _address = listener.accept()
            with connection:
                requests.append(connection.recv(65_536))
                connection.sendall(ok(b"v=0"))
                close.wait(SECONDS)
            closed.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        provider = threading.Thread(target=provide, args=(listener,))
        provider.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert await ask(client, url) == b"v=0"
        close.set()
        closed.wait(SECONDS)  # our loop does not run meanwhile
        with pytest.raises(UpstreamDisconnected) as caught:
            await ask(client, url)
        assert not caught.value.no_call_began
        assert len(requests) == 1
        assert await ask(client, url) == b"v=0"
        assert len(requests) == 2
        await asyncio.to_thread(provider.join)


async def test_what_was_sent_before_says_nothing_of_what_never_was(
    client: httpx.AsyncClient,
) -> None:
    """A request that never began, right after one that did: its token is given back."""
    async with raw_server(says()) as raw:
        with pytest.raises(UpstreamDisconnected):
            await ask(client, raw.url)
        for never in (f"http://127.0.0.1:{free_port()}", "http://[::1"):
            with pytest.raises(UpstreamUnreachable) as caught:
                await ask(client, never)
            assert caught.value.no_call_began


async def test_one_provider_harms_no_other(client: httpx.AsyncClient) -> None:
    """One that hangs holds its share of connections; the others answer, and so does it again."""
    too_many = 20
    hanging, healthy = Keeping(), Keeping()
    hanging.held = {number: asyncio.Event() for number in range(CONNECTIONS_PER_ORIGIN + too_many)}
    async with raw_server(hanging.speak) as raw, raw_server(healthy.speak) as other:
        asking = [
            asyncio.create_task(ask(client, raw.url, seconds=60, connect_seconds=60))
            for _ in range(CONNECTIONS_PER_ORIGIN)
        ]
        for _ in asking:
            await asyncio.wait_for(hanging.asked.get(), 30)
        late = [ask(client, raw.url, connect_seconds=0.2) for _ in range(too_many)]
        failures = await soon(asyncio.gather(*late, return_exceptions=True))
        assert {type(each) for each in failures} == {UpstreamConnectTimeout}
        assert len(raw.received) == CONNECTIONS_PER_ORIGIN  # nothing of the late ones was sent
        assert await ask(client, other.url) == b"0"
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)
        hanging.held.clear()
        assert await ask(client, raw.url) == b"%d" % CONNECTIONS_PER_ORIGIN


class AtEach(AbstractResolver):
    """Every name is at all of these addresses, each with a port of its own."""

    def __init__(self, *addresses: tuple[str, int]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses, in their order."""
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=own,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address, own in self._addresses
        ]

    async def close(self) -> None:
        """There is nothing to close."""


@pytest.mark.parametrize("refusing", ["::1", "127.0.0.1"])
@pytest.mark.parametrize("first", [True, False])
async def test_each_address_of_a_name_is_tried(refusing: str, first: bool) -> None:
    """One that refuses is passed over, wherever it stands; the request is sent once."""
    async with raw_server(Keeping().speak) as raw:
        serving = ("127.0.0.1", int(raw.url.rpartition(":")[2]))
        addresses = [(refusing, free_port()), serving]
        resolver = partial(AtEach, *(addresses if first else reversed(addresses)))
        async with http_client(resolver=resolver) as client:
            assert await ask(client, "http://several.test") == b"0"
        assert len(raw.received) == 1


async def test_a_name_whose_addresses_all_refuse_is_unreachable() -> None:
    """Nothing was sent to any of them."""
    resolver = partial(AtEach, ("::1", free_port()), ("127.0.0.1", free_port()))
    async with http_client(resolver=resolver) as client:
        with pytest.raises(UpstreamUnreachable) as caught:
            await ask(client, "http://several.test")
    assert caught.value.no_call_began


async def test_a_name_nobody_answers_for_holds_up_no_other() -> None:
    """However many of them are asked for; each fails in its own time, with nothing sent."""
    async with name_server("127.0.0.1", mute=".mute.test") as (names, asked):
        resolver = partial(aiohttp.AsyncResolver, nameservers=["127.0.0.1"], udp_port=names)
        async with http_client(resolver=resolver) as client, raw_server(Keeping().speak) as raw:
            port = raw.url.rpartition(":")[2]
            mute = [
                asyncio.create_task(
                    ask(client, f"http://n{number}.mute.test:{port}", connect_seconds=1)
                )
                for number in range(64)
            ]
            for _ in mute:
                await soon(asked.get())
            for name in ("answered.test", "localhost"):
                assert await ask(client, f"http://{name}:{port}") in (b"0", b"1")
            assert not any(task.done() for task in mute)
            failures = await soon(asyncio.gather(*mute, return_exceptions=True))
            assert {type(each) for each in failures} == {UpstreamConnectTimeout}
            assert len(raw.received) == 2


async def test_the_end_of_the_client_ends_its_connections() -> None:
    """An exchange under way fails as one of which nobody knows how far it came."""
    server = Keeping()
    server.held = {1: asyncio.Event()}
    async with raw_server(server.speak) as raw, http_client() as client:
        asking = [asyncio.create_task(ask(client, raw.url)) for _ in range(2)]
        for _ in range(2):
            await soon(server.asked.get())
        await soon(asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED))
        await client.aclose()
        answers = await soon(asyncio.gather(*asking, return_exceptions=True))
        assert {type(each) for each in answers} == {bytes, UpstreamDisconnected}
        server.held[1].set()
        assert {await soon(server.lost.get()) for _ in range(2)} == {0, 1}
        await client.aclose()
        with pytest.raises(UpstreamUnreachable):
            await ask(client, raw.url)
