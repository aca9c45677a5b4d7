"""The Caddy and the HAProxy of docs/sidecar.md, real: whom they name, and what they keep out."""

import asyncio
import contextlib
import signal
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest

from signaller.realtime.offers import MAX_SDP_BYTES
from tests.gateways.gate import BACKEND, MODEL, PREFIX, Gate
from tests.gateways.recipe import (
    CADDYS_SOCKET,
    HAPROXYS_SOCKET,
    at,
    caddy_recipe,
    haproxy_recipe,
    service_recipe,
)
from tests.gateways.test_nginx import offer_of
from tests.support.certificate import Certificate, self_signed
from tests.support.gateways import caddy, caddys_hash, haproxy
from tests.support.process import PATIENCE_SECONDS, config, served
from tests.support.provider import FakeProvider
from tests.support.redis import free_port
from tests.support.service import OFFER, error
from tests.support.serving import serving

FORGED = {"x-consumer-id": BACKEND[0]}
MINTS = [f"{prefix}/realtime/client_secrets" for prefix in ("/v1", "", "/openai/v1")]
HIDDEN = ["/metrics", "/readyz", "/health/readiness", "/%6detrics", "/metrics?x=1"]


@contextlib.contextmanager
def with_caddy(folder: Path, socket: Path, port: int, _: Certificate) -> Iterator[str]:
    """At http://, as a certificate of its own needs a name that the world knows."""
    name, password = BACKEND
    recipe = caddy_recipe().replace(CADDYS_SOCKET, f"unix/{socket}")
    places = {
        "voice.example {": f"http://:{port} {{\n\tbind 127.0.0.1",
        f"{name} <hash>": f"{name} {caddys_hash(password)}",
    }
    with caddy(folder, at(recipe, places), port):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def with_haproxy(folder: Path, socket: Path, port: int, certificate: Certificate) -> Iterator[str]:
    """With TLS."""
    name, password = BACKEND
    both = folder / "both.pem"
    both.write_bytes(certificate.certificate.read_bytes() + certificate.key.read_bytes())
    places = {
        "bind :443 ssl crt /etc/ssl/voice.example.pem": f"bind 127.0.0.1:{port} ssl crt {both}",
        f"user {name} password <hash>": f"user {name} insecure-password {password}",
        HAPROXYS_SOCKET: f"server one unix@{socket}",
    }
    with haproxy(folder, at(haproxy_recipe(), places), port):
        yield f"https://127.0.0.1:{port}"


Between = Callable[[Path, Path, int, Certificate], contextlib.AbstractContextManager[str]]


@pytest.fixture(params=[with_caddy, with_haproxy], ids=["caddy", "haproxy"])
async def one(request: pytest.FixtureRequest) -> AsyncIterator[Gate]:
    """The page's recipe before a service that believes it, and has a rate for `mobile`."""
    between: Between = request.param
    provider = FakeProvider()
    with contextlib.ExitStack() as stack:
        # Not tmp_path: a socket's path may have 107 bytes at most.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gate-")))
        port, socket = free_port(), folder / "s"
        async with serving(provider.app) as provider_url:
            path = config(folder, provider_url, service_recipe(), model=MODEL)
            service = stack.enter_context(served("--config", path, "--uds", str(socket)))
            await asyncio.to_thread(service.ready)
            certificate = self_signed(folder)
            url = stack.enter_context(between(folder, socket, port, certificate))
            trust = ssl.create_default_context(cafile=certificate.certificate)
            async with httpx.AsyncClient(
                base_url=url, verify=trust, timeout=PATIENCE_SECONDS, trust_env=False
            ) as client:
                yield Gate(client=client, provider=provider, replicas=[service], sockets=[socket])


async def test_a_forged_name_does_not_get_through(one: Gate) -> None:
    """Without a password, or with a wrong one, nobody is named; with it the name is theirs."""
    for path in (*MINTS, f"{PREFIX}/%63lient_secrets"):
        refused = await one.mint(path, headers=FORGED)
        assert (path, refused.status_code) == (path, 401)
    assert (await one.mint(auth=(BACKEND[0], "wrong"), headers=FORGED)).status_code == 401
    # At the open door a caller may start a call without a token, and so may not be named there.
    sent = FORGED | {"content-type": "application/sdp"}
    called = await one.client.post(f"{PREFIX}/calls?model={MODEL}", content=OFFER, headers=sent)
    assert called.status_code == 401
    assert one.provider.requests == []
    minted = await one.mint(auth=BACKEND, headers={"x-consumer-id": "another"})
    assert minted.status_code == 200, minted.text
    assert minted.headers["x-ratelimit-limit-requests"] == "60"  # of the caller `mobile`
    assert await one.callers(1) == [BACKEND[0]]


async def test_a_browser_calls_with_its_token_alone(one: Gate) -> None:
    """The second door is open, and the call is the caller's who minted."""
    token = (await one.mint(auth=BACKEND)).json()["value"]
    called = await one.call(token, offer_of(MAX_SDP_BYTES), **FORGED)
    assert called.status_code == 201, called.text
    assert one.provider.call.requests[0].body == offer_of(MAX_SDP_BYTES)


async def test_the_operators_paths_are_not_public(one: Gate) -> None:
    """Not even with a password; liveness is no secret."""
    for path in HIDDEN:
        answer = await one.client.get("/", auth=BACKEND, extensions={"target": path.encode()})
        assert (path, answer.status_code) == (path, 404)
        assert "x-request-id" not in answer.headers, path  # the service was not asked
    assert (await one.client.get("/healthz")).status_code == 200


async def test_what_is_far_too_large_is_stopped(one: Gate) -> None:
    """What has the service's limits gets its error; over the gateway's nothing is spent."""
    token = (await one.mint(auth=BACKEND)).json()["value"]
    refused = await one.call(token, offer_of(MAX_SDP_BYTES + 1))
    assert (refused.status_code, error(refused)["code"]) == (413, "body_too_large")
    assert (await one.call(token, offer_of(600 * 1024))).status_code == 413
    assert one.provider.call.requests == []
    assert (await one.call(token)).status_code == 201


async def test_a_call_is_sent_once(one: Gate) -> None:
    """A service that dies while the provider answers: the gateway repeats nothing."""
    token = (await one.mint(auth=BACKEND)).json()["value"]
    one.provider.call.holds()
    calling = asyncio.create_task(one.call(token))
    await one.provider.call.arrived()
    one.replicas[0].send(signal.SIGKILL)
    # HAProxy says nothing on a connection that has had an answer before.
    with contextlib.suppress(httpx.RemoteProtocolError):
        assert (await calling).status_code == 502
    assert len(one.provider.call.requests) == 1
