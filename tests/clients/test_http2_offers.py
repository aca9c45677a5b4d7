"""Clients that offer HTTP/2 with every plain request: curl when told to, Java's always."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.provider import ANSWER
from tests.support.service import MASTER_KEY, MODEL, OFFER, Service, running

CLIENT = Path(__file__).parent / "java" / "Client.java"
PATIENCE_SECONDS = 60
"""For a Java machine that compiles its source first, beside other tests."""


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """A service before a scripted provider."""
    async with running() as service:
        yield service


async def said_by(*command: str) -> str:
    """What a program that succeeds says."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE_SECONDS):
        output, problems = await process.communicate()
    assert process.returncode == 0, problems.decode()
    return output.decode()


async def curl(service: Service, path: str, key: str, kind: str, body: bytes, *more: str) -> str:
    """The body of the answer to `curl --http2`."""
    fields = ("-H", f"Authorization: Bearer {key}", "-H", f"Content-Type: {kind}")
    data = ("--data-binary", body.decode())
    command = ("curl", "-sS", "--fail-with-body", "--noproxy", "*", "--http2", *fields, *data)
    return await said_by(*command, *more, f"{service.url}{path}")


@pytest.mark.parametrize(
    "framing", [(), ("-H", "Transfer-Encoding: chunked")], ids=["length", "chunks"]
)
async def test_curl_is_served(service: Service, framing: tuple[str, ...]) -> None:
    """`curl --http2`: a mint and its call over HTTP/1.1, which curl takes as an answer."""
    body = b'{"model": "%s"}' % MODEL.encode()
    mint = "/v1/realtime/client_secrets"
    minted = await curl(service, mint, MASTER_KEY, "application/json", body, *framing)
    token = minted.partition('"value":"')[2].partition('"')[0]
    called = await curl(service, "/v1/realtime/calls", token, "application/sdp", OFFER, *framing)
    assert called.encode() == ANSWER
    assert service.provider.call.requests[0].body == OFFER


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_javas_client_is_served(service: Service, framing: str) -> None:
    """`java.net.http.HttpClient` as it comes: mint, call and hang-up on one connection."""
    said = await said_by("java", str(CLIENT), service.url, MASTER_KEY, OFFER.decode(), framing)
    statuses, _, answer = said.partition("\n")
    assert statuses == "200 201 200"
    assert answer.encode() == ANSWER
    assert service.provider.call.requests[0].body == OFFER
    assert service.provider.live_calls == set()
