"""Makes aiortc meet a browser on the same machine, with or without a network."""

from collections.abc import Awaitable, Callable

from aioice.candidate import Candidate
from aiortc import RTCPeerConnection

Gather = Callable[[int, list[str]], Awaitable[list[Candidate]]]


def answerable(offer: str) -> str:
    """The offer without what keeps an answer from a peer that is near.

    Browsers hide their addresses behind mDNS names (draft-ietf-mmusic-mdns-ice-candidates):
    resolving one takes seconds where multicast is blocked, and is not needed, since the peer's
    own checks reveal where it is (RFC 8445, 7.3.1.3). For the same reason no list of candidates
    is ever complete.
    """
    return "".join(
        line
        for line in offer.splitlines(keepends=True)
        if not line.startswith("a=end-of-candidates")
        and not (line.startswith("a=candidate:") and ".local " in line)
    )


def listen_on_loopback(peer: RTCPeerConnection) -> None:
    """Offer 127.0.0.1 as well, which aioice leaves out: without a network it is all there is."""
    transports = {transceiver.receiver.transport for transceiver in peer.getTransceivers()}
    if peer.sctp is not None:
        transports.add(peer.sctp.transport)
    for transport in transports:
        gatherer = transport.transport.iceGatherer
        connection = gatherer._connection  # noqa: SLF001 - aiortc hands aioice's out nowhere else
        connection.get_component_candidates = _with_loopback(  # type: ignore[method-assign,assignment]  # aioice has no option for it
            connection.get_component_candidates
        )


def _with_loopback(gather: Gather) -> Gather:
    async def with_loopback(component: int, addresses: list[str]) -> list[Candidate]:
        return await gather(component, [*addresses, "127.0.0.1"])

    return with_loopback
