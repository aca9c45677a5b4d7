"""`signaller offer`: an SDP offer for a call without a browser."""

import subprocess
import sys

import httpx
import pytest

from signaller.app import create_app
from signaller.loopback.app import create_loopback
from signaller.realtime.offers import parse_offer
from signaller.secret import Secret
from tests.support.service import MASTER_KEY, MODEL, PROVIDER_KEY, bearer, deployment, settings
from tests.support.serving import serving

COMMAND = "import sys; {}; from signaller.cli import main; main(['offer'])"
WITHOUT = "sys.modules['aiortc'] = None"
PROGRAMS = {"made": COMMAND.format("pass"), "shipped": COMMAND.format(WITHOUT)}


def printed(program: str) -> bytes:
    """What it prints, byte for byte."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and package
        [sys.executable, "-c", program], capture_output=True, check=True, timeout=60
    )
    return done.stdout


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_it_is_an_offer_as_browsers_make_them(program: str) -> None:
    """Audio and the events' data channel, with all that ICE and DTLS need, in SDP's line ends."""
    offer = printed(program)
    assert parse_offer(offer).sdp == offer
    assert offer.endswith(b"\r\n")
    assert offer.count(b"\n") == offer.count(b"\r\n")
    lines = offer.decode().splitlines()
    media = [line.split()[0] for line in lines if line.startswith("m=")]
    assert media == ["m=audio", "m=application"]
    for begin in ("a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:sha-256 ", "a=setup:actpass"):
        assert sum(line.startswith(begin) for line in lines) == len(media)
    assert "a=group:BUNDLE 0 1" in lines
    assert any(line.endswith("opus/48000/2") for line in lines)


def test_one_that_is_made_is_new_each_time() -> None:
    """Two calls must not share the secrets of ICE."""
    assert printed(PROGRAMS["made"]) != printed(PROGRAMS["made"])


def test_the_shipped_one_names_no_address() -> None:
    """It is the same on every machine."""
    assert b"a=candidate" not in printed(PROGRAMS["shipped"])


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
async def test_a_provider_with_real_webrtc_answers_it(program: str) -> None:
    """Through the service: 201 with an answer, and a call that can be hung up."""
    async with serving(create_loopback(api_key=Secret(PROVIDER_KEY))) as provider_url:
        made = settings(deployment(provider_url, upstream_model="gpt-realtime"))
        async with (
            serving(create_app(made)) as url,
            httpx.AsyncClient(base_url=url, timeout=30) as client,
        ):
            body, key = {"model": MODEL}, bearer(MASTER_KEY)
            minted = await client.post("/v1/realtime/client_secrets", json=body, headers=key)
            headers = bearer(minted.json()["value"]) | {"content-type": "application/sdp"}
            answered = await client.post(
                "/v1/realtime/calls", content=printed(program), headers=headers
            )
            assert answered.status_code == 201, answered.text
            assert answered.text.startswith("v=0\r\n")
            assert (await client.delete(answered.headers["location"], headers=key)).is_success
