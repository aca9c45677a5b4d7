"""An SDP offer as a browser makes it, by aiortc."""

import asyncio

from aiortc import RTCConfiguration, RTCPeerConnection


def make_offer() -> str:
    """Audio both ways and the events' data channel; nobody waits for an answer to it."""
    return asyncio.run(_make())


async def _make() -> str:
    # No servers: an offer for a trial need not be reachable from outside, and asks nobody.
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        peer.addTransceiver("audio")
        peer.createDataChannel("oai-events")
        await peer.setLocalDescription(await peer.createOffer())
        return peer.localDescription.sdp
    finally:
        await peer.close()
