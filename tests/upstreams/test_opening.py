"""How connections are opened: addresses, TLS, and what fails before anything was sent."""

import asyncio
import socket
import ssl
from pathlib import Path

import httpx
import pytest
from aiohappyeyeballs import AddrInfoType, start_connection

from signaller.upstreams import opening
from signaller.upstreams.opening import Opener
from tests.support.certificate import Certificate, self_signed
from tests.support.redis import free_port
from tests.upstreams.asking import Keeping, ask, begun, ok, transporting
from tests.upstreams.raw import raw_server, read_request


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    """127.0.0.1's."""
    return self_signed(tmp_path)


@pytest.fixture
def spoken(certificate: Certificate) -> ssl.SSLContext:
    """What a server with the certificate speaks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


async def test_each_address_of_a_name_is_tried() -> None:
    """localhost is ::1 and 127.0.0.1 on many machines; the server is on one of them."""
    async with raw_server(Keeping().speak) as raw, transporting() as transport:
        assert await ask(transport, raw.url.replace("127.0.0.1", "localhost")) == b"0"


async def test_an_address_that_refuses_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one has the connection, and the request is sent once."""

    async def with_another(addresses: list[AddrInfoType], **options: float) -> socket.socket:
        first = (*addresses[0][:4], ("127.0.0.1", free_port()))
        return await start_connection(
            [first, *addresses], happy_eyeballs_delay=options["happy_eyeballs_delay"]
        )

    monkeypatch.setattr(opening, "start_connection", with_another)
    async with raw_server(Keeping().speak) as raw, transporting() as transport:
        assert await ask(transport, raw.url) == b"0"
        assert len(raw.received) == 1


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("http://127.0.0.1:{port}", id="refused"),
        pytest.param("http://nowhere.invalid", id="no-such-name"),
        pytest.param("http://a..b", id="no-name"),
        pytest.param("http://127.0.0.1:70000", id="no-port"),
        pytest.param("https://127.0.0.1:{port}", id="refused-tls"),
    ],
)
async def test_what_cannot_be_reached_is_a_connect_error(url: str) -> None:
    """Nothing was sent."""
    async with transporting() as transport:
        with pytest.raises(httpx.ConnectError):
            await ask(transport, url.format(port=free_port()))


async def test_tls_is_spoken_and_its_connections_are_kept(
    certificate: Certificate, spoken: ssl.SSLContext
) -> None:
    """HTTP/1.1 is what both agree on, and the connection is ended in good order."""
    agreed: list[str | None] = []
    trusting = ssl.create_default_context(cafile=certificate.certificate)
    trusting.set_alpn_protocols(["http/1.1"])

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        agreed.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        while not reader.at_eof():
            writer.write(ok(b"v=0"))
            await read_request(reader)

    async with (
        raw_server(speak, tls=spoken) as raw,
        transporting(opener=Opener(trusting)) as transport,
    ):
        assert [await ask(transport, raw.url) for _ in range(3)] == [b"v=0"] * 3
    assert agreed == ["http/1.1"]


async def test_a_certificate_nobody_vouches_for_is_a_connect_error(
    spoken: ssl.SSLContext,
) -> None:
    """The authorities of this machine are asked where no others are named."""
    async with raw_server(Keeping().speak, tls=spoken) as raw, transporting() as transport:
        with pytest.raises(httpx.ConnectError, match=r"(?i)certificate"):
            await ask(transport, raw.url)
        assert raw.received == []


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_a_failing_handshake_is_a_connect_error(says: bytes) -> None:
    """Whether it is cut off or answered in the clear."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(says)

    async with raw_server(plain, reads=False) as raw, transporting() as transport:
        with pytest.raises(httpx.ConnectError):
            await ask(transport, raw.url.replace("http:", "https:"))


async def test_a_handshake_that_stalls_is_a_connect_time_out() -> None:
    """Its connection is closed, and its place is free."""
    dropped = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()
        dropped.set()

    async with raw_server(mute, reads=False) as raw, transporting(connections=1) as transport:
        url = raw.url.replace("http:", "https:")
        for _ in range(2):
            with pytest.raises(httpx.ConnectTimeout):
                await begun(transport, url, connect_seconds=0.1)
        await asyncio.wait_for(dropped.wait(), 5)
