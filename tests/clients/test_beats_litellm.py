"""Faults of LiteLLM's proxy on the two calls (1.109.1, as run), each with its opposite here.

In the order they were found, and where the opposite is shown:

- `Location` is dropped, and CORS does not expose it: test_agents_sdk, web/test_calls;
- an alias passes through and returns the raw secret: here;
- only a 200 is wrapped, an answer without a secret is a token for ever: web/test_mint;
- any ciphertext under the master key is taken for a token: here;
- one caller's 401 or 404 cools a model down for everyone: here;
- redirects are followed, api-key and all: here;
- the offer is sent three times, overload comes late, time-outs are 408 after minutes: here and
  web/test_calls;
- bodies of any size and kind are relayed: here and web/test_calls;
- wrong types are a 500, errors are re-escaped text: web/test_mint, upstreams/test_faults;
- a traceback in the log for every bad token: here;
- tokens replay until they expire: web/test_calls;
- no request ids: here.
"""

import asyncio
import base64
import dataclasses
import json
import logging

import pytest

from signaller.logs import JsonFormatter
from signaller.settings import Timeouts
from signaller.tokens.jwe import ContentKey, derive, encrypt
from tests.support.provider import FakeProvider
from tests.support.service import MASTER_KEY, MODEL, OFFER, deployment, error, running
from tests.support.serving import serving
from tests.support.timing import own_time

KEY = {"authorization": f"Bearer {MASTER_KEY}"}


@pytest.mark.parametrize("prefix", ["/v1", "", "/openai/v1", "/openai", "/azure/openai/v1"])
async def test_no_alias_leads_past_the_seal(prefix: str) -> None:
    """Each path mints a sealed token for a model one may use, or does not exist."""
    async with running() as service:
        path = f"{prefix}/realtime/client_secrets"
        named = await service.client.post(path, json={"model": MODEL}, headers=KEY)
        other = await service.client.post(path, json={"model": "gpt-other"}, headers=KEY)
        assert (named.status_code, other.status_code) in {(200, 404), (404, 404)}
        assert not any(secret in named.text + other.text for secret in service.provider.secrets)
        chat = await service.client.post(f"{prefix}/chat/completions", json={}, headers=KEY)
        assert (chat.status_code, error(chat)["code"]) == (404, "route_not_found")
        minted = [request.json() for request in service.provider.requests]
        assert len(minted) == (named.status_code == 200)


@pytest.mark.parametrize("purpose", ["the grants", "token signature", "master", "unsigned"])
async def test_keys_are_separated_by_purpose(purpose: str) -> None:
    """What another key of the same master sealed, or what we sealed unsigned, is no token."""
    async with running() as service:
        good = (await service.token()).removeprefix("ek_")
        (ring,) = service.settings.token_keys
        kid, raw = json.loads(_decoded(good.partition(".")[0]))["kid"], _decoded(ring.reveal())
        key = {
            "the grants": ContentKey(derive(raw, "the grants"), kid),
            "token signature": ContentKey(derive(raw, "token signature"), kid),
            "master": ContentKey(raw, kid),
            "unsigned": ContentKey(derive(raw, "token encryption"), kid),
        }[purpose]
        secret = next(iter(service.provider.secrets))
        forged = "ek_" + encrypt(secret.encode(), key)
        assert forged.partition(".")[0] == f"ek_{good.partition('.')[0]}"
        refused = await service.call(forged)
        assert (refused.status_code, error(refused)["code"]) == (401, "token_rejected")
        assert service.provider.call.requests == []


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
@pytest.mark.parametrize("step", ["mint", "call"])
async def test_one_callers_fault_is_nobody_elses(step: str, status: int) -> None:
    """The deployment that refused one request is asked again at once, beside another one."""
    refusing, other = FakeProvider(), FakeProvider()
    async with serving(refusing.app) as one, serving(other.app) as two:
        both = (deployment(one, id="one"), deployment(two, id="two"))
        async with running(deployments=both) as service:
            programmed = refusing.mint if step == "mint" else refusing.call
            programmed.answers(status, {"error": {"message": "No."}}, times=1)
            while not programmed.requests:
                response = await service.mint()
                if step == "call":
                    response = await service.call(response.json()["value"])
            # A key refused at the mint is ours to mend: there the other one answers at once.
            assert response.is_error != (step == "mint" and status in (401, 403))
            before = len(refusing.mint.requests)
            for _ in range(30):  # by chance alone it is left out once in 2^30 runs
                assert (await service.call(await service.token())).status_code == 201
            assert len(refusing.mint.requests) > before


@pytest.mark.parametrize("azure", [False, True], ids=["openai", "azure"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_carries_a_credential_away(azure: bool, status: int) -> None:
    """A 502 at mint, call and hangup; the place pointed to hears nothing."""
    elsewhere = FakeProvider()
    async with serving(elsewhere.app) as url, running(azure=azure) as service:
        started = await service.call(await service.token())
        location, token = started.headers["location"], await service.token()
        for step in (service.provider.mint, service.provider.call, service.provider.hangup):
            step.answers(status, headers={"location": f"{url}/v1/realtime/client_secrets"})
        assert (await service.mint()).status_code == 502
        assert (await service.call(token)).status_code == 502
        hangup = await service.client.post(f"{location}/hangup", headers=KEY)
        assert hangup.status_code == 502
    assert elsewhere.requests == []


@pytest.mark.parametrize("status", [429, 500, 502, 503, 529])
async def test_an_overload_is_told_once_and_at_once(status: int) -> None:
    """The provider's status and Retry-After within a second; the offer was sent once."""
    async with running() as service:
        token = await service.token()
        service.provider.call.answers(status, {}, headers={"retry-after": "7"})
        began = own_time()
        response = await service.call(token)
        assert own_time() - began < 1
        assert (response.status_code, response.headers["retry-after"]) == (status, "7")
        assert len(service.provider.call.requests) == 1


def test_every_step_is_bounded() -> None:
    """No default lets a caller wait longer than twenty seconds."""
    assert 0 < max(dataclasses.astuple(Timeouts())) <= 20


@pytest.mark.parametrize("length", ["content-length: 20000000", "transfer-encoding: chunked"])
@pytest.mark.parametrize(
    ("path", "content_type"),
    [("client_secrets", "application/json"), ("calls", "application/sdp")],
)
async def test_a_body_is_refused_while_it_is_read(
    path: str, content_type: str, length: str
) -> None:
    """413 long before 20 MB are through: the rest has not even been sent."""
    async with running() as service:
        credential = MASTER_KEY if path == "client_secrets" else await service.token()
        reader, writer = await asyncio.open_connection("127.0.0.1", service.client.base_url.port)
        head = (
            f"POST /v1/realtime/{path} HTTP/1.1\r\nhost: localhost\r\n"
            f"authorization: Bearer {credential}\r\n"
            f"content-type: {content_type}\r\n{length}\r\n\r\n"
        )
        chunk = OFFER + bytes(64 * 1024)
        if "chunked" in length:
            chunk = b"%x\r\n%s\r\n" % (len(chunk), chunk)
        writer.write(head.encode() + chunk * 5)
        async with asyncio.timeout(10):
            assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
        writer.close()
        await writer.wait_closed()
        assert service.provider.call.requests == []


@pytest.mark.parametrize("token", ["garbage", "ek_garbage", "ek_a.b.c.d.e", "truncated"])
async def test_a_bad_token_leaves_no_traceback(
    token: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Anybody can send one: one line in the log, and never the token itself."""
    async with running() as service:
        bad = (await service.token())[:-8] if token == "truncated" else token
        caplog.clear()
        with caplog.at_level(logging.INFO):
            assert (await service.call(bad)).status_code == 401
        ours = [record for record in caplog.records if record.name.startswith("signaller")]
        assert [record.getMessage() for record in ours] == ["call"]
        lines = [JsonFormatter().format(record) for record in caplog.records]
        assert not any("traceback" in line.lower() or bad in line for line in lines)


async def test_every_response_can_be_traced(caplog: pytest.LogCaptureFixture) -> None:
    """An id of its own on each, and the mint's and the call's in their log lines and upstream."""
    async with running() as service:
        with caplog.at_level(logging.INFO, "signaller"):
            mint = await service.mint()
            call = await service.call(mint.json()["value"])
            refused = await service.call("ek_garbage")
            missing = await service.client.get("/nowhere")
        traced = [response.headers["x-request-id"] for response in (mint, call, refused, missing)]
        assert len(set(traced)) == 4
        logged = [getattr(record, "fields", {})["request_id"] for record in caplog.records]
        assert logged == traced[:3]
