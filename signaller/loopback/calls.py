"""The calls of one loopback provider."""

import asyncio
import copy
import re
from dataclasses import dataclass

from signaller.loopback.call import Call
from signaller.loopback.faults import Refusal, no_such_call
from signaller.loopback.session import Json, NewId

_MAX_CALLS = 64  # each encodes and decodes sound all the time


@dataclass(frozen=True, slots=True)
class _Running:
    call: Call
    task: asyncio.Task[None]


class Calls:
    """Starts, finds and ends calls."""

    def __init__(self, *, new_id: NewId) -> None:
        self._new_id = new_id
        self._running: dict[str, _Running] = {}
        self._starting = 0

    async def start(self, offer: bytes, session: Json) -> tuple[str, str]:
        """A new call's id and the answer to its offer; raises Refusal."""
        sdp = read_offer(offer)
        if len(self._running) + self._starting >= _MAX_CALLS:
            raise Refusal(429, "rate_limit_exceeded", "Too many calls at once.")
        call = Call(self._new_id("rtc"), copy.deepcopy(session), new_id=self._new_id)
        self._starting += 1
        try:
            answer = await call.answer(sdp)
        finally:
            self._starting -= 1
        self._running[call.id] = _Running(call, asyncio.create_task(self._run(call)))
        return call.id, answer

    def find(self, call_id: str) -> Call:
        """A call that has not ended; raises Refusal."""
        running = self._running.get(call_id)
        if running is None:
            raise no_such_call()
        return running.call

    async def hang_up(self, call_id: str) -> None:
        """End a call; raises Refusal."""
        call = self.find(call_id)
        task = self._running[call_id].task
        call.hang_up()
        await asyncio.wait([task])

    async def aclose(self) -> None:
        """End all calls."""
        await asyncio.gather(*(self.hang_up(call_id) for call_id in tuple(self._running)))

    async def _run(self, call: Call) -> None:
        try:
            await call.run()
        finally:
            del self._running[call.id]


def read_offer(offer: bytes) -> str:
    """The text of an offer that a realtime provider takes; raises Refusal."""
    try:
        sdp = offer.decode()
    except UnicodeDecodeError as error:
        raise _bad_offer("it is not UTF-8") from error
    if not sdp.startswith("v=0"):
        raise _bad_offer("it does not start with 'v=0'")
    # The providers' parser wants every line ended (RFC 8866, section 5), also the last.
    if not sdp.endswith("\n"):
        raise _bad_offer("its last line has no line end")
    media = re.findall(r"^m=(\w+)", sdp, re.MULTILINE)
    if media.count("audio") != 1 or media.count("application") > 1 or len(media) > 2:
        raise _bad_offer("it must have one audio section, and at most a data channel beside it")
    if set(media) - {"audio", "application"}:
        raise _bad_offer("only audio and a data channel are supported")
    return sdp


def _bad_offer(why: str) -> Refusal:
    return Refusal(400, "invalid_offer", f"Failed to parse the SDP offer: {why}.", param="sdp")
