"""A call through the service with no browser in it, between two WebRTC stacks of this process."""

import asyncio

import httpx

from tests.loopback.peer import Peer
from tests.support.stage import Stage, staged


async def test_a_session_beside_the_offer_rules() -> None:
    """Multipart reaches the provider's unified flow: the session it carries is the call's."""
    async with staged() as stage:
        peer, token = Peer(), await stage.token()
        session = b'{"type": "realtime", "instructions": "Be brief."}'
        try:
            async with httpx.AsyncClient(base_url=stage.url, timeout=30) as client:
                response = await client.post(
                    "/v1/realtime/calls",
                    files={"sdp": (None, await peer.offer()), "session": (None, session)},
                    headers={"authorization": f"Bearer {token}"},
                )
            assert response.status_code == 201, response.text
            await peer.accept(response.text)
            created = await peer.event("session.created")
            assert created["session"]["instructions"] == "Be brief."  # type: ignore[index]  # JSON
        finally:
            await peer.aclose()


async def started(stage: Stage, peer: Peer, token: str) -> str:
    """Connect a peer; the Location of its call."""
    async with httpx.AsyncClient(base_url=stage.url, timeout=30) as client:
        response = await client.post(
            "/v1/realtime/calls",
            content=await peer.offer(),
            headers={"authorization": f"Bearer {token}", "content-type": "application/sdp"},
        )
    assert response.status_code == 201, response.text
    await peer.accept(response.text)
    return response.headers["location"]


async def test_a_call_is_heard_updated_and_ended() -> None:
    """Greeting, session.updated, and DELETE on the Location closes the peer's connection."""
    async with staged() as stage:
        peer, token = Peer(), await stage.token()
        try:
            location = await started(stage, peer, token)
            await peer.event("session.created")
            await peer.hears(loud=True)
            peer.send(type="session.update", session={"instructions": "Be brief."})
            updated = await peer.event("session.updated")
            assert updated["session"]["instructions"] == "Be brief."  # type: ignore[index]  # JSON
            async with httpx.AsyncClient(base_url=stage.url, timeout=30) as client:
                ended = await client.delete(location, headers={"authorization": f"Bearer {token}"})
            assert ended.status_code == 200
            async with asyncio.timeout(30):
                await peer.ended.wait()
            (call,) = stage.provider.calls
            assert not await stage.provider.knows(call)
        finally:
            await peer.aclose()
