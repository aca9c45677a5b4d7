"""WebSocket handshakes: there is nothing to open yet, and whoever tries is told so."""

import asyncio
import json
import logging
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import websockets

from signaller.web.routes import PREFIXES
from tests.faults.clients.wire import LAST, exchange, head, statuses
from tests.support.process import config, served
from tests.support.service import MASTER_KEY, Service, bearer, running

KEY = "sk-canary-in-a-handshake-0123456789"
REALTIME = [f"{prefix}/realtime" for prefix in PREFIXES]
HANDSHAKE = (
    *("Host: x", "Connection: Upgrade", "Upgrade: websocket"),
    *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """A service before a scripted provider."""
    async with running() as service:
        yield service


async def refused(service: Service, path: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status, headers and error of what a real client is told."""
    with pytest.raises(websockets.InvalidStatus) as told:
        await websockets.connect(
            service.url.replace("http", "ws") + path, additional_headers=bearer(MASTER_KEY)
        )
    response = told.value.response
    body = json.loads(response.body)
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "code", "param"}
    return response.status_code, dict(response.headers.raw_items()), body["error"]


@pytest.mark.parametrize("path", REALTIME)
async def test_a_path_that_openai_has_is_not_implemented(service: Service, path: str) -> None:
    """501, which says what there is instead; a client does not try again by itself."""
    status, headers, error = await refused(service, f"{path}?model=gpt-realtime")
    assert (status, error["code"]) == (501, "websocket_not_supported")
    assert "/v1/realtime/calls" in error["message"]
    assert headers["x-should-retry"] == "false"
    plain = await service.client.get(path)
    assert (plain.status_code, plain.json()["error"]) == (501, error)


@pytest.mark.parametrize(
    "path",
    ["/", "/healthz", "/v1/models", "/v1/realtime/calls", "/nope", "/css/base.css", "/js/x"],
)
async def test_any_other_path_has_no_web_socket(service: Service, path: str) -> None:
    """404, also where a GET would be answered: a client must not take that for half a success."""
    status, _, error = await refused(service, path)
    assert (status, error["code"]) == (404, "route_not_found")
    assert "WebSocket" in error["message"]


async def test_a_refusal_has_its_envelope_and_its_line(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """Request id, security headers and an audit line, as with every answer."""
    with caplog.at_level(logging.WARNING, logger="signaller.audit"):
        _, headers, _ = await refused(service, "/v1/realtime?model=voice")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    (line,) = [each for each in caplog.records if each.getMessage() == "websocket"]
    fields = line.__dict__["fields"]
    assert fields["outcome"] == "websocket_not_supported"
    assert fields["request_id"] == headers["x-request-id"]


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(head("POST", "/v1/realtime", *HANDSHAKE, "Content-Length: 0"), id="post"),
        pytest.param(head("GET", "/v1/realtime", *HANDSHAKE[:-1]), id="no-key"),
        pytest.param(
            head("GET", "/v1/realtime", *HANDSHAKE[:-1], "Sec-WebSocket-Key: x"), id="key"
        ),
        pytest.param(
            head("GET", "/v1/realtime", *HANDSHAKE).replace(b": 13", b": 8"), id="old-version"
        ),
        pytest.param(
            head("GET", "/v1/realtime", *HANDSHAKE, "Sec-WebSocket-Extensions: ;"), id="extension"
        ),
        pytest.param(head("GET", "/v1/realtime", *HANDSHAKE, f"X: {'x' * 9000}"), id="long-field"),
        pytest.param(head("GET", f"/v1/realtime?{'x' * 9000}", *HANDSHAKE), id="long-target"),
        pytest.param(
            head("GET", "/v1/realtime", *HANDSHAKE, *[f"X-{n}: y" for n in range(110)]), id="many"
        ),
        pytest.param(
            head("GET", "/v1/realtime", *HANDSHAKE, "Content-Length: 2") + b"{}", id="with-a-body"
        ),
        pytest.param(
            head("GET", "/v1/realtime", *HANDSHAKE, "Transfer-Encoding: chunked") + b"0\r\n\r\n",
            id="with-chunks",
        ),
        pytest.param(
            head("GET", "/v1/realtime", *HANDSHAKE).replace(b"TP/1.1", b"TP/1.0"), id="http-1.0"
        ),
    ],
)
async def test_half_a_handshake_is_answered_as_well(service: Service, request_: bytes) -> None:
    """In the same shape, and at once: what no library would answer is a request like any other."""
    port = int(service.url.rpartition(":")[2])
    async with asyncio.timeout(10):
        said = await exchange(port, request_ + LAST)
    first = statuses(said)[0]
    assert first in {404, 501}
    answer = said.partition(b"\r\n\r\n")[2]
    error, _ = json.JSONDecoder().raw_decode(answer.decode("latin-1"))
    assert error["error"]["code"] in {"route_not_found", "websocket_not_supported"}
    assert b"x-request-id" in said.partition(b"\r\n\r\n")[0].lower()


@pytest.mark.parametrize("protocol", ["h2c", "TLS/1.0", "websocket, h2c"])
async def test_an_offer_of_another_protocol_is_passed_over(
    service: Service, caplog: pytest.LogCaptureFixture, protocol: str
) -> None:
    """Clients make it at each request: it is answered as if it were not there, and not logged."""
    offer = head("GET", "/healthz", "Host: x", "Connection: Upgrade", f"Upgrade: {protocol}")
    with caplog.at_level(logging.WARNING):
        said = await exchange(int(service.url.rpartition(":")[2]), offer + LAST)
    assert statuses(said) == [200, 200]
    assert caplog.messages == []


@pytest.mark.parametrize("level", ["info", "debug"])
def test_no_key_of_a_handshake_is_logged(tmp_path: Path, level: str) -> None:
    """Browsers put keys into the address, programs into a header; the log has neither."""

    async def knock(url: str) -> None:
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(
                f"{url.replace('http', 'ws')}/v1/realtime?key={KEY}",
                additional_headers=bearer(KEY),
                subprotocols=[websockets.Subprotocol(f"openai-insecure-api-key.{KEY}")],
            )

    path = config(tmp_path, "http://127.0.0.1:1")
    with served("--config", path, "--log-level", level) as process:
        asyncio.run(knock(process.url()))
        process.logged("websocket")
        process.send(signal.SIGTERM)
        process.ended()
        assert KEY not in "\n".join(process.said)


def test_a_refused_handshake_is_logged_once(tmp_path: Path) -> None:
    """By our own line: uvicorn takes it for a fault of the service, which it is not."""

    async def knock(url: str) -> None:
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(f"{url.replace('http', 'ws')}/v1/realtime")

    with served("--config", config(tmp_path, "http://127.0.0.1:1")) as process:
        asyncio.run(knock(process.url()))
        process.logged("websocket")
        process.send(signal.SIGTERM)
        process.ended()
        errors = [line for line in process.said if '"level": "error"' in line]
    assert [json.loads(line)["event"] for line in errors] == ["websocket"]
