"""POST /v1/realtime/calls, and what a token is worth."""

import asyncio
import contextlib
import json
from typing import Any

import aiohttp
import httpx
import pytest

from signaller.secret import Secret
from signaller.server.http1 import MAX_HEAD_BYTES
from signaller.settings import Timeouts
from signaller.tokens.tokens import Tokens
from tests.support.provider import ANSWER
from tests.support.redis import free_port, redis_server
from tests.support.service import (
    MODEL,
    OFFER,
    PROVIDER_KEY,
    UPSTREAM_MODEL,
    Service,
    bearer,
    error,
    running,
    token_key,
)

PATHS = [f"{prefix}/realtime/calls" for prefix in ("/v1", "", "/openai/v1")]


@pytest.mark.parametrize("path", PATHS)
async def test_an_offer_is_relayed_byte_for_byte(path: str) -> None:
    """201, the provider's bytes, our Location, and the headers clients read."""
    async with running() as service:
        response = await service.call(await service.token(), path=path)
        assert (response.status_code, response.content) == (201, ANSWER)
        assert response.headers["content-type"] == "application/sdp"
        assert response.headers["content-length"] == str(len(ANSWER))
        assert response.headers["location"].startswith("/v1/realtime/calls/rtc_")
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-request-id"].startswith("req_")
        assert response.headers["server-timing"].startswith("gateway;dur=")
        assert "provider;dur=" in response.headers["server-timing"]
        (sent,) = service.provider.call.requests
        assert sent.body == OFFER
        assert sent.headers["content-type"] == "application/sdp"
        provider_call_id = next(iter(service.provider.live_calls))
        assert provider_call_id not in response.headers["location"]


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "bearer {}"},
        {"authorization": "BEARER {}"},
        {"content_type": "application/sdp; charset=utf-8"},
        {"content_type": "Application/SDP"},
    ],
)
async def test_spellings_that_real_clients_use(headers: dict[str, str]) -> None:
    """The scheme and the media type in any case, with parameters; `?model=` is tolerated."""
    async with running() as service:
        token = await service.token()
        given = {name: value.format(token) for name, value in headers.items()}
        response = await service.call(token, OFFER, path="/v1/realtime/calls?model=gpt-x", **given)
        assert response.status_code == 201


@pytest.mark.parametrize("redis", [False, True], ids=["memory", "redis"])
async def test_of_64_concurrent_redemptions_one_wins(redis: bool, redis_url: str) -> None:
    """20 times over: one 201, and the provider hears of one call.

    tests/stores/test_contract.py has 200 such races at the store, which decides them.
    """
    async with running(redis_url=Secret(redis_url) if redis else None) as service:
        # aiohttp's client: httpx's would take most of the test's time for itself.
        connections = aiohttp.TCPConnector(limit=64)
        async with aiohttp.ClientSession(service.url, connector=connections) as client:

            async def once(token: str) -> int:
                headers = {"authorization": f"Bearer {token}", "content-type": "application/sdp"}
                path = "/v1/realtime/calls"
                async with client.post(path, data=OFFER, headers=headers) as response:
                    await response.read()
                    return response.status

            for _ in range(20):
                token = await service.token()
                statuses = await asyncio.gather(*(once(token) for _ in range(64)))
                assert sorted(statuses) == [201] + [401] * 63
        assert len(service.provider.call.requests) == 20


async def test_a_second_use_is_refused() -> None:
    """401 that says a fresh token is needed, and no word to the provider."""
    async with running() as service:
        token = await service.token()
        await service.call(token)
        assert_rejected(await service.call(token))
        assert len(service.provider.call.requests) == 1


FOREIGN_RING = (token_key(),)


@pytest.mark.parametrize(
    "name",
    [
        "tampered",
        "truncated",
        "extended",
        "another key",
        "provider key",
        "raw ephemeral secret",
        "nothing",
        "zip",
        "crit",
        "alg",
    ],
)
async def test_every_bad_token_is_the_same_401(name: str) -> None:
    """One answer for every reason, no upstream traffic, and a good token still works after."""
    async with running() as service:
        good = await service.token()
        assert_rejected(await service.call(bad_token(name, good, service)))
        assert service.provider.call.requests == []
        assert (await service.call(good)).status_code == 201


def bad_token(name: str, good: str, service: Service) -> str:  # noqa: PLR0911 - a table of cases
    """A token with one thing wrong."""
    prefix, _, rest = good.partition(".")
    match name:
        case "tampered":
            return f"{good[:-5]}{'A' if good[-5] != 'A' else 'B'}{good[-4:]}"
        case "truncated":
            return good[:-1]
        case "extended":
            return good + "A"
        case "another key":
            claims = Tokens(service.settings.token_keys, lambda: 0).read(Secret(good))
            return Tokens(FOREIGN_RING, lambda: 0).mint(claims).reveal()
        case "provider key":
            return PROVIDER_KEY
        case "raw ephemeral secret":
            return next(iter(service.provider.secrets))
        case "nothing":
            return "ek_"
    header = decoded(prefix.removeprefix("ek_"))
    changes: dict[str, dict[str, Any]] = {
        "zip": {"zip": "DEF"},
        "crit": {"crit": ["exp"], "exp": 0},
        "alg": {"alg": "A256KW"},
    }
    return f"ek_{encoded(header | changes[name])}.{rest}"


def decoded(segment: str) -> dict[str, Any]:
    """A JWE header."""
    import base64

    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(segment + "=="))
    return found


def encoded(header: dict[str, Any]) -> str:
    """A JWE header's segment."""
    import base64

    raw = json.dumps(header, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def assert_rejected(response: Any) -> None:
    """The one 401."""
    assert response.status_code == 401
    found = error(response)
    assert found["code"] == "token_rejected"
    assert "fresh" in found["message"]
    assert response.headers["www-authenticate"] == "Bearer"


MULTIPART = "multipart/form-data; boundary=xyz"


def multipart(**parts: bytes) -> bytes:
    """A form as OpenAI's SDKs send it."""
    body = b"".join(
        b'--xyz\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), part)
        for name, part in parts.items()
    )
    return body + b"--xyz--\r\n"


def with_session(session: dict[str, Any]) -> bytes:
    """A form with a good offer and some session."""
    return multipart(sdp=OFFER, session=json.dumps(session).encode())


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"", "application/sdp", 400, "invalid_offer"),
        (b"hello", "application/sdp", 400, "invalid_offer"),
        (OFFER + b"\xff", "application/sdp", 400, "invalid_offer"),
        (OFFER.replace(b"m=audio", b"m=video"), "application/sdp", 400, "invalid_offer"),
        (OFFER + b"a=x\r\n" * 20_000, "application/sdp", 413, "body_too_large"),
        (OFFER, "text/plain", 415, "unsupported_media_type"),
        (OFFER, "", 415, "unsupported_media_type"),
        (OFFER, "application/json", 415, "unsupported_media_type"),
        (OFFER, "multipart/form-data", 400, "invalid_request"),
        (OFFER, MULTIPART, 400, "invalid_request"),
        (b"", MULTIPART, 400, "invalid_request"),
        (multipart(session=b"{}"), MULTIPART, 400, "invalid_offer"),
        (multipart(sdp=b"hello"), MULTIPART, 400, "invalid_offer"),
        (multipart(sdp=OFFER + b"\xff"), MULTIPART, 400, "invalid_offer"),
        (
            multipart(sdp=OFFER, two=OFFER).replace(b"two", b"sdp"),
            MULTIPART,
            400,
            "invalid_request",
        ),
        (multipart(sdp=OFFER)[:-30], MULTIPART, 400, "invalid_request"),
        (multipart(sdp=OFFER, session=b"{"), MULTIPART, 400, "invalid_json"),
        (multipart(sdp=OFFER, session=b'{"model": "other"}'), MULTIPART, 400, "invalid_request"),
        (
            multipart(sdp=OFFER).replace(
                b"\r\n\r\nv=0", b"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nv=0"
            ),
            MULTIPART,
            400,
            "invalid_request",
        ),
        (with_session({"model": 7}), MULTIPART, 400, "invalid_request"),
        (with_session({"type": "bogus"}), MULTIPART, 400, "invalid_request"),
        (with_session({"type": "transcription"}), MULTIPART, 400, "invalid_request"),
        (with_session({"audio": 7}), MULTIPART, 400, "invalid_request"),
        (with_session({"x": "y" * 300_000}), MULTIPART, 413, "body_too_large"),
        (multipart(sdp=OFFER + b"a=x\r\n" * 80_000), MULTIPART, 413, "body_too_large"),
    ],
)
async def test_a_refused_body_leaves_the_token_unspent(
    body: bytes, content_type: str, status: int, code: str
) -> None:
    """One clear error, nothing upstream, and the same token works with a good offer."""
    async with running() as service:
        token = await service.token()
        response = await service.call(token, body, content_type=content_type)
        assert (response.status_code, error(response)["code"]) == (status, code), response.text
        assert service.provider.call.requests == []
        assert (await service.call(token)).status_code == 201


@pytest.mark.parametrize("model", [None, MODEL])
async def test_a_multipart_offer_keeps_its_bytes(model: str | None) -> None:
    """The part's bytes go upstream, the session too, in the unified flow with the standard key."""
    session = {"type": "realtime", "instructions": "Be brief."} | (
        {"model": model} if model else {}
    )
    async with running() as service:
        service.provider.call.answers(201, ANSWER, headers={"location": "/v1/realtime/calls/rtc_1"})
        body = multipart(sdp=OFFER, session=json.dumps(session).encode())
        response = await service.call(await service.token(), body, content_type=MULTIPART)
        assert (response.status_code, response.content) == (201, ANSWER)
        (sent,) = service.provider.call.requests
        assert sent.headers["content-type"].startswith("multipart/form-data; boundary=")
        assert sent.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
        assert OFFER in sent.body
        assert json.dumps(session | {"model": UPSTREAM_MODEL}).encode() in sent.body


async def test_azure_takes_no_session_with_the_offer() -> None:
    """400 that says where it goes instead; nothing is sent, and the token is still good."""
    async with running(azure=True) as service:
        token = await service.token()
        body = multipart(sdp=OFFER, session=b'{"instructions": "x"}')
        response = await service.call(token, body, content_type=MULTIPART)
        assert (response.status_code, error(response)["param"]) == (400, "session")
        assert service.provider.call.requests == []
        assert (await service.call(token)).status_code == 201


async def test_a_multipart_offer_without_session_is_sent_raw() -> None:
    """As the ephemeral flow wants it."""
    async with running() as service:
        body = multipart(sdp=OFFER)
        response = await service.call(await service.token(), body, content_type=MULTIPART)
        assert response.status_code == 201
        assert service.provider.call.requests[0].body == OFFER


@pytest.mark.parametrize("status", [408, 502, 504])
async def test_a_gateways_answer_in_the_providers_place_spends_the_token(status: int) -> None:
    """Something in between gave up waiting: whether a call began is not known."""
    async with running() as service:
        token = await service.token()
        service.provider.call.answers(status, {}, times=1)
        response = await service.call(token)
        assert response.status_code == status
        assert response.headers["x-should-retry"] == "false"
        assert_rejected(await service.call(token))


@pytest.mark.parametrize("status", [400, 429, 500, 503])
async def test_an_error_answer_gives_the_token_back(status: int) -> None:
    """No call began, so the same token may try again; the calls POST itself is never repeated."""
    async with running() as service:
        token = await service.token()
        service.provider.call.answers(status, {}, headers={"retry-after": "3"}, times=1)
        response = await service.call(token)
        assert response.status_code == status
        assert len(service.provider.call.requests) == 1
        if status != 400:
            assert response.headers["retry-after"] == "3"
        assert (await service.call(token)).status_code == 201


async def test_a_secret_the_provider_refuses_is_worth_nothing() -> None:
    """502 that asks for a fresh token, and blames nobody's key; the token is not given back."""
    async with running() as service:
        token = await service.token()
        service.provider.call.answers(401, {}, times=1)
        response = await service.call(token)
        assert (response.status_code, error(response)["code"]) == (502, "upstream_secret_refused")
        assert_rejected(await service.call(token))


async def call_while_redis_dies(service: Service, redis: contextlib.ExitStack) -> httpx.Response:
    """Redis ends between the redemption and the provider's answer."""
    token = await service.token()
    service.provider.call.holds()
    calling = asyncio.create_task(service.call(token))
    await service.provider.call.arrived()
    redis.close()
    service.provider.call.release()
    return await calling


async def test_a_call_that_cannot_be_remembered_is_hung_up() -> None:
    """Redis dies between offer and answer: 503, no retry, and no call that nobody could end."""
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(redis_server())
        async with running(
            redis_url=Secret(f"redis://127.0.0.1:{port}/0"), timeouts=Timeouts(store_seconds=1)
        ) as service:
            response = await call_while_redis_dies(service, stack)
            assert (response.status_code, error(response)["code"]) == (503, "store_unavailable")
            assert response.headers["x-should-retry"] == "false"
            assert "retry-after" not in response.headers
            assert len(service.provider.hangup.requests) == 1
            assert service.provider.live_calls == set()


async def test_a_token_that_cannot_be_given_back_hides_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Redis dies before the provider refuses: the client still hears what the provider said."""
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(redis_server())
        async with running(
            redis_url=Secret(f"redis://127.0.0.1:{port}/0"), timeouts=Timeouts(store_seconds=1)
        ) as service:
            service.provider.call.answers(429, {}, headers={"retry-after": "3"})
            response = await call_while_redis_dies(service, stack)
            assert (response.status_code, response.headers["retry-after"]) == (429, "3")
            assert "token not given back" in caplog.text


async def test_a_call_without_a_location_cannot_be_hung_up_and_says_so() -> None:
    """It starts; ending it is a 502 that tells what to do instead."""
    async with running() as service:
        token = await service.token()
        service.provider.call.answers(201, ANSWER)
        location = (await service.call(token)).headers["location"]
        headers = {"authorization": f"Bearer {token}"}
        response = await service.client.delete(location, headers=headers)
        assert (response.status_code, error(response)["code"]) == (502, "hangup_unconfirmed")
        assert "given it no id" in error(response)["message"]
        assert "peer connection" in error(response)["message"]


async def test_a_timeout_leaves_the_token_spent() -> None:
    """504, x-should-retry: false: whether a call began is not known."""
    async with running(timeouts=Timeouts(call_seconds=0.3)) as service:
        token = await service.token()
        service.provider.call.holds()
        response = await service.call(token)
        assert (response.status_code, error(response)["code"]) == (504, "upstream_timeout")
        assert response.headers["x-should-retry"] == "false"
        service.provider.call.release()
        assert_rejected(await service.call(token))


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"sdp": "v=0"}'])
async def test_a_2xx_without_an_answer_is_a_502(body: bytes) -> None:
    """What is not SDP is not passed on as such."""
    async with running() as service:
        token = await service.token()
        service.provider.call.answers(201, body)
        response = await service.call(token)
        assert (response.status_code, error(response)["code"]) == (
            502,
            "upstream_invalid_response",
        )


async def test_redis_gone_redeems_nothing() -> None:
    """503 with Retry-After; the provider hears nothing."""
    ring = (token_key(),)
    url = Secret(f"redis://127.0.0.1:{free_port()}/0")
    async with running(token_keys=ring) as minting, running(token_keys=ring, redis_url=url) as here:
        response = await here.call(await minting.token())
        assert (response.status_code, error(response)["code"]) == (503, "store_unavailable")
        assert "retry-after" in response.headers
        assert here.provider.requests == []


async def test_replicas_share_grants_and_calls(redis_url: str) -> None:
    """Minted at one, redeemed at another, hung up at a third."""
    from tests.support.provider import FakeProvider
    from tests.support.service import deployment
    from tests.support.serving import serving

    provider = FakeProvider()
    async with serving(provider.app) as provider_url:
        shared: dict[str, Any] = {
            "token_keys": (token_key(),),
            "redis_url": Secret(redis_url),
            "deployments": (deployment(provider_url),),
        }
        async with running(**shared) as a, running(**shared) as b, running(**shared) as c:
            token = await a.token()
            location = (await b.call(token)).headers["location"]
            assert len(provider.live_calls) == 1
            headers = {"authorization": f"Bearer {token}"}
            assert (await c.client.delete(location, headers=headers)).status_code == 200
            assert provider.live_calls == set()


BEHIND = {
    "nothing": b"",
    "a-line-end": b"\r\n",
    "a-byte": b"G",
    "a-request": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "more-than-a-head": b"G" * (2 * MAX_HEAD_BYTES),
}


@pytest.mark.parametrize("behind", BEHIND.values(), ids=BEHIND)
@pytest.mark.parametrize("later", [False, True], ids=["at-once", "later"])
async def test_a_client_that_goes_away_leaves_no_call_behind(behind: bytes, later: bool) -> None:
    """The upstream request is finished, then the call is hung up, whatever came behind it."""
    async with running() as service:
        token = await service.token()
        service.provider.call.holds()
        host, port = service.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = (
            f"POST /v1/realtime/calls HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/sdp\r\nContent-Length: {len(OFFER)}\r\n\r\n"
        )
        writer.write(head.encode() + OFFER + (b"" if later else behind))
        await service.provider.call.arrived()
        if later:
            writer.write(behind)
        writer.close()
        with contextlib.suppress(ConnectionError):  # too much was pending
            await writer.wait_closed()
        service.provider.call.release()
        hangup = await service.provider.hangup.arrived()
        assert hangup.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
        assert len(service.provider.call.requests) == 1


async def write_on(writer: asyncio.StreamWriter) -> None:
    """For as long as anybody listens."""
    while True:
        writer.write(b"G" * MAX_HEAD_BYTES)
        await writer.drain()


async def test_what_comes_behind_a_call_is_bounded() -> None:
    """A client that goes on writing is cut off, and its call is hung up."""
    async with running() as service:
        service.provider.call.holds()
        host, port = service.url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        head = (
            f"POST /v1/realtime/calls HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {await service.token()}\r\n"
            f"Content-Type: application/sdp\r\nContent-Length: {len(OFFER)}\r\n\r\n"
        )
        writer.write(head.encode() + OFFER)
        await service.provider.call.arrived()
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(write_on(writer), 10)
        writer.close()
        service.provider.call.release()
        await service.provider.hangup.arrived()


@pytest.mark.parametrize("encoding", ["7bit", "8bit", "binary", "BINARY"])
async def test_a_part_may_say_that_it_is_not_encoded(encoding: str) -> None:
    """RFC 7578, 4.7: deprecated, and harmless."""
    header = f"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\nv=0".encode()
    async with running() as service:
        body = multipart(sdp=OFFER).replace(b"\r\n\r\nv=0", header)
        answer = await service.call(await service.token(), body, content_type=MULTIPART)
        assert answer.status_code == 201, answer.text


async def test_a_part_that_stands_twice_is_refused_without_its_name() -> None:
    """A name may be anything, and half of a long one could not be masked."""
    name = "0123456789abcdef" * 4
    async with running() as service:
        parts = [("sdp", (None, OFFER)), (name, (None, b"x")), (name, (None, b"x"))]
        headers = bearer(await service.token())
        refused = await service.client.post("/v1/realtime/calls", files=parts, headers=headers)
        assert refused.status_code == 400
        assert "stands twice" in error(refused)["message"]
        assert error(refused)["param"] is None
        assert name[:16] not in refused.text
