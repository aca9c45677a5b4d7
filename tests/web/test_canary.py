"""Recognisable secrets, every route, every error: none of them comes out anywhere."""

import base64
import hashlib
import json
import logging
import secrets
import time
from collections.abc import Iterable
from ipaddress import IPv4Network

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from signaller.logs import ConsoleFormatter, JsonFormatter
from signaller.secret import Secret
from signaller.settings import Gateway, HeaderSettings, JwtSettings, MetricsSettings, Timeouts
from tests.support.provider import ANSWER, FakeProvider
from tests.support.redis import free_port
from tests.support.service import (
    MASTER_KEY,
    MODEL,
    OFFER,
    PROVIDER_KEY,
    Service,
    bearer,
    deployment,
    named,
    running,
)
from tests.support.serving import serving

EPHEMERAL = "ek_canary_ephemeral_0123456789abcdef"
CALLER_KEY, METRICS_KEY = "sk-sgn-canary-caller-0123456789", "c0ffee" * 8
APP_KEY, NARROW_KEY = "sk-sgn-canary-app-0123456789", "sk-sgn-canary-narrow-0123456789"
END_USER = "canary-end-user@example.com"
ISSUER = ec.generate_private_key(ec.SECP256R1())
GATEWAY = Gateway(
    jwt=JwtSettings(
        issuer="https://id.example",
        audience="voice",
        algorithms=("ES256",),
        public_key=ISSUER.public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode(),
    )
)
GATEWAY_HEADER = HeaderSettings(
    name="x-consumer-id", networks=(IPv4Network("127.0.0.1/32"),), trust_unix=False
)
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


def gateway_jwt(**claims: object) -> str:
    """A JWT of the gateway's for one end user."""
    payload = {
        "iss": "https://id.example",
        "aud": "voice",
        "sub": "ada",
        "exp": int(time.time()) + 60,
        **claims,
    }
    return jwt.encode(payload, ISSUER, algorithm="ES256")


async def every_caller(service: Service, jwts: list[str]) -> None:
    """Every proof, good and bad, in every place; and what a caller may do with a token."""
    proofs = [CALLER_KEY, METRICS_KEY, *jwts]
    named_user = {"model": MODEL, "safety_identifier": END_USER}
    for proof in proofs:
        minted = await service.mint(named_user, headers=bearer(proof))
        token = minted.json().get("value", EPHEMERAL)
        await service.mint({"model": "none"}, headers=bearer(proof))
        await service.mint(headers=bearer(proof) | {"x-request-id": proof, "origin": proof})
        await service.mint(headers={"api-key": proof, "traceparent": proof, "tracestate": proof})
        await service.call(proof, origin=proof)
        for step in ("introspect", "revoke"):
            for given in (token, proof, MASTER_KEY):
                path = f"/v1/realtime/client_secrets/{step}"
                await service.client.post(path, data={"token": given}, headers=bearer(proof))
        await service.client.get("/metrics", headers=bearer(proof))
    await service.client.get("/metrics", headers=bearer(MASTER_KEY))


def forms(key: str) -> list[str]:
    """A hexadecimal key as it may come back: nothing in it says that it is one."""
    encoded = base64.b64encode(key.encode()).decode()
    return [key, key.upper(), "".join(f"%{byte:02X}" for byte in key.encode()), encoded]


async def every_model(service: Service, model: str, token: str) -> None:
    """What may stand for a model, in a mint, beside an offer, and in a query."""
    nested = {"audio": {"input": {"transcription": {"model": model}}}}
    for body in (
        {"model": model},
        {"session": {"type": "realtime", "model": model}},
        {"session": {"type": "transcription", **nested}},
        {"model": MODEL, "session": {"type": "realtime", **nested}},
        {"model": MODEL, "session": {"type": model}},
        {"model": MODEL, "expires_after": {"anchor": model}},
    ):
        for proof in (APP_KEY, NARROW_KEY):
            await service.mint(body, headers=bearer(proof))
    beside = json.dumps({"type": "realtime", "model": model, **nested})
    for name in ("session", model):
        parts = [("sdp", OFFER.decode()), (name, beside), (name, beside)]
        files = [(part, (None, text)) for part, text in parts]
        path = f"/v1/realtime/calls?model={model}&{model}={model}"
        await service.client.post(path, files=files[:2], headers=bearer(token))
        await service.client.post(path, files=files, headers=bearer(token))


async def every_header(service: Service, form: str, token: str) -> None:
    """What gateways and browsers say in headers, and paths."""
    hexadecimal = (form + "b" * 32)[:32]
    for headers in (
        {"x-request-id": form},
        {"x-request-id": f"req.{form}", "origin": f"https://{form}"},
        {"origin": form, "cookie": "a=b"},
        {"host": form},
        {"traceparent": f"00-{hexadecimal}-{'b' * 16}-01", "tracestate": f"a={form}"},
        {"traceparent": f"00-{'b' * 32}-{'b' * 16}-01", "tracestate": f"a={form}"},
    ):
        await service.mint(headers=bearer(APP_KEY) | headers)
        await service.client.get("/v1/models", headers=headers)
        await service.client.get(f"/{form}/x?{form}={form}", headers=headers)
        await service.client.delete(f"/v1/realtime/calls/{form}", headers=bearer(token) | headers)
        preflight = headers | {"access-control-request-method": "POST", "origin": "https://a"}
        preflight |= {"access-control-request-headers": f"authorization,{form}"}
        await service.client.options("/v1/realtime/calls", headers=preflight)
        await service.call(token, OFFER, **headers)
    minted = await service.mint(headers={"x-consumer-id": form})
    given = {"token": minted.json().get("value", "ek_x")}
    await service.call(given["token"])
    path = "/v1/realtime/client_secrets/introspect"
    await service.client.post(path, json=given, headers={"x-consumer-id": form})


async def every_answer(service: Service, form: str) -> None:
    """What a provider may quote: in an error, as its request's id, and as a call's."""
    for step in (service.provider.mint, service.provider.call, service.provider.hangup):
        for status in (400, 401, 429, 500):
            for message in (f"no {form}", f"key={form}&a=b", "word " * 399 + form):
                quoted = {"error": {"message": message, "code": form, "param": f"a.{form}"}}
                step.answers(status, quoted, headers={"x-request-id": form})
                minted = await service.mint(headers=bearer(APP_KEY))
                called = await service.call(minted.json().get("value", "ek_x"))
                if "location" in called.headers:
                    location = called.headers["location"]
                    await service.client.delete(location, headers=bearer(APP_KEY))
        step.behaves()
    minted = await service.mint(headers=bearer(APP_KEY))
    answered = {"location": f"/v1/realtime/calls/{form}"}
    service.provider.call.answers(201, ANSWER, headers=answered)
    await service.call(minted.json()["value"])
    service.provider.call.behaves()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """All that the service says; not its test's own client, which says most by far."""
    for name in ("httpx", "httpcore", "asyncio", "hpack"):
        caplog.set_level(logging.CRITICAL + 1, logger=name)
    caplog.set_level(logging.DEBUG)  # the last level is the handler's as well
    return caplog


def shown(responses: Iterable[httpx.Response], records: Iterable[logging.LogRecord]) -> str:
    """Everything that left the service: statuses, headers, bodies, log lines in both forms."""
    parts = [f"{r.status_code} {r.headers} {r.text}" for r in responses]
    for record in records:
        parts += [JsonFormatter().format(record), ConsoleFormatter().format(record)]
    return "\n".join(parts)


@pytest.mark.parametrize("azure", [False, True], ids=["openai", "azure"])
async def test_no_secret_comes_out_anywhere(azure: bool, log: pytest.LogCaptureFixture) -> None:
    """No body, header or log line holds the provider's key, its secrets or the master key."""
    async with running(azure=azure) as service:
        # The provider's secrets are canaries too, where it mints as it should.
        await every_mint(service)
        await every_call(service)
        everything = shown(service.seen, log.records)
        canaries = [PROVIDER_KEY, MASTER_KEY, EPHEMERAL, *service.provider.secrets]
        assert len(service.seen) > 80
        assert "upstream_auth_failed" in everything
        assert [secret for secret in canaries if secret in everything] == []


async def test_no_callers_proof_comes_out_anywhere(log: pytest.LogCaptureFixture) -> None:
    """No key, digest, JWT or name of an end user, in metrics neither."""
    jwts = [gateway_jwt(), gateway_jwt(aud="x"), gateway_jwt(exp=1), gateway_jwt() + "x"]
    digest = hashlib.sha256(CALLER_KEY.encode()).hexdigest()
    async with running(
        callers=(named("web", CALLER_KEY, mints_per_minute=1, safety_identifier=True),),
        gateway=GATEWAY,
        metrics=MetricsSettings(key=Secret(METRICS_KEY)),
    ) as service:
        await every_caller(service, jwts)
        everything = shown(service.seen, log.records)
        canaries = [CALLER_KEY, METRICS_KEY, MASTER_KEY, END_USER, digest, *jwts]
        assert "rate_limit_exceeded" in everything
        assert "signaller_mints_total" in everything
        assert [secret for secret in canaries if secret in everything] == []
        sent = b"".join(request.body for request in service.provider.requests)
        assert service.provider.requests
        assert END_USER.encode() not in sent


@pytest.mark.parametrize("whose", ["master", "caller", "provider", "metrics"])
async def test_a_key_in_the_wrong_place_is_recognised(
    whose: str, log: pytest.LogCaptureFixture
) -> None:
    """Whosever it is: by comparing with what the service holds, for it looks like nothing."""
    key = secrets.token_hex(24)
    keys = {name: secrets.token_hex(24) for name in ("master", "caller", "provider", "metrics")}
    keys[whose] = key
    provider = FakeProvider()
    async with serving(provider.app) as url:
        made = [
            deployment(url, api_key=Secret(keys["provider"]), id=name, model_name=name)
            for name in (MODEL, "voice/*")
        ]
        async with running(
            provider,
            deployments=made,
            master_key=Secret(keys["master"]),
            metrics=MetricsSettings(key=Secret(keys["metrics"])),
            callers=(
                named("web", keys["caller"]),
                named("app", APP_KEY),
                named("narrow", NARROW_KEY, models=(("none",),)),
            ),
            gateway=Gateway(header=GATEWAY_HEADER),
            cors_origins=("*",),
        ) as service:
            token = (await service.mint(headers=bearer(APP_KEY))).json()["value"]
            for form in forms(key):
                for model in (form, f"voice/{form}", f"ft:gpt:{form}:x", "a" * 76 + f"/{form}"):
                    await every_model(service, model, token)
                await every_header(service, form, token)
                await every_answer(service, form)
            everything = shown(service.seen, log.records)
    assert [form for form in forms(key) if form.lower() in everything.lower()] == []
    codes = "upstream_refused", "upstream_auth_failed", "replay", "holds a key"
    assert [code for code in codes if code not in everything] == []


async def test_failures_below_http_show_nothing(log: pytest.LogCaptureFixture) -> None:
    """A refused connection, a time-out, a store that is gone: URLs and keys stay inside."""
    provider = FakeProvider()
    redis_url = Secret(f"redis://:{PROVIDER_KEY}@127.0.0.1:{free_port()}/0")
    async with running(provider, redis_url=redis_url) as service:
        await service.mint()
        everything = shown(service.seen, log.records)
        assert "store_unavailable" in everything
        assert PROVIDER_KEY not in everything
    async with running(provider, timeouts=Timeouts(mint_seconds=0.2)) as service:
        provider.mint.holds()
        await service.mint()
        everything = shown(service.seen, log.records)
        assert "upstream_timeout" in everything
        assert PROVIDER_KEY not in everything
