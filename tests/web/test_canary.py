"""Recognisable secrets, every route, every error: none of them comes out anywhere."""

import logging
from collections.abc import Iterable

import httpx
import pytest

from signaller.logs import ConsoleFormatter, JsonFormatter
from signaller.secret import Secret
from signaller.settings import Timeouts
from tests.support.provider import FakeProvider
from tests.support.redis import free_port
from tests.support.service import MASTER_KEY, MODEL, OFFER, PROVIDER_KEY, Service, running

EPHEMERAL = "ek_canary_ephemeral_0123456789abcdef"
QUOTES = f"Incorrect key {PROVIDER_KEY}; try {EPHEMERAL} or {MASTER_KEY}. Bearer {PROVIDER_KEY}"


async def every_mint(service: Service) -> None:
    """Mints that succeed, and mints that fail in every way a provider can make them."""
    mint = service.provider.mint
    await service.mint()
    await service.mint(headers={"authorization": f"Bearer {PROVIDER_KEY}"})
    await service.mint(headers={"api-key": EPHEMERAL, "x-request-id": MASTER_KEY})
    for body in ({}, {"model": PROVIDER_KEY}, {"model": MODEL, "session": {"type": MASTER_KEY}}):
        await service.mint(body)
    for status in (200, 201, 302, 400, 401, 403, 404, 409, 422, 429, 500, 503):
        for answer in (
            QUOTES,
            {
                "error": {
                    "message": QUOTES,
                    "type": PROVIDER_KEY,
                    "code": EPHEMERAL,
                    "param": QUOTES,
                }
            },
            {"error": QUOTES},
        ):
            mint.answers(status, answer, headers={"x-request-id": PROVIDER_KEY, "retry-after": "0"})
            await service.mint()
    mint.behaves()


async def every_call(service: Service) -> None:
    """Calls likewise, and what follows them."""
    call, hangup = service.provider.call, service.provider.hangup
    token = await service.token()
    location = (await service.call(token)).headers["location"]
    await service.call(token)
    for bad in (PROVIDER_KEY, MASTER_KEY, EPHEMERAL, token[:-2]):
        await service.call(bad)
    spare = await service.token()
    await service.call(spare, EPHEMERAL.encode())
    await service.call(spare, OFFER, content_type=MASTER_KEY)
    for status in (200, 302, 400, 401, 403, 404, 429, 500):
        for answer in (QUOTES, {"error": {"message": QUOTES, "code": PROVIDER_KEY}}):
            call.answers(status, answer)
            await service.call(await service.token())
            hangup.answers(status, answer)
            await service.client.delete(location, headers={"api-key": MASTER_KEY})
    for path in (f"/v1/realtime/calls/{key}" for key in (PROVIDER_KEY, EPHEMERAL)):
        await service.client.delete(path, headers={"api-key": MASTER_KEY})
    for path in ("/healthz", "/readyz", "/v1/models", "/tester.json", "/", f"/{PROVIDER_KEY}"):
        await service.client.get(path, headers={"authorization": f"Bearer {MASTER_KEY}"})


def shown(responses: Iterable[httpx.Response], records: Iterable[logging.LogRecord]) -> str:
    """Everything that left the service: statuses, headers, bodies, log lines in both forms."""
    parts = [f"{r.status_code} {r.headers} {r.text}" for r in responses]
    for record in records:
        # The test's own client is not the service.
        if not record.name.startswith(("httpx", "httpcore", "asyncio", "hpack")):
            parts += [JsonFormatter().format(record), ConsoleFormatter().format(record)]
    return "\n".join(parts)


@pytest.mark.parametrize("azure", [False, True], ids=["openai", "azure"])
async def test_no_secret_comes_out_anywhere(azure: bool, caplog: pytest.LogCaptureFixture) -> None:
    """No body, header or log line holds the provider's key, its secrets or the master key."""
    caplog.set_level(logging.DEBUG)
    async with running(azure=azure) as service:
        # The provider's secrets are canaries too, where it mints as it should.
        await every_mint(service)
        await every_call(service)
        everything = shown(service.seen, caplog.records)
        secrets = [PROVIDER_KEY, MASTER_KEY, EPHEMERAL, *service.provider.secrets]
        assert len(service.seen) > 80
        assert "upstream_auth_failed" in everything
        assert [secret for secret in secrets if secret in everything] == []


async def test_failures_below_http_show_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A refused connection, a time-out, a store that is gone: URLs and keys stay inside."""
    caplog.set_level(logging.DEBUG)
    provider = FakeProvider()
    redis_url = Secret(f"redis://:{PROVIDER_KEY}@127.0.0.1:{free_port()}/0")
    async with running(provider, redis_url=redis_url) as service:
        await service.mint()
        everything = shown(service.seen, caplog.records)
        assert "store_unavailable" in everything
        assert PROVIDER_KEY not in everything
    async with running(provider, timeouts=Timeouts(mint_seconds=0.2)) as service:
        provider.mint.holds()
        await service.mint()
        everything = shown(service.seen, caplog.records)
        assert "upstream_timeout" in everything
        assert PROVIDER_KEY not in everything
