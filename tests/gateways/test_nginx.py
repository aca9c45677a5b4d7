"""The nginx of docs/sidecar.md, real, with TLS: what it passes on, and what comes back."""

import stat
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from signaller.realtime.offers import MAX_SDP_BYTES
from signaller.web.bodies import MAX_JSON_BYTES
from tests.gateways.gate import BACKEND, MODEL, PREFIX, Gate, gate
from tests.gateways.recipe import nginx_recipe, service_recipe, without_authentication
from tests.support.process import MASTER
from tests.support.provider import ANSWER
from tests.support.service import OFFER, error

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the provider lives on that loop

KEYS_ONLY = without_authentication(nginx_recipe())
AS_MASTER = {"authorization": f"Bearer {MASTER}"}
PAGE = "https://app.example"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_call_goes_through_tls() -> None:
    """Mint, call at the `calls_url` that was named, hang up at the `Location` of the answer."""
    async with gate(KEYS_ONLY, "signaller: {public_url: 'https://127.0.0.1:PORT'}") as one:
        assert stat.S_IMODE(one.sockets[0].stat().st_mode) == 0o660
        minted = (await one.mint(headers=AS_MASTER)).json()
        assert minted["calls_url"] == str(one.client.base_url.join(f"{PREFIX}/calls"))
        called = await one.call(minted["value"], url=minted["calls_url"])
        assert (called.status_code, called.content) == (201, ANSWER)
        assert called.headers["location"].startswith(f"{PREFIX}/calls/")
        token = {"authorization": f"Bearer {minted['value']}"}
        assert (await one.client.delete(called.headers["location"], headers=token)).is_success
        assert len(one.provider.call.requests) == len(one.provider.hangup.requests) == 1


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one() -> AsyncIterator[Gate]:
    """A service that is set up with nothing but keys, for all tests that count what they add."""
    async with gate(KEYS_ONLY) as shared:
        yield shared


async def test_without_a_public_url_the_scheme_is_the_gateways(one: Gate) -> None:
    """signaller speaks HTTP to nginx, yet names an address with https."""
    minted = (await one.mint(headers=AS_MASTER)).json()
    assert minted["calls_url"] == f"https://127.0.0.1{PREFIX}/calls"


async def test_ids_of_a_request_go_through(one: Gate) -> None:
    """nginx's id is in the answer and at the provider, as is the trace that the client began."""
    before = len(one.provider.call.requests)
    called = await one.call(await one.token(), traceparent=TRACEPARENT)
    (arrived,) = one.provider.call.requests[before:]
    nginx_id = called.headers["x-request-id"]
    assert len(bytes.fromhex(nginx_id)) == 16
    assert arrived.headers["x-client-request-id"] == nginx_id
    assert arrived.headers["traceparent"] == TRACEPARENT


async def test_a_page_of_another_origin_may_call() -> None:
    """The preflight and the headers that a browser needs come from signaller, once each."""
    async with gate(KEYS_ONLY, f"signaller: {{cors_origins: ['{PAGE}']}}") as one:
        asks = {"origin": PAGE, "access-control-request-method": "POST"}
        preflight = await one.client.options(f"{PREFIX}/calls", headers=asks)
        called = await one.call(await one.token(), origin=PAGE)
    for answer in (preflight, called):
        assert answer.is_success
        assert answer.headers.get_list("access-control-allow-origin") == [PAGE]
    (exposed,) = called.headers.get_list("access-control-expose-headers")
    assert {"Location", "X-Request-Id"} <= set(exposed.split(", "))


def offer_of(size: int) -> bytes:
    """A valid offer of so many bytes."""
    filler = size - len(OFFER) - len(b"a=x:\r\n")
    return OFFER + b"a=x:" + b"x" * filler + b"\r\n"


async def test_bodies_have_the_services_limits(one: Gate) -> None:
    """The largest offer passes; what is over a limit gets our error, and spends nothing."""
    minted, called = len(one.provider.mint.requests), len(one.provider.call.requests)
    token = await one.token()
    refused = await one.call(token, offer_of(MAX_SDP_BYTES + 1))
    body = {"model": MODEL, "filler": "x" * MAX_JSON_BYTES}
    too_long = await one.client.post(f"{PREFIX}/client_secrets", json=body, headers=AS_MASTER)
    for answer in (refused, too_long):
        assert (answer.status_code, error(answer)["code"]) == (413, "body_too_large")
    assert (await one.call(token, offer_of(MAX_SDP_BYTES))).status_code == 201
    (arrived,) = one.provider.call.requests[called:]
    assert arrived.body == offer_of(MAX_SDP_BYTES)
    assert len(one.provider.mint.requests) == minted + 1


async def test_nginx_stops_what_is_far_too_large() -> None:
    """Over its own limit the service is not asked at all."""
    async with gate(KEYS_ONLY) as one:  # whose log has no other test's calls
        answer = await one.call(await one.token(), offer_of(600 * 1024))
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "text/html"
        assert one.replicas[0].lines("call") == []


HIDDEN = ["/metrics", "/readyz", "/%6detrics", "//readyz", "/x/../metrics", "/metrics?x=1"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_with_backends() -> AsyncIterator[Gate]:
    """The whole recipe."""
    async with gate(nginx_recipe(), service_recipe()) as shared:
        yield shared


async def test_the_operators_paths_are_not_public(one_with_backends: Gate) -> None:
    """Whatever spelling, whatever credential; liveness is no secret."""
    one = one_with_backends
    for path in HIDDEN:
        # As it stands: httpx would tidy it up.
        target = {"target": path.encode()}
        answer = await one.client.get("/", headers=AS_MASTER, extensions=target)
        assert (path, answer.status_code) == (path, 404)
        assert "nginx" in answer.text, path
    assert (await one.client.get("/healthz")).status_code == 200


async def test_two_doors(one_with_backends: Gate) -> None:
    """A backend that nginx knows gets a token without a key; a browser calls with the token."""
    one = one_with_backends
    minted = await one.mint(auth=BACKEND)
    assert minted.status_code == 200, minted.text
    assert minted.headers["x-ratelimit-limit-requests"] == "60"  # of the caller `mobile`
    called = await one.call(minted.json()["value"])
    assert called.status_code == 201, called.text
    assert await one.callers(1) == [BACKEND[0]]
