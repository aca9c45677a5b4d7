"""One exchange on a real connection: what is waited for, and what a failure leaves behind."""

import asyncio

import httpx
import pytest

from signaller.upstreams.address import address
from signaller.upstreams.connection import Connection
from signaller.upstreams.opening import Opener
from signaller.upstreams.request import request_bytes
from signaller.upstreams.response import Response
from tests.upstreams.asking import Keeping, ask, begun, ok, soon, transporting
from tests.upstreams.raw import Speak, raw_server, says, says_and_stalls

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nv\r\n2\r\n=0\r\n0\r\n\r\n"


@pytest.mark.parametrize("whole", [ok(b"v=0"), CHUNKED], ids=["sized", "chunked"])
async def test_an_answer_may_come_byte_by_byte(whole: bytes) -> None:
    """Each in a segment of its own."""

    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for at in range(len(whole)):
            writer.write(whole[at : at + 1])
            await writer.drain()
            await asyncio.sleep(0)

    async with raw_server(drip) as raw, transporting() as transport:
        assert await ask(transport, raw.url) == b"v=0"


async def test_a_body_without_a_length_ends_with_the_connection() -> None:
    """And the next request has a new one."""
    async with raw_server(says(b"HTTP/1.1 200 OK\r\n\r\nv=", b"0")) as raw:
        async with transporting() as transport:
            assert await ask(transport, raw.url) == b"v=0"
            assert await ask(transport, raw.url) == b"v=0"
        assert len(raw.received) == 2


async def test_a_head_is_there_before_its_body() -> None:
    """The status can be acted upon while the rest is awaited."""
    rest = asyncio.Event()

    async def slow(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 429 Slow\r\nContent-Length: 3\r\n\r\n")
        await rest.wait()
        writer.write(b"v=0")

    async with raw_server(slow) as raw, transporting() as transport:
        reply = await begun(transport, raw.url)
        assert reply.status == 429
        rest.set()
        assert await reply.body() == b"v=0"


async def test_a_body_that_came_with_its_head_is_not_waited_for() -> None:
    """The usual case suspends once."""
    async with raw_server(says(ok(b"v=0"))) as raw, transporting() as transport:
        reply = await begun(transport, raw.url)
        with pytest.raises(StopIteration) as done:
            reply.body().send(None)
        assert done.value.value == b"v=0"


@pytest.mark.parametrize(
    ("speak", "expected"),
    [
        pytest.param(says(), httpx.ReadError, id="closes"),
        pytest.param(says(ok(b"v=0")[:-1]), httpx.ReadError, id="truncates"),
        pytest.param(says(CHUNKED[:-2]), httpx.ReadError, id="truncates-chunks"),
        pytest.param(says_and_stalls(), httpx.ReadTimeout, id="stalls"),
        pytest.param(says_and_stalls(ok(b"v=0")[:-1]), httpx.ReadTimeout, id="stalls-in-body"),
        pytest.param(
            says_and_stalls(b"HTTP/1.1 200 OK\r\n\r\nv=0"), httpx.ReadTimeout, id="never-ends"
        ),
        pytest.param(says_and_stalls(b"220 mail\r\n"), httpx.RemoteProtocolError, id="nonsense"),
        pytest.param(
            says_and_stalls(CHUNKED[:-5] + b"zz\r\n"), httpx.RemoteProtocolError, id="bad-chunk"
        ),
    ],
)
async def test_a_failure_has_its_class_and_ends_the_connection(
    speak: Speak, expected: type[httpx.TransportError]
) -> None:
    """The next request opens another; none is sent twice."""
    over: asyncio.Queue[None] = asyncio.Queue()
    within = 0.2 if expected is httpx.ReadTimeout else 10  # only silence must be waited out

    async def spoken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await speak(reader, writer)
        over.put_nowait(None)

    async with raw_server(spoken) as raw, transporting() as transport:
        for count in (1, 2):
            with pytest.raises(httpx.TransportError) as caught:
                await (await begun(transport, raw.url, within=within)).body()
            assert type(caught.value) is expected
            await soon(over.get())
            assert len(raw.received) == count


@pytest.mark.parametrize("begins", [b"", ok(b"v=0")[:-1]], ids=["before-head", "in-body"])
async def test_a_cancelled_exchange_closes_its_connection(begins: bytes) -> None:
    """What is still to come is nobody's."""
    arrived, dropped = asyncio.Event(), asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begins)
        await writer.drain()
        arrived.set()
        await reader.read()
        dropped.set()

    async with raw_server(hold) as raw, transporting() as transport:
        asking = asyncio.create_task(ask(transport, raw.url))
        await soon(arrived.wait())
        asking.cancel()
        await soon(dropped.wait())
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_a_reply_given_up_closes_its_connection() -> None:
    """Where its body has not come; otherwise closing it is nothing."""
    dropped = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ok(b"v=0")[:-1])
        await reader.read()
        dropped.set()

    async with raw_server(hold) as raw, transporting() as transport:
        (await begun(transport, raw.url)).close()
        await soon(dropped.wait())


class Cancelling:
    """A keeper that cancels a task in the moment in which its answer is complete."""

    task: asyncio.Task[Response]

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    def released(self, connection: Connection) -> None:
        """The connection may be given to another."""
        self.task.cancel()

    def lost(self, connection: Connection) -> None:
        """The end."""
        self.closed.set()


async def test_a_cancellation_that_comes_too_late_closes_nothing() -> None:
    """The answer was complete: the connection may be another's by now."""
    keeper = Cancelling()
    async with raw_server(Keeping().speak) as raw:
        to = address(raw.url)
        connection = Connection(to.origin, keeper)
        await Opener()(connection)
        request = request_bytes("POST", to, [], b"offer")
        for _ in range(2):
            keeper.task = asyncio.create_task(connection.exchange(request, None))
            with pytest.raises(asyncio.CancelledError):
                await soon(keeper.task)
            assert not connection.closing
        connection.abort()
        await soon(keeper.closed.wait())


async def test_nothing_is_sent_on_a_connection_that_has_ended() -> None:
    """It is known, so the failure is that of a connection that never was."""
    keeper = Cancelling()
    async with raw_server(says(), reads=False) as raw:
        connection = Connection(address(raw.url).origin, keeper)
        await Opener()(connection)
        await soon(keeper.closed.wait())
        with pytest.raises(httpx.ConnectError):
            await connection.exchange(b"", None)


async def test_an_answer_before_the_end_of_its_request_counts() -> None:
    """But the connection, with half a request in its buffers, is not used again."""
    gone: asyncio.Queue[None] = asyncio.Queue()

    async def hasty(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ok(b"too large"))
        await writer.drain()
        while await reader.read(1 << 20):
            pass
        gone.put_nowait(None)

    async with raw_server(hasty, reads=False) as raw, transporting() as transport:
        for _ in range(2):
            reply = await begun(transport, raw.url, content=bytes(64 * 1024 * 1024))
            assert await reply.body() == b"too large"
            await soon(gone.get())
