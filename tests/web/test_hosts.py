"""By which address a client is told to come back."""

import tempfile
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request

from signaller.web.credentials import is_local, own_url, peer
from tests.faults.clients.wire import exchange, head, statuses
from tests.support.process import MASTER, config, served
from tests.support.provider import FakeProvider
from tests.support.service import MODEL, bearer
from tests.support.serving import serving

ODD = [
    "/run/signaller.sock",
    "unix:/run/signaller.sock",
    "a b",
    "[::1",
    "a/b?c#d",
    "a@b",
    "",
    "a:b",
]


def addressed(host: str | None, server: tuple[str, int | None] | None) -> str:
    """How a request with this `Host` is answered that came to this socket."""
    headers = [] if host is None else [(b"host", host.encode("latin-1"))]
    return own_url(
        Request({"type": "http", "scheme": "http", "server": server, "headers": headers})
    )


@pytest.mark.parametrize("host", ["voice.example", "a_b-c.d:8080", "[::1]:4000", "127.0.0.1:4000"])
def test_a_host_is_kept(host: str) -> None:
    """As the client wrote it, at a port and at a Unix socket."""
    for server in (("10.0.0.7", 4000), ("/run/s", None)):
        assert addressed(host, server) == f"http://{host}"


@pytest.mark.parametrize("host", [None, *ODD, "\xff"])
@pytest.mark.parametrize(
    ("server", "instead"),
    [
        (("10.0.0.7", 4000), "http://10.0.0.7:4000"),
        (("::1", 4000), "http://[::1]:4000"),
        (("::ffff:10.0.0.7", 4000), "http://10.0.0.7:4000"),
        (("/run/signaller.sock", None), "http://localhost"),
        (None, "http://localhost"),
    ],
)
def test_without_a_host_it_is_the_socket_that_was_asked(
    host: str | None, server: tuple[str, int | None] | None, instead: str
) -> None:
    """Unless that has no address: a path of this machine is nobody's business."""
    assert addressed(host, server) == instead


def test_a_peer_on_a_socket_of_both_families_is_the_same_peer() -> None:
    """The gateway beside the service is believed there too."""
    scope = {"server": ("::ffff:127.0.0.1", 4000), "client": ("::ffff:127.0.0.1", 50000)}
    assert peer(scope) == ip_address("127.0.0.1")
    assert is_local(scope)
    assert not is_local(scope | {"client": ("::ffff:10.0.0.5", 50000)})


async def test_a_unix_socket_is_not_named(tmp_path: Path) -> None:
    """Whatever `Host` a client sends, or none as HTTP/1.0 allows."""
    provider = FakeProvider()
    with tempfile.TemporaryDirectory(prefix="hosts-") as folder:
        door = Path(folder) / "s"
        async with serving(provider.app) as provider_url:
            path = config(tmp_path, provider_url, model=MODEL)
            with served("--config", path, "--uds", str(door)) as process:
                process.ready()
                transport = httpx.AsyncHTTPTransport(uds=str(door))
                async with httpx.AsyncClient(transport=transport, timeout=30) as client:
                    for host in ("voice.example", *ODD):
                        response = await client.post(
                            "http://voice.example/v1/realtime/client_secrets",
                            json={"model": MODEL},
                            headers=bearer(MASTER) | {"host": host},
                        )
                        assert response.status_code == 200, response.text
                        assert folder not in response.text
                        named = "voice.example" if host == "voice.example" else "localhost"
                        assert response.json()["calls_url"].startswith(f"http://{named}/")
                body = b'{"model": "%s"}' % MODEL.encode()
                fields = f"Authorization: Bearer {MASTER}", "Content-Type: application/json"
                length = f"Content-Length: {len(body)}"
                old = head("POST", "/v1/realtime/client_secrets", *fields, length)
                said = await exchange(door, old.replace(b"HTTP/1.1", b"HTTP/1.0") + body)
                assert statuses(said) == [200]
                assert folder.encode() not in said
