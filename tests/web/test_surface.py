"""What holds on every route: errors, headers, CORS, health, models, the page."""

import asyncio
import contextlib
import json
import time
from urllib.parse import urljoin

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from signaller.app import create_app
from signaller.errors import InvalidJson, InvalidRequest
from signaller.realtime.sessions import parse_mint_request
from signaller.secret import Secret
from signaller.tokens.jwe import MAX_COMPACT_CHARS
from signaller.tokens.tokens import TokenClaims, Tokens
from signaller.web.bodies import parse_json, parse_multipart, read_body
from signaller.web.routes import PREFIXES
from tests.support.provider import FakeProvider
from tests.support.service import (
    MASTER_KEY,
    MODEL,
    Service,
    deployment,
    error,
    running,
    settings,
    token_key,
)
from tests.support.serving import serving

MASTER_FIELD = f"Bearer {MASTER_KEY}".encode()
MASTER = {"authorization": MASTER_FIELD.decode()}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/models/", 404, "route_not_found"),
        ("GET", "/css", 404, "route_not_found"),
        ("GET", "/nope", 404, "route_not_found"),
        ("POST", "/v1/chat/completions", 404, "route_not_found"),
        ("GET", "/v1/realtime/calls/rtc_x/hangup/more", 404, "route_not_found"),
        ("GET", "/../pyproject.toml", 404, "route_not_found"),
        ("GET", "/%2e%2e/pyproject.toml", 404, "route_not_found"),
        ("GET", "/v1/realtime/client_secrets", 405, "method_not_allowed"),
        ("PATCH", "/v1/realtime/calls/rtc_x", 405, "method_not_allowed"),
        ("PUT", "/healthz", 405, "method_not_allowed"),
    ],
)
async def test_what_does_not_exist(method: str, path: str, status: int, code: str) -> None:
    """404 and 405 in the same shape as every error, the latter with Allow."""
    async with running() as service:
        response = await service.client.request(method, path)
        assert (response.status_code, error(response)["code"]) == (status, code)
        assert ("allow" in response.headers) == (status == 405)


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("/realtime/sessions", "POST /v1/realtime/client_secrets"),
        ("/realtime/transcription_sessions", "POST /v1/realtime/client_secrets"),
        ("/realtime?model=gpt-realtime", "POST /v1/realtime/calls"),
    ],
)
async def test_a_route_of_the_beta_names_its_successor(
    prefix: str, path: str, instead: str
) -> None:
    """404 under every prefix, with a sentence that says where it went."""
    async with running() as service:
        response = await service.client.post(prefix + path, content=b"v=0\r\n", headers=MASTER)
        assert (response.status_code, error(response)["code"]) == (404, "route_not_found")
        assert instead in error(response)["message"]


@pytest.mark.parametrize("path", ["liveliness", "liveness", "readiness"])
async def test_litellms_probes_are_answered(path: str) -> None:
    """Whoever takes signaller in its place keeps the probes of the deployment."""
    async with running() as service:
        response = await service.client.get(f"/health/{path}")
        ours = await service.client.get("/readyz" if path == "readiness" else "/healthz")
        assert (response.status_code, response.json()) == (200, ours.json())


async def test_options_tells_which_offers_are_taken() -> None:
    """RFC 9725, 4.2: Accept-Post."""
    async with running() as service:
        response = await service.client.options("/v1/realtime/calls")
        assert response.headers["accept-post"] == "application/sdp"
        assert response.headers["allow"] == "GET, HEAD, OPTIONS, POST"


async def test_a_request_id_is_kept_or_made() -> None:
    """A gateway's own id is echoed; one that could not be an id, or looks like a key, is not."""
    async with running() as service:
        for given, kept in (("abc-1.2_3", True), ("a b", False), ("ek_" + "x" * 40, False)):
            response = await service.client.get("/healthz", headers={"x-request-id": given})
            assert (response.headers["x-request-id"] == given) == kept


async def test_every_response_carries_the_security_headers() -> None:
    """The page, the API and errors alike."""
    async with running() as service:
        for path in ("/", "/healthz", "/nope", "/v1/models"):
            headers = (await service.client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]


async def test_the_page_keeps_to_itself() -> None:
    """No camera, no referrer, no window of another origin that reaches into it."""
    async with running() as service:
        for ask in (service.client.get, service.client.head):
            headers = (await ask("/")).headers
            assert headers["permissions-policy"].startswith("microphone=(self), camera=()")
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cross-origin-opener-policy"] == "same-origin"


ORIGIN = "https://app.example"
ASKED = "authorization,content-type,x-openai-agents-sdk,x-stainless-os,openai-organization"


async def test_a_listed_origin_may_call_from_a_browser() -> None:
    """Preflight and answer, with the headers SDKs send and read."""
    async with running(cors_origins=(ORIGIN,)) as service:
        preflight = await service.client.options(
            "/v1/realtime/calls",
            headers={
                "origin": ORIGIN,
                "access-control-request-method": "POST",
                "access-control-request-headers": ASKED,
            },
        )
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == ORIGIN
        allowed = preflight.headers["access-control-allow-headers"].lower()
        assert set(ASKED.split(",")) <= {name.strip() for name in allowed.split(",")}
        response = await service.client.post("/v1/realtime/calls", headers={"origin": ORIGIN})
        assert response.status_code == 401
        assert response.headers["access-control-allow-origin"] == ORIGIN
        exposed = response.headers["access-control-expose-headers"]
        for name in ("Location", "Retry-After", "Server-Timing", "X-Request-Id", "Link"):
            assert name in exposed
        assert "access-control-allow-credentials" not in response.headers


async def test_a_listed_origin_may_reach_a_private_network() -> None:
    """Chromium asks before a public page speaks to a private address; others are not let in."""
    asks = {
        "access-control-request-method": "POST",
        "access-control-request-private-network": "true",
    }
    async with running(cors_origins=(ORIGIN,)) as service:
        may = await service.client.options("/v1/realtime/calls", headers={"origin": ORIGIN, **asks})
        other = {"origin": "https://other.example", **asks}
        may_not = await service.client.options("/v1/realtime/calls", headers=other)
    assert may.status_code == 200
    assert may.headers["access-control-allow-private-network"] == "true"
    assert may_not.status_code == 400
    assert "access-control-allow-origin" not in may_not.headers


@pytest.mark.parametrize("origins", [(), ("https://other.example",)])
async def test_other_origins_may_not(origins: tuple[str, ...]) -> None:
    """Same-origin is the default."""
    async with running(cors_origins=origins) as service:
        response = await service.client.get("/healthz", headers={"origin": ORIGIN})
        assert "access-control-allow-origin" not in response.headers


async def test_models_are_for_callers() -> None:
    """OpenAI's list shape, with the key only."""
    async with running() as service:
        assert (await service.client.get("/v1/models")).status_code == 401
        listed = (await service.client.get("/v1/models", headers=MASTER)).json()
        assert [model["id"] for model in listed["data"]] == [MODEL]
        assert listed["object"] == "list"


async def test_the_tester_page_is_served_and_knows_no_key() -> None:
    """Only the demo fills one in."""
    async with running() as service:
        page = await service.client.get("/")
        assert page.headers["content-type"].startswith("text/html")
        filled = (await service.client.get("/tester.json")).json()
        assert filled == {"demo": False, "key": None, "models": []}


async def test_calls_url_follows_the_public_url() -> None:
    """Behind a gateway the token must go to the gateway."""
    async with running(public_url="https://voice.example/rt") as service:
        answer = (await service.mint()).json()
        assert answer["calls_url"] == "https://voice.example/rt/v1/realtime/calls"


@pytest.mark.parametrize("public_url", ["https://voice.example", "https://voice.example/rt/x"])
async def test_location_has_the_path_of_the_public_url(public_url: str) -> None:
    """A gateway takes its prefix off and puts none on: the client needs it to hang up."""
    async with running(public_url=public_url) as service:
        minted = (await service.mint()).json()
        called = await service.call(minted["value"])
        location = called.headers["location"]
        assert urljoin(minted["calls_url"], location).rpartition("/")[0] == minted["calls_url"]
        call_id = location.rpartition("/")[2]
        ended = await service.client.delete(f"/v1/realtime/calls/{call_id}", headers=MASTER)
        assert ended.status_code == 200


@pytest.mark.parametrize(
    ("values", "scheme"),
    [
        (["https"], "https"),
        (["https, http"], "https"),
        (["http,https"], "http"),
        (["HTTPS , http"], "https"),
        (["https", "http"], "https"),
        (["ws, https"], "http"),
        (["https; x"], "http"),
        ([""], "http"),
    ],
)
async def test_the_first_scheme_is_the_clients(values: list[str], scheme: str) -> None:
    """Each gateway in a row adds what it was spoken to in; what is no scheme says nothing."""
    async with running() as service:
        fields = [(b"x-forwarded-proto", value.encode()) for value in values]
        minted = await service.mint(headers=[*fields, (b"authorization", MASTER_FIELD)])
        host = service.url.removeprefix("http://")
        assert minted.json()["calls_url"] == f"{scheme}://{host}/v1/realtime/calls"


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_only_the_demo_has_switches_for_its_faults(method: str) -> None:
    """Whoever has a key of any other service can break nothing in it."""
    async with running() as service:
        headers = {"authorization": f"Bearer {MASTER_KEY}"}
        response = await service.client.request(method, "/demo/faults", headers=headers, json={})
        assert response.status_code == 404


@pytest.mark.parametrize(
    ("host", "told", "given"),
    [
        ("localhost:4000", "127.0.0.1", True),
        ("LOCALHOST.", "127.0.0.1", True),
        ("voice.localhost:4000", "127.0.0.1", True),
        ("127.0.0.1:4000", "0.0.0.0", True),  # noqa: S104 - where a demo may be told to listen
        ("127.9.8.7", "127.0.0.1", True),
        ("[::1]:4000", "127.0.0.1", True),
        ("0.0.0.0:4000", "0.0.0.0", True),  # noqa: S104 - the same
        ("192.0.2.7:4000", "192.0.2.7", True),
        ("[2001:DB8::7]:4000", "2001:db8::7", True),
        ("demo.lan", "Demo.lan", True),
        ("evil.example", "127.0.0.1", False),
        ("127.0.0.1.evil.example", "127.0.0.1", False),
        ("localhost.evil.example:4000", "127.0.0.1", False),
        ("notlocalhost", "127.0.0.1", False),
        ("192.0.2.7", "0.0.0.0", False),  # noqa: S104 - the same
        ("[::ffff:192.0.2.7]", "::", False),
        ("localhost@evil.example", "127.0.0.1", False),
        ("localhost, evil.example", "127.0.0.1", False),
        ("", "127.0.0.1", False),
    ],
)
async def test_the_demos_key_is_for_this_machine(host: str, told: str, given: bool) -> None:
    """A page whose name was pointed here (DNS rebinding) is of this origin, but gets no key."""
    key = Secret("sk-canary-of-the-demo")
    async with running(tester_key=key, tester_host=told) as service:
        response = await service.client.get("/tester.json", headers={"host": host})
        if given:
            assert response.json()["key"] == key.reveal()
        else:
            assert (response.status_code, error(response)["code"]) == (403, "not_allowed")
            assert "localhost" in error(response)["message"]
            assert key.reveal() not in response.text


async def raw(service: Service, head: bytes, body: bytes = b"") -> int:
    """The status of a request that no client library would write; 0 for a closed connection."""
    host, port = service.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head + b"Connection: close\r\n\r\n" + body)
    line = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    return int(line.split(b" ")[1]) if line else 0


async def test_a_fault_of_ours_is_a_500_like_every_error(caplog: pytest.LogCaptureFixture) -> None:
    """With request id, CORS and security headers; the traceback is in the log, not in the body."""
    provider = FakeProvider()
    async with serving(provider.app) as provider_url:
        made = settings(deployment(provider_url), cors_origins=(ORIGIN,))
        ticks = iter([time.time()] * 100)

        def clock() -> float:
            return next(ticks)

        async with (
            serving(create_app(made, clock=clock)) as url,
            httpx.AsyncClient(base_url=url) as client,
        ):
            for _ in ticks:
                pass
            body, headers = {"model": MODEL}, {**MASTER, "origin": ORIGIN}
            response = await client.post("/v1/realtime/client_secrets", json=body, headers=headers)
    assert (response.status_code, error(response)["code"]) == (500, "internal_error")
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "StopIteration" not in response.text
    (fault,) = [record for record in caplog.records if record.getMessage() == "fault"]
    assert fault.exc_info is not None
    assert fault.__dict__["fields"]["request_id"] == response.headers["x-request-id"]


@given(st.text(max_size=400))
def test_any_model_name_fits_a_token_or_is_refused(model: str) -> None:
    """Whatever its characters cost as JSON."""
    with contextlib.suppress(InvalidRequest):
        name = parse_mint_request({"model": model}).model
        claims = TokenClaims(
            grant_id="g" * 22,
            caller="\U0001f642" * 128,
            credential_id="key:" + "c" * 16,
            deployment_id="i" * 200,
            credential_fingerprint="c" * 16,
            model=name,
            nested_models=("n" * 508,),
            session_type="transcription",
            uses=100,
            origins=("https://" + "o" * 54,) * 16,
            issued_at=0,
            expires_at=60,
            metadata_digest="",
            seal_key=b"k" * 32,
        )
        minted = Tokens((token_key(),), lambda: 0).mint(claims)
        assert len(minted.reveal()) < MAX_COMPACT_CHARS


HEAD = (
    f"POST /v1/realtime/client_secrets HTTP/1.1\r\nAuthorization: Bearer {MASTER_KEY}\r\n"
    "Content-Type: application/json\r\n"
).encode()
BODY = b'{"model": "voice"}'


@pytest.mark.parametrize("length", ["-1", "abc", "9" * 26, "1e3", "+5", "\u0663"])
async def test_a_lying_content_length_is_no_500(length: str) -> None:
    """Refused by the server or by us, never a fault of ours."""
    async with running() as service:
        head = HEAD + f"Host: x\r\nContent-Length: {length}\r\n".encode()
        assert await raw(service, head) in (0, 400, 413)


@pytest.mark.parametrize(
    "host", [b"[::1", b"a b", b"", b"a:99999999", b"a:b", b"\xff", b"a/b?c#d", b"a@b:c@d"]
)
async def test_a_strange_host_is_no_500(host: bytes) -> None:
    """It is only echoed in calls_url, to the one who sent it."""
    async with running() as service:
        head = HEAD + b"Host: " + host + b"\r\nContent-Length: %d\r\n" % len(BODY)
        assert await raw(service, head, BODY) in (0, 200, 400)


@pytest.mark.parametrize(
    "path",
    [
        b"/%ff",
        b"/css/%00",
        b"/css/" + b"a" * 5000,
        b"/js/..%2f..%2fpyproject.toml",
        b"//",
        b"/v1/realtime/calls/%ff/hangup",
        b"http://evil.example/v1/models",
        b"*",
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"POST", b"DELETE", b"OPTIONS", b"HEAD"])
async def test_a_strange_path_is_no_500(method: bytes, path: bytes) -> None:
    """With the master key at that."""
    async with running() as service:
        head = method + b" " + path + HEAD[HEAD.index(b" HTTP") :] + b"Host: x\r\n"
        assert await raw(service, head + b"Content-Length: 0\r\n") < 500


async def test_a_body_that_does_not_come_is_refused() -> None:
    """A slow client holds a connection for a bounded time."""

    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("an event nobody sets")

    request = Request({"type": "http", "method": "POST", "path": "/", "headers": []}, never)
    with pytest.raises(InvalidRequest, match="did not arrive"):
        await read_body(request, 10, seconds=0.05)


def test_an_integer_that_is_too_long_is_told_in_our_words() -> None:
    """Not in CPython's, which advise a setting of the process."""
    with pytest.raises(InvalidJson) as refused:
        parse_json(b'{"n": ' + b"9" * 5000 + b"}")
    assert refused.value.public == "The body cannot be used: an integer has too many digits."


@given(st.binary(max_size=300))
def test_any_bytes_as_json_are_an_object_or_invalid_json(body: bytes) -> None:
    """Nothing else comes out of the JSON door."""
    with contextlib.suppress(InvalidJson):
        assert isinstance(parse_json(body), dict)


@given(
    st.lists(
        st.sampled_from(
            [
                b"--b",
                b"--b--",
                b"\r\n",
                b"\r\n\r\n",
                b'Content-Disposition: form-data; name="sdp"',
                b"Content-Transfer-Encoding: base64",
                b"Content-Type: \xff",
                b"v=0\r\n",
                b"x" * 99,
            ]
        )
        | st.binary(max_size=20),
        max_size=20,
    ),
    st.sampled_from(
        [
            "multipart/form-data; boundary=b",
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=" + "b" * 500,
            'multipart/form-data; boundary="b',
        ]
    ),
)
def test_any_bytes_as_a_form_are_parts_or_an_invalid_request(
    pieces: list[bytes], content_type: str
) -> None:
    """Hostile forms have one outcome."""
    with contextlib.suppress(InvalidRequest):
        assert parse_multipart(content_type, b"".join(pieces))


def test_json_is_not_altered_on_its_way() -> None:
    """Numbers, escapes and order survive reading and writing."""
    text = '{"b": 1.1, "a": 123456789012345678901234567890, "c": "\\ud83d\\ude00"}'
    assert json.dumps(parse_json(text.encode())) == text
