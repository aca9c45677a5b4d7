"""The HTTP surface: what is accepted, and how it is refused."""

import httpx
import pytest

from signaller.loopback.app import create_loopback
from signaller.secret import Secret
from tests.loopback.conftest import API_KEY
from tests.loopback.peer import Peer
from tests.support.serving import serving

MINT = "/v1/realtime/client_secrets"
CALLS = "/v1/realtime/calls"
SDP = {"content-type": "application/sdp"}
OFFER = "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"


async def test_a_mint_gives_a_secret_and_the_effective_session(openai: httpx.AsyncClient) -> None:
    """Ten minutes by default; what was asked is merged into what the provider has."""
    response = await openai.post(MINT, json={"session": {"type": "realtime", "model": "m"}})
    assert response.status_code == 200
    assert response.headers["x-request-id"].startswith("req_")
    minted = response.json()
    assert minted["value"].startswith("ek_")
    session = minted["session"]
    assert (session["object"], session["model"]) == ("realtime.session", "m")
    assert session["audio"]["output"]["voice"] == "marin"
    assert session["expires_at"] == minted["expires_at"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        pytest.param({"session": {"type": "video"}}, "session.type", id="unknown type"),
        pytest.param({"session": {"model": "m"}}, "session.type", id="no type"),
        pytest.param({"session": []}, "session", id="session no object"),
        pytest.param({"session": {"type": "realtime", "x": 1}}, "session.x", id="unknown field"),
        pytest.param({"session": {"type": "realtime", "model": 5}}, "session.model", id="model"),
        pytest.param({"session": {"type": "realtime", "audio": 5}}, "session.audio", id="audio"),
        pytest.param({"model": "m"}, "model", id="model outside session"),
        pytest.param({"expires_after": 5}, "expires_after", id="expires_after no object"),
        pytest.param({"expires_after": {"anchor": "now"}}, "expires_after.anchor", id="anchor"),
        pytest.param({"expires_after": {"seconds": 9}}, "expires_after.seconds", id="too short"),
        pytest.param({"expires_after": {"seconds": 7201}}, "expires_after.seconds", id="too long"),
        pytest.param({"expires_after": {"seconds": True}}, "expires_after.seconds", id="no number"),
    ],
)
async def test_a_bad_mint_names_the_field(
    openai: httpx.AsyncClient, body: object, param: str
) -> None:
    """400 in OpenAI's error shape."""
    response = await openai.post(MINT, json=body)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["param"] == param
    assert error["type"] == "invalid_request_error"
    assert set(error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("content", "status"),
    [
        pytest.param(b"{", 400, id="not JSON"),
        pytest.param(b"[1]", 400, id="no object"),
        pytest.param(b"\xff", 400, id="not UTF-8"),
        pytest.param(b" " * 300_000, 413, id="too large"),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(
    openai: httpx.AsyncClient, content: bytes, status: int
) -> None:
    """Never a 500."""
    assert (await openai.post(MINT, content=content)).status_code == status


@pytest.mark.parametrize("path", [MINT, f"{CALLS}/rtc_1/hangup", CALLS])
@pytest.mark.parametrize("header", ["Bearer sk-other", "Basic x", ""])
async def test_a_wrong_key_is_a_401(openai: httpx.AsyncClient, path: str, header: str) -> None:
    """On every route."""
    response = await openai.post(path, headers={"authorization": header})
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_api_key"
    assert API_KEY not in response.text


async def test_an_unknown_route_has_the_same_shape(openai: httpx.AsyncClient) -> None:
    """404 and 405 included."""
    assert (await openai.post("/v1/nothing")).json()["error"]["message"] == "Not Found"
    assert (await openai.get(MINT)).status_code == 405


@pytest.mark.parametrize(
    "offer",
    [
        pytest.param(OFFER.rstrip(), id="no final line end"),
        pytest.param("", id="empty"),
        pytest.param("hello\n", id="no SDP"),
        pytest.param(OFFER, id="no ICE credentials"),
        pytest.param("v=0\r\ns=-\r\n", id="no audio"),
        pytest.param(OFFER + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n", id="video"),
        pytest.param("v=0\nm=audio\n", id="broken media line"),
        pytest.param("v=0\na=candidate:\nm=audio 9 x 1\na=rtpmap:\n", id="broken attributes"),
        pytest.param(b"v=0\n\xff\n", id="not UTF-8"),
    ],
)
async def test_an_unusable_offer_is_a_400(openai: httpx.AsyncClient, offer: str | bytes) -> None:
    """The last line needs its line end, as with the real provider."""
    secret = (await openai.post(MINT, json={})).json()["value"]
    response = await openai.post(
        CALLS, content=offer, headers={"authorization": f"Bearer {secret}", **SDP}
    )
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_offer"


async def test_the_unified_flow_takes_offer_and_session_at_once(openai: httpx.AsyncClient) -> None:
    """201, an SDP answer with candidates, and the id at the end of Location."""
    peer = Peer()
    try:
        response = await openai.post(
            CALLS,
            files={
                "sdp": (None, await peer.offer(), "application/sdp"),
                "session": (None, '{"type": "realtime", "model": "m"}', "application/json"),
            },
        )
        assert response.status_code == 201
        assert response.headers["content-type"].startswith("application/sdp")
        assert "a=candidate" in response.text
        await peer.accept(response.text)
        created = await peer.event("session.created")
        assert created["session"]["model"] == "m"  # type: ignore[index]  # JSON
        hangup = f"{response.headers['location']}/hangup"
        assert (await openai.post(hangup)).status_code == 200
    finally:
        await peer.aclose()


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"x": (None, "y")}, id="no sdp"),
        pytest.param({"sdp": (None, "v=0"), "session": (None, "{")}, id="bad session"),
    ],
)
async def test_a_bad_unified_call_is_a_400(
    openai: httpx.AsyncClient, files: dict[str, tuple[None, str]]
) -> None:
    """Both parts are checked."""
    assert (await openai.post(CALLS, files=files)).status_code == 400


async def test_each_flow_has_its_content_type(openai: httpx.AsyncClient) -> None:
    """The standing key needs multipart, an ephemeral secret raw SDP."""
    secret = (await openai.post(MINT, json={})).json()["value"]
    standing = await openai.post(CALLS, content=OFFER, headers=SDP)
    ephemeral = await openai.post(CALLS, json={}, headers={"authorization": f"Bearer {secret}"})
    for response in (standing, ephemeral):
        assert response.json()["error"]["code"] == "unsupported_content_type"


async def test_a_secret_expires() -> None:
    """A moment before it is honoured, at its time it is a 401."""
    now = 1000.0
    app = create_loopback(api_key=Secret(API_KEY), clock=lambda: now)
    async with serving(app) as url, httpx.AsyncClient(base_url=url) as client:
        minted = await client.post(
            MINT,
            json={"expires_after": {"anchor": "created_at", "seconds": 10}},
            headers={"authorization": f"Bearer {API_KEY}"},
        )
        assert minted.json()["expires_at"] == 1010
        headers = {"authorization": f"bearer {minted.json()['value']}", **SDP}
        now = 1009.9
        assert (await client.post(CALLS, content="v=0", headers=headers)).status_code == 400
        now = 1010
        assert (await client.post(CALLS, content="v=0", headers=headers)).status_code == 401


async def test_browsers_may_call_directly(openai: httpx.AsyncClient) -> None:
    """CORS, as the provider has it, with Location exposed."""
    response = await openai.options(
        CALLS,
        headers={
            "origin": "https://app.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type",
        },
    )
    assert response.headers["access-control-allow-origin"] == "*"
