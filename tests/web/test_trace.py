"""What joins our log lines to others': request ids and W3C Trace Context."""

import logging
import secrets

import pytest

from tests.support.service import MASTER_KEY, OFFER, bearer, running

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
STATE = "vendor=1,other=t61rcWkgMzE"


async def test_a_trace_goes_on_to_the_provider(caplog: pytest.LogCaptureFixture) -> None:
    """On the mint, the call and the hangup, as it came; and our lines name it."""
    caplog.set_level(logging.INFO, "signaller.audit")
    given = {"traceparent": PARENT, "tracestate": STATE}
    async with running() as service:
        minted = await service.mint(headers=bearer(MASTER_KEY) | given)
        answered = await service.call(
            minted.json()["value"], OFFER, traceparent=PARENT, tracestate=STATE
        )
        await service.client.delete(
            answered.headers["location"], headers=bearer(MASTER_KEY) | given
        )
        requests = service.provider.requests
    assert len(requests) == 3
    for request in requests:
        assert request.headers["traceparent"] == PARENT
        assert request.headers["tracestate"] == STATE
    named = [record.__dict__["fields"]["trace_id"] for record in caplog.records]
    assert named == ["0af7651916cd43dd8448eb211c80319c"] * 4


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "garbage",
        PARENT.upper(),
        "ff" + PARENT[2:],
        PARENT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        PARENT.replace("b7ad6b7169203331", "0" * 16),
        PARENT + "-more",
        PARENT + "\u00e9",
    ],
)
async def test_what_is_no_trace_goes_nowhere(parent: str) -> None:
    """Neither it nor the state that came with it; the request is served all the same."""
    async with running() as service:
        headers = {k: v.encode("latin-1") for k, v in bearer(MASTER_KEY).items()}
        headers |= {"traceparent": parent.encode("latin-1"), "tracestate": STATE.encode()}
        assert (await service.mint(headers=headers)).status_code == 200
        (request,) = service.provider.requests
        assert not {"traceparent", "tracestate"} & set(request.headers)


async def test_two_parents_are_none() -> None:
    """Nobody can tell which one is meant."""
    async with running() as service:
        headers = [*bearer(MASTER_KEY).items(), ("traceparent", PARENT), ("traceparent", PARENT)]
        assert (await service.mint(headers=headers)).status_code == 200
        (request,) = service.provider.requests
        assert "traceparent" not in request.headers


async def test_an_overlong_state_is_left_behind() -> None:
    """The parent is enough to join spans."""
    async with running() as service:
        given = {"traceparent": PARENT, "tracestate": "a=" + "x" * 600}
        await service.mint(headers=bearer(MASTER_KEY) | given)
        (request,) = service.provider.requests
        assert request.headers["traceparent"] == PARENT
        assert "tracestate" not in request.headers


@pytest.mark.parametrize("key", ["c0ffee" * 8, "c0ffee00" * 8, "sk-x", "ek_x"])
async def test_a_key_in_the_place_of_a_request_id_is_not_kept(
    key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither echoed, nor logged, nor sent on."""
    caplog.set_level(logging.DEBUG, "signaller")
    async with running() as service:
        response = await service.mint(headers=bearer(MASTER_KEY) | {"x-request-id": key})
        assert key not in str(response.headers)
        assert all(key not in request.headers.values() for request in service.provider.requests)
    assert key not in caplog.text + str([record.__dict__ for record in caplog.records])


async def test_nginxs_ids_and_uuids_are_kept() -> None:
    """32 hexadecimal digits, with or without dashes."""
    async with running() as service:
        for given in (secrets.token_hex(16), "0af76519-16cd-43dd-8448-eb211c80319c"):
            answer = await service.call("ek_x", OFFER, x_request_id=given)
            assert answer.headers["x-request-id"] == given
