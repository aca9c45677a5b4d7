"""Requests that offer to switch protocols, through gateways that pass the offer on."""

import asyncio
import contextlib
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.clients.wire import LAST, connected, exchange, head, statuses
from tests.gateways.gate import MODEL, PREFIX
from tests.gateways.recipe import (
    CADDYS_BACKENDS,
    CADDYS_SOCKET,
    HAPROXYS_BACKENDS,
    HAPROXYS_SOCKET,
    at,
    caddy_recipe,
    haproxy_recipe,
    without_authentication,
)
from tests.support.gateways import caddy, haproxy
from tests.support.nginx import nginx
from tests.support.process import MASTER, Running, config, served
from tests.support.provider import FakeProvider
from tests.support.redis import free_port
from tests.support.service import OFFER
from tests.support.serving import serving

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the provider lives on that loop

CONSUMER = "X-Consumer-Id"
OURS = f"signaller: {{gateway: {{header: {{name: {CONSUMER}, trusted: [unix]}}}}}}"
CADDYS_BUFFER = 4096
"""Of Go's client, before a connection to the service."""
BODY = b'{"model": "%s"}' % MODEL.encode()
MINT_FIELDS = ("Host: x", "Content-Type: application/json", f"Content-Length: {len(BODY)}")
FORGED = head("POST", f"{PREFIX}/client_secrets", f"{CONSUMER}: mobile", *MINT_FIELDS) + BODY
"""A mint by a caller that only the gateway may name."""


@contextlib.contextmanager
def nginx_with_web_sockets(folder: Path, socket: Path, port: int) -> Iterator[None]:
    """nginx as its documentation sets it up for WebSockets; bodies pass as they come."""
    http = f"""
upstream signaller {{ server unix:{socket}; keepalive 4; }}
server {{
  listen 127.0.0.1:{port};
  location / {{
    proxy_http_version 1.1;
    proxy_set_header Host $host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $http_connection;
    proxy_set_header {CONSUMER} "";
    proxy_request_buffering off;
    proxy_pass http://signaller;
  }}
}}"""
    with nginx(folder, http, port):
        yield


@contextlib.contextmanager
def caddy_of_the_page(folder: Path, socket: Path, port: int) -> Iterator[None]:
    """Caddy, which passes offers on; what has the field X-Measured goes to another socket."""
    recipe = without_authentication(caddy_recipe(), CADDYS_BACKENDS)
    (upstream,) = re.findall(r"\thandle \{\n.*?\n\t\}\n", recipe, re.S)
    measured = upstream.replace(CADDYS_SOCKET, f"unix/{folder / 'measure'}")
    field = "\t@measured header X-Measured *\n" + measured.replace("handle", "handle @measured")
    places = {
        "voice.example {": f"http://:{port} {{\n\tbind 127.0.0.1",
        CADDYS_SOCKET: f"unix/{socket}",
        "\thandle {": f"{field}\thandle {{",
    }
    with caddy(folder, at(recipe, places), port):
        yield


@contextlib.contextmanager
def haproxy_of_the_page(folder: Path, socket: Path, port: int) -> Iterator[None]:
    """HAProxy, whose clients share all connections to the service."""
    recipe = without_authentication(haproxy_recipe(), HAPROXYS_BACKENDS)
    places = {
        "bind :443 ssl crt /etc/ssl/voice.example.pem": f"bind 127.0.0.1:{port}",
        HAPROXYS_SOCKET: f"http-reuse always\n  server one unix@{socket}",
    }
    with haproxy(folder, at(recipe, places), port):
        yield


Between = Callable[[Path, Path, int], contextlib.AbstractContextManager[None]]
GATEWAYS: dict[str, Between] = {
    "nginx": nginx_with_web_sockets,
    "caddy": caddy_of_the_page,
    "haproxy": haproxy_of_the_page,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A gateway's port, and what is behind it."""

    gateway: str
    folder: Path
    port: int
    service: Running
    provider: FakeProvider


@pytest_asyncio.fixture(params=GATEWAYS, scope="module", loop_scope="module")
async def way(request: pytest.FixtureRequest) -> AsyncIterator[Way]:
    """Through one of the gateways to a service on a Unix socket, one for all its tests."""
    provider = FakeProvider()
    with contextlib.ExitStack() as stack:
        # Not tmp_path: a socket's path may have 107 bytes at most.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="way-")))
        port, socket = free_port(), folder / "s"
        async with serving(provider.app) as provider_url:
            path = config(folder, provider_url, OURS, model=MODEL)
            service = stack.enter_context(served("--config", path, "--uds", str(socket)))
            await asyncio.to_thread(service.ready)
            stack.enter_context(GATEWAYS[request.param](folder, socket, port))
            yield Way(
                gateway=request.param, folder=folder, port=port, service=service, provider=provider
            )


def offering(protocol: str) -> tuple[str, ...]:
    """The fields of an offer."""
    return "Connection: Upgrade", f"Upgrade: {protocol}"


async def filling_caddys_buffer(way: Way, *fields: str) -> str:
    """One more field, with which a head fills the buffer that Caddy sends when it is full.

    Otherwise head and body of a request would leave together.
    """
    measured: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def measure(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        measured.set_result(len(await reader.readuntil(b"\r\n\r\n")))
        await reader.readexactly(len(FORGED))  # what is unread would reset the answer away
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    async with (
        await asyncio.start_unix_server(measure, way.folder / "measure"),
        connected(way.port) as wire,
    ):
        await wire.send(head("POST", f"{PREFIX}/calls", *fields, "X-Measured: 1") + FORGED)
        assert await wire.head() == 204
    return "X-Filling_: " + "1" * (CADDYS_BUFFER - await measured + 1)


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "TLS/1.0", "anything"])
async def test_a_forged_request_in_a_body_stays_there(way: Way, protocol: str) -> None:
    """Nobody is minted for, and whoever comes next gets the answer to their own request."""
    length = f"Content-Length: {len(FORGED)}"
    fields = ("Host: x", *offering(protocol), length)
    if way.gateway == "caddy":
        fields += (await filling_caddys_buffer(way, *fields),)
    attack = head("POST", f"{PREFIX}/calls", *fields)
    asked_before, minted_before = len(way.provider.requests), len(way.service.lines("mint"))
    for _ in range(3):
        async with connected(way.port) as wire:
            refused = len(way.service.lines("call"))
            await wire.send(attack)
            # Once the head has gone through, the body is a read of its own.
            await asyncio.to_thread(way.service.logged, "call", times=refused + 1)
            await wire.send(FORGED)
            assert await wire.head() == 401
            assert statuses(await exchange(way.port, attack + FORGED + LAST)) == [401, 200]
            mine = [f"next-{number}" for number in range(5)]
            for each in mine:
                asked = LAST.replace(b"Host: x", f"Host: x\r\nX-Request-Id: {each}".encode())
                said = await exchange(way.port, asked)
                assert statuses(said) == [200]
                assert f"x-request-id: {each}\r\n".encode() in said.lower()
    assert len(way.provider.requests) == asked_before
    assert len(way.service.lines("mint")) == minted_before


@pytest.mark.parametrize("protocol", ["h2c", "TLS/1.0"])
async def test_an_honest_request_with_an_offer_is_served(way: Way, protocol: str) -> None:
    """A mint and its call."""
    key = f"Authorization: Bearer {MASTER}"
    mint = head("POST", f"{PREFIX}/client_secrets", key, *MINT_FIELDS, *offering(protocol))
    minted = await exchange(way.port, mint + BODY + LAST)
    assert statuses(minted) == [200, 200]
    token = minted.partition(b'"value":"')[2].partition(b'"')[0].decode()
    who = f"Authorization: Bearer {token}", "Content-Type: application/sdp"
    length = f"Content-Length: {len(OFFER)}"
    call = head("POST", f"{PREFIX}/calls", "Host: x", *who, length, *offering(protocol))
    assert statuses(await exchange(way.port, call + OFFER + LAST)) == [201, 200]
    assert way.provider.call.requests[-1].body == OFFER
