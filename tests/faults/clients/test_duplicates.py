"""One header twice, with two meanings: nobody behind a gateway chooses which one counts."""

import json

import pytest

from tests.faults.clients.attacked import Attacked
from tests.faults.clients.wire import LAST, exchange, head, statuses
from tests.support.process import MASTER
from tests.support.service import MODEL, OFFER

pytestmark = pytest.mark.asyncio(loop_scope="module")  # the provider lives on that loop

BODY = b'{"model": "%s"}' % MODEL.encode()
JSON = "Content-Type: application/json"
GOOD, BAD = f"Authorization: Bearer {MASTER}", "Authorization: Bearer sk-of-nobody-0123456789"
KEY, NO_KEY = f"api-key: {MASTER}", "api-key: sk-of-nobody-0123456789"


async def mint(service: Attacked, *fields: str) -> list[int]:
    """The statuses of a mint with these fields, and of /healthz behind it."""
    request = head("POST", "/v1/realtime/client_secrets", *fields, f"Content-Length: {len(BODY)}")
    return statuses(await exchange(service.port, request + BODY + LAST))


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param((GOOD, BAD), id="good-then-bad"),
        pytest.param((BAD, GOOD), id="bad-then-good"),
        pytest.param((GOOD, GOOD), id="the-same"),
        pytest.param((GOOD, "Authorization:"), id="good-then-empty"),
        pytest.param((KEY, NO_KEY), id="key-then-bad-key"),
        pytest.param((NO_KEY, KEY), id="bad-key-then-key"),
        pytest.param(("Authorization: Basic x", GOOD), id="basic-then-good"),
    ],
)
async def test_two_credentials_are_none(service: Attacked, fields: tuple[str, ...]) -> None:
    """A gateway may have looked at the other one (RFC 9110, 5.3: a field of one value)."""
    before = service.marks()
    assert await mint(service, "Host: x", JSON, *fields) == [401, 200]
    assert service.marks() == before


@pytest.mark.parametrize(
    "hosts",
    [
        pytest.param((), id="none"),
        pytest.param(("Host: x", "Host: y"), id="two"),
        pytest.param(("Host: x", "Host: x"), id="the-same-twice"),
    ],
)
async def test_a_host_is_named_once(service: Attacked, hosts: tuple[str, ...]) -> None:
    """Otherwise 400 (RFC 9112, 3.2) as every error, and whatever comes behind it is not read."""
    before = service.marks()
    length = f"Content-Length: {len(BODY)}"
    request = head("POST", "/v1/realtime/client_secrets", *hosts, JSON, GOOD, length)
    said = await exchange(service.port, request + BODY + LAST)
    assert statuses(said) == [400]
    fields, _, body = said.partition(b"\r\n\r\n")
    assert json.loads(body)["error"]["code"] == "invalid_request"
    assert "Host" in json.loads(body)["error"]["message"]
    assert b"\r\nx-request-id: req_" in fields
    assert service.marks() == before


async def test_two_tokens_are_none(service: Attacked) -> None:
    """A call with two tokens redeems neither."""
    token = await service.token()
    before = service.marks()
    twice = f"Authorization: Bearer {token}", f"Authorization: Bearer {token[:-4]}AAAA"
    length = f"Content-Length: {len(OFFER)}"
    request = head(
        "POST", "/v1/realtime/calls", "Host: x", "Content-Type: application/sdp", length, *twice
    )
    assert statuses(await exchange(service.port, request + OFFER + LAST)) == [401, 200]
    assert service.marks() == before


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(("Host: x", JSON, "Content-Type: text/plain"), id="content-types"),
        pytest.param(("Host: x", "Content-Type: text/plain", JSON), id="content-types-swapped"),
        pytest.param(("Host: x", JSON, "Origin: https://a", "Origin: https://b"), id="origins"),
        pytest.param(("Host: x", JSON, "Origin: null", "Origin: "), id="origins-of-nobody"),
        pytest.param(("Host: x", JSON, *["X-Request-Id: a"] * 9), id="request-ids"),
    ],
)
async def test_other_duplicates_are_served_or_refused(
    service: Attacked, fields: tuple[str, ...]
) -> None:
    """One status for each request, the next one is where it should be; nobody minted in vain."""
    before = len(service.provider.requests)
    first, second = await mint(service, GOOD, *fields)
    assert first in {200, 400, 403, 415}
    assert second == 200
    assert len(service.provider.requests) - before == (first == 200)
