"""Recognisable credentials, the requests that carry them, and a search for them."""

from collections.abc import Awaitable
from typing import Any

from signaller.errors import UpstreamError
from signaller.model import Deployment, Offer, SessionRequest, Trace
from signaller.ports import Upstream
from signaller.secret import Secret

API_KEY = "sk-canary-A1b2C3d4E5f6G7h8"
EPHEMERAL = "ek_canary_Z9y8X7w6V5u4T3s2"
OFFER = Offer(sdp=b"v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n")
TRACE = Trace(request_id="req-1")
ASKED = SessionRequest(
    session={"type": "realtime", "model": "gpt-realtime", "instructions": "Grüße 🙂"},
    expires_after_seconds=60,
    trace=TRACE,
)


def deployment(url: str, **changes: Any) -> Deployment:
    """A deployment at this address, with the canary key."""
    fields: dict[str, Any] = {
        "id": "d1",
        "model_name": "gpt-realtime",
        "provider": "openai",
        "upstream_model": "gpt-realtime",
        "base_url": url,
        "api_key": Secret(API_KEY),
    }
    return Deployment(**fields | changes)


def taking(step: str, upstream: Upstream, at: Deployment) -> Awaitable[object]:
    """One of the three steps: "mint", "call" or "hangup"."""
    if step == "mint":
        return upstream.mint(at, ASKED)
    if step == "call":
        return upstream.call(at, Secret(EPHEMERAL), OFFER, TRACE)
    return upstream.hang_up(at, "rtc_1", TRACE)


def assert_silent(error: UpstreamError) -> None:
    """Neither canary shows in what a client or a log line would hold."""
    chain: list[BaseException | None] = [error, error.__cause__]
    shown = [repr(error.__dict__), error.public, *(repr(e) + str(e) for e in chain)]
    for canary in (API_KEY, EPHEMERAL):
        assert canary not in "".join(shown)
